"""The soak finds the faults that a store may have."""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.online_servers import RedisServer
from benchmarks.online_soak import Tally, check, soak
from benchmarks.online_subject import START, Subject, open_subject
from tests.fixtures.online_case import OURS
from tests.fixtures.servers import need

pytestmark = pytest.mark.slow


@pytest.mark.server
def test_a_server_that_loses_the_end_of_its_log_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kill = RedisServer.kill

    def kill_and_cut(server: RedisServer) -> None:
        kill(server)
        # Half of it: the last few thousand bytes may be of writes that nobody was told were taken.
        for log in server.folder.glob("appendonlydir/*.incr.aof"):
            os.truncate(log, log.stat().st_size // 2)

    monkeypatch.setattr(RedisServer, "kill", kill_and_cut)
    need("redis")
    seen = soak("redis", 7.0)
    assert seen.n_kills > 0
    assert any("is stored" in fault for fault in seen.faults)


def test_what_is_lost_or_older_is_noted(tmp_path: Path) -> None:
    subject = open_subject(tmp_path, {"type": OURS["sqlite"], "path": str(tmp_path / "online.db")})
    tally = Tally()
    subject.write([1], [5])
    tally.acknowledge([1, 2], [6, 6])
    check(subject, tally, [0, 1, 2])
    assert tally.faults == ["entity 1: 5 is stored, 6 was", "entity 2: nothing is stored, 6 was"]


class Stored(Subject):
    """Gives rows as planned."""

    planned: Sequence[tuple[int, int]] = ()

    def read(self, entities: Sequence[int]) -> list[tuple[datetime | None, Any]]:
        from feast.protos.feast.types.Value_pb2 import Value

        return [
            (START + timedelta(seconds=one), {"one": Value(int64_val=one), "other": Value(int64_val=other)})
            for one, other in self.planned[: len(entities)]
        ]


def test_what_is_older_than_what_was_read_before_is_noted_though_nobody_acknowledged_it() -> None:
    class Newer(Stored):
        planned = ((9, 9),)

    class Older(Stored):
        planned = ((8, 8),)

    tally = Tally()
    check(Newer(store=None, view=None), tally, [3])
    assert tally.faults == []
    check(Older(store=None, view=None), tally, [3])
    assert tally.faults == ["entity 3: 8 is stored, 9 was"]


def test_a_torn_row_is_noted() -> None:
    class Torn(Stored):
        planned = ((0, 1),)

    tally = Tally()
    check(Torn(store=None, view=None), tally, [3])
    assert tally.faults == [f"entity 3: torn row: 0, 1, {START}"]
