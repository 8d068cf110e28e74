"""Runs of one partition at once follow each other, or say who is before them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from pipelines.graph.exclusive_runs import PartitionBusyError, written_alone
from resources.lake.lake import Lake

SOON = timedelta(seconds=0.1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path))


@pytest.mark.parametrize("n_runs", [2, 3, 8])
def test_runs_of_one_partition_follow_each_other(lake: Lake, n_runs: int) -> None:
    inside, together = [], Barrier(n_runs)

    def one(number: int) -> None:
        together.wait()
        for _ in range(5):
            with written_alone(lake, "p/raw/x", "2024-01-01", f"r{number}"):
                inside.append(number)
                assert len(inside) == 1
                inside.remove(number)

    with ThreadPoolExecutor(n_runs) as pool:
        for done in [pool.submit(one, number) for number in range(n_runs)]:
            done.result()
    assert list(Path(lake.root, ".locks").iterdir()) == []


def test_who_is_before_one_is_named(lake: Lake) -> None:
    said = (
        r"another run makes p/raw/x, partition a/b since more than 0:00:00\.1\S* \(run first holds .*"
        r"Wait until it has ended, or terminate it"
    )
    with (
        written_alone(lake, "p/raw/x", "a/b", "first"),
        pytest.raises(PartitionBusyError, match=said),
        written_alone(lake, "p/raw/x", "a/b", "second", patience=SOON),
    ):
        pass


@pytest.mark.parametrize(("table", "partition"), [("p/raw/x", "b"), ("p/raw/x", None), ("p/raw/y", "a")])
def test_other_partitions_and_tables_do_not_wait(lake: Lake, table: str, partition: str | None) -> None:
    with (
        written_alone(lake, "p/raw/x", "a", "first"),
        written_alone(lake, table, partition, "second", patience=SOON),
    ):
        pass
