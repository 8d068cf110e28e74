"""The decision ledger."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.lake.lake import Lake
from resources.model_registry.ledger import (
    LEDGER,
    Decision,
    LedgerError,
    aliases_after,
    open_ledger,
    read_ledger,
    trusted_sha256,
    write_decision,
)
from resources.model_registry.ledger_chain import OWN, PREVIOUS

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


def _this(one: Decision, _: Sequence[Decision]) -> Decision:
    return one


def test_decisions_are_read_in_the_order_they_were_made(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    made = [decision(number, None, None) for number in range(1, 8)]
    for one in made:
        write_decision(lake, "p", partial(_this, one), commit={})
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


def promoting(name: str, version: int) -> Callable[[Sequence[Decision]], Decision]:
    """Return what promotes a version, whoever serves."""
    return partial(promoted_by, name, version)


def promoted_by(name: str, version: int, decisions: Sequence[Decision]) -> Decision:
    """Promote a version, whoever serves; by whom tells the rows apart."""
    champion = decisions[-1].champion_after if decisions else None
    return replace(decision(version, champion, version), actor=name, decision_key=f"{name}/{version}")


def assert_is_one_history(lake: Lake, n_rows: int) -> None:
    """Numbers without gaps, each decision about the champion that the one before left, nothing twice."""
    assert sorted(lake.read("p/ledger")["sequence"].to_pylist()) == list(range(n_rows))
    made = read_ledger(lake, "p")
    assert [one.champion_before for one in made] == [None, *(one.champion_after for one in made)][:-1]
    assert len({one.decision_key for one in made}) == n_rows


@settings(max_examples=8)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_who_was_overtaken_decides_anew(overtakings: list[int]) -> None:
    """Between reading and adding any number of others add, once or again and again."""
    with TemporaryDirectory() as folder:
        lake = Lake(root=folder)

        def overtaken(others: int, name: str) -> None:
            asked = 0

            def decide(decisions: Sequence[Decision]) -> Decision:
                nonlocal asked
                if asked < others:
                    write_decision(lake, "p", promoting(f"{name} {asked}", asked), commit={})
                asked += 1
                return promoted_by(name, 9, decisions)

            write_decision(lake, "p", decide, commit={})
            assert asked == others + 1

        for number, others in enumerate(overtakings):
            overtaken(others, str(number))
        assert_is_one_history(lake, len(overtakings) + sum(overtakings))


def test_threads_that_decide_at_once_each_add_one_row(tmp_path: Path) -> None:
    lake, n_threads, n_each = Lake(root=str(tmp_path)), 4, 3
    together = threading.Barrier(n_threads)

    def decide(thread: int) -> None:
        for turn in range(n_each):
            together.wait()
            write_decision(lake, "p", promoting(str(thread), thread * 10 + turn), commit={})

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(decide, range(n_threads)))
    assert_is_one_history(lake, n_threads * n_each)


PROCESS = """
import sys
from resources.lake.lake import Lake
from resources.model_registry.ledger import write_decision
from tests.resources.model_registry.test_ledger import promoting
lake, name = Lake(root=sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for version in range(4):
    write_decision(lake, "p", promoting(name, version), commit={})
"""


@pytest.mark.slow
def test_processes_that_decide_at_once_each_add_their_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    started = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "abc"
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert_is_one_history(Lake(root=str(tmp_path)), 12)


def test_where_others_are_always_faster_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.model_registry.ledger.MAX_DECISIONS", 2)
    lake = Lake(root=str(tmp_path))

    def decide(decisions: Sequence[Decision]) -> Decision:
        write_decision(lake, "p", lambda found: promoted_by("other", len(found), found), commit={})
        return promoted_by("slow", 9, decisions)

    with pytest.raises(LedgerError, match=r"'p', table 'p/ledger'.* wrote decisions 2 times.*again when"):
        write_decision(lake, "p", decide, commit={})


def test_a_decision_about_another_champion_is_not_written(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    write_decision(lake, "p", lambda _: decision(1, None, 1), commit={})
    with pytest.raises(LedgerError, match=r"starts from champion 7, but version 1 serves"):
        write_decision(lake, "p", lambda _: decision(2, 7, 2), commit={})
    assert len(read_ledger(lake, "p")) == 1


def three_rows(folder: Path) -> tuple[Lake, list[dict[str, object]]]:
    lake = Lake(root=str(folder))
    for version in range(1, 4):
        write_decision(lake, "p", promoting("a", version), commit={})
    return lake, lake.read("p/ledger").sort_by("sequence").to_pylist()


def test_a_rows_hash_is_that_of_its_content_and_of_the_row_before(tmp_path: Path) -> None:
    lake, rows = three_rows(tmp_path)
    previous = ""
    for row, one in zip(rows, read_ledger(lake, "p"), strict=True):
        content = {**asdict(one), "sequence": row["sequence"], "instant": "2024-02-01T00:00:00.000000+00:00"}
        assert row[PREVIOUS] == previous
        previous = sha256(json.dumps([previous, content], sort_keys=True).encode()).hexdigest()
        assert row[OWN] == previous
    assert open_ledger(lake, "p").head.count == 3
    assert open_ledger(lake, "p").head.sha256 == previous


OTHER = {"int64": 9, "int32": 9, "string": "x", "timestamp[us, tz=UTC]": datetime(2025, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("column", LEDGER.schema.names)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_row_that_was_changed_is_refused(tmp_path: Path, column: str, place: int) -> None:
    lake, rows = three_rows(tmp_path)
    rows[place][column] = OTHER[str(LEDGER.schema.field(column).type)]
    lake.write("p/ledger", LEDGER.rows(rows))
    with pytest.raises(
        LedgerError, match=r"ledger of 'p', table 'p/ledger' .*: row \d .*driftline verify p --repair"
    ):
        read_ledger(lake, "p")


@pytest.mark.parametrize("keep", [[1, 2], [0, 2], [0, 1, 1, 2], [0, 0, 1, 2]])
def test_a_row_that_is_missing_or_there_twice_is_refused(tmp_path: Path, keep: list[int]) -> None:
    lake, rows = three_rows(tmp_path)
    lake.write("p/ledger", LEDGER.rows([rows[place] for place in keep]))
    with pytest.raises(LedgerError, match="a row is missing, or there twice"):
        read_ledger(lake, "p")


def test_a_ledger_of_before_is_chained_from_its_next_row_on(tmp_path: Path) -> None:
    """Its rows had no hashes, and could share a number; the first link covers them."""
    lake, rows = three_rows(tmp_path)
    rows[2]["sequence"] = 1
    old = LEDGER.rows(rows).drop_columns([PREVIOUS, OWN])
    lake.write("p/ledger", old)
    assert len(read_ledger(lake, "p")) == 3
    write_decision(lake, "p", promoting("b", 4), commit={})
    kept = lake.read("p/ledger").sort_by("sequence").to_pylist()
    assert [row["sequence"] for row in kept] == [0, 1, 1, 3]
    assert [one.version for one in read_ledger(lake, "p")] == [1, 2, 3, 4]
    kept[0]["reason"] = "another"
    lake.write("p/ledger", LEDGER.rows(kept))
    with pytest.raises(LedgerError, match="row 3 does not follow the row before it"):
        read_ledger(lake, "p")
