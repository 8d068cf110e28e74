"""The decision ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources.lake import Lake
from resources.ledger import (
    Decision,
    LedgerError,
    aliases_after,
    read_ledger,
    trusted_sha256,
    write_decision,
)

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def decision(version: int, before: int | None, after: int | None) -> Decision:
    return Decision(
        instant=NOW,
        partition="2024-01-01",
        actor="gate",
        action="promoted" if after == version else "kept",
        version=version,
        champion_before=before,
        champion_after=after,
        reason="schedule",
        gate_report="{}",
        run_id="run",
        artifact_sha256=f"hash of {version}",
        decision_key=f"key {version}",
    )


def test_decisions_are_read_in_the_order_they_were_made(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    made = [decision(number, None, None) for number in range(1, 8)]
    for one in made:
        write_decision(lake, "p", lambda _, one=one: one, commit={})  # type: ignore[misc]  # bound on purpose
    # All at the same instant: the order is the ledger's own.
    assert read_ledger(lake, "p") == tuple(made)


def test_a_pipeline_without_decisions_has_an_empty_ledger(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    assert read_ledger(lake, "p") == ()
    assert aliases_after(()) == {"champion": None, "challenger": None, "previous": None}


def test_aliases_follow_the_decisions() -> None:
    first = decision(1, None, 1)
    kept = decision(2, 1, 1)
    promoted = decision(3, 1, 3)
    back = replace(decision(1, 3, 1), action="rolled back")
    assert aliases_after([first]) == {"champion": 1, "challenger": None, "previous": None}
    assert aliases_after([first, kept]) == {"champion": 1, "challenger": 2, "previous": None}
    assert aliases_after([first, kept, promoted]) == {"champion": 3, "challenger": None, "previous": 1}
    assert aliases_after([first, kept, promoted, back]) == {"champion": 1, "challenger": None, "previous": 3}


def test_a_first_model_that_was_refused_does_not_serve() -> None:
    assert aliases_after([decision(1, None, None)]) == {"champion": None, "challenger": 1, "previous": None}


def test_a_version_that_no_decision_names_is_not_trusted() -> None:
    with pytest.raises(LedgerError, match="no decision for model version 9"):
        trusted_sha256([decision(1, None, 1)], 9)


def test_a_version_with_two_hashes_is_not_trusted() -> None:
    one = decision(1, None, 1)
    with pytest.raises(LedgerError, match="2 different hashes for model version 1"):
        trusted_sha256([one, replace(one, artifact_sha256="another")], 1)
