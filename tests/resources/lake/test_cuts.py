"""A table that was cut into partitions in another way is not written: its rows would stand twice."""

from datetime import datetime

import pyarrow as pa
import pytest

from declaration.partitioning import Cut, partitioning
from declaration.partitions import PartitionsSpec
from resources.lake.lake import Lake, LakeError

ROWS = pa.table({"x": [1]})

DAYS = Cut(PartitionsSpec(every="day", start=datetime(2024, 1, 1)), "seen_at")
COUNTED = Cut(PartitionsSpec(every="rows", size=10))


def like(cut: Cut, *, by: str | None = None, **changes: object) -> Cut:
    spec = cut.partitions.model_copy(update=changes)
    return Cut(spec, cut.by if by is None else by)


OTHER_CUTS = {
    "weeks": (DAYS, like(DAYS, every="week"), "2024-01-07"),
    "hours": (DAYS, like(DAYS, every="hour"), "2024-01-07-00:00"),
    "months": (DAYS, like(DAYS, every="month"), "2024-02-01"),
    "another zone": (DAYS, like(DAYS, timezone="America/New_York"), "2024-01-02"),
    "another event time": (DAYS, like(DAYS, by="closed_at"), "2024-01-02"),
    "rows": (DAYS, COUNTED, "row-0000000010"),
    "another size": (COUNTED, like(COUNTED, size=20), "row-0000000020"),
    "another start of a count": (COUNTED, like(COUNTED, start=datetime(2001, 1, 1)), "row-0000000010"),
    "loads": (COUNTED, like(COUNTED, every="load", size=None), "load-000002"),
}

SAME_CUTS = {
    "a later start": like(DAYS, start=datetime(2024, 1, 5)),
    "an earlier start": like(DAYS, start=datetime(2020, 1, 1)),
    "an end": like(DAYS, end=datetime(2025, 1, 1)),
}


def first_key(cut: Cut) -> str:
    return "2024-01-01" if partitioning(cut.partitions).ends_by_clock else "row-0000000000"


@pytest.mark.parametrize(("was", "now", "key"), OTHER_CUTS.values(), ids=OTHER_CUTS)
def test_another_cut_is_refused_before_anything_is_written(lake: Lake, was: Cut, now: Cut, key: str) -> None:
    before = lake.write("p/raw/x", ROWS, partition=first_key(was), cut=was)
    with pytest.raises(
        LakeError, match=r"table 'p/raw/x' is cut every .*, and would now be cut every .* Nothing was"
    ):
        lake.write("p/raw/x", ROWS, partition=key, cut=now)
    assert lake.snapshot("p/raw/x") == before


@pytest.mark.parametrize("now", SAME_CUTS.values(), ids=SAME_CUTS)
def test_a_cut_whose_keys_mean_the_same_is_written(lake: Lake, now: Cut) -> None:
    lake.write("p/raw/x", ROWS, partition="2024-01-01", cut=DAYS)
    assert lake.write("p/raw/x", ROWS, partition="2024-01-06", cut=now).n_rows == 2


def test_the_cut_stays_through_columns_compaction_checkpoints_and_writes_that_do_not_tell_it(
    lake: Lake,
) -> None:
    lake.write("p/raw/x", ROWS, partition="2024-01-01", cut=DAYS)
    lake.write("p/raw/x", pa.table({"x": [1.5], "y": ["new"]}), partition="2024-01-02")
    lake.compact("p/raw/x", above=1)
    for _ in range(12):
        lake.write("p/raw/x", ROWS, partition="2024-01-02")
    for commit in sorted((lake.table_path("p/raw/x") / "_delta_log").glob("*.json"))[:10]:
        commit.unlink()  # as Delta does after its retention
    with pytest.raises(LakeError, match="would now be cut every week"):
        lake.write("p/raw/x", ROWS, partition="2024-01-07", cut=like(DAYS, every="week"))
    assert lake.read("p/raw/x").num_rows == 2


def test_a_table_of_before_is_taken_over_where_its_keys_are_of_the_cut(lake: Lake) -> None:
    lake.write("p/raw/x", ROWS, partition="2024-01-07")
    lake.write("p/raw/x", ROWS, partition="2024-01-14", cut=like(DAYS, every="week"))
    with pytest.raises(
        LakeError, match=r"is cut every week \(timezone UTC, by seen_at\), and would now be cut every day"
    ):
        lake.write("p/raw/x", ROWS, partition="2024-01-15", cut=DAYS)


@pytest.mark.parametrize(
    "now",
    [like(DAYS, every="week"), like(DAYS, every="month"), like(DAYS, every="hour"), COUNTED],
    ids=["weeks", "months", "hours", "rows"],
)
def test_a_table_of_before_whose_keys_are_not_of_the_cut_is_refused(lake: Lake, now: Cut) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"):
        lake.write("p/raw/x", ROWS, partition=day)
    with pytest.raises(
        LakeError, match=r"its partitions 2024-01-0[12], .* are none of every .* Nothing was written"
    ):
        lake.write("p/raw/x", ROWS, partition="k", cut=now)
    assert lake.snapshot("p/raw/x").n_rows == 4


@pytest.mark.parametrize("is_cut_first", [True, False])
def test_a_table_is_cut_or_it_is_not(lake: Lake, is_cut_first: bool) -> None:
    keys = ["2024-01-01", None] if is_cut_first else [None, "2024-01-01"]
    lake.write("p/raw/x", ROWS, partition=keys[0], cut=DAYS)
    with pytest.raises(
        LakeError, match=r"cut into partitions, and would now be (cut|written whole)\. Nothing"
    ):
        lake.write("p/raw/x", ROWS, partition=keys[1], cut=DAYS)
    assert lake.read("p/raw/x").equals(ROWS)


@pytest.mark.parametrize("every", ["hour", "day", "week", "month"])
def test_the_keys_of_a_cadence_are_its_own(every: str) -> None:
    spec = PartitionsSpec(every=every, start=datetime(2024, 10, 1), timezone="Europe/Berlin")  # type: ignore[arg-type]
    keys = [
        w.key for w in partitioning(spec).windows(until=datetime.fromisoformat("2024-12-01T00:00:00+00:00"))
    ]
    assert all(partitioning(spec).is_key(key) for key in keys)
    assert not any(
        partitioning(spec).is_key(key) for key in ("", "x", "row-0000000000", "load-000001", "2024-13-01")
    )
