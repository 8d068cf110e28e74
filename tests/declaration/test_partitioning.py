"""Forms of partitioning, by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from declaration.partitioning import partitioning
from declaration.partitions import Cadence, PartitionsSpec


@pytest.mark.parametrize(
    ("every", "length", "n"),
    [
        ("hour", timedelta(minutes=90), 2),
        ("day", timedelta(days=28), 28),
        # February: a month has 28 days at least, so 28 days may reach into one month and 29 into two.
        ("month", timedelta(days=28), 1),
        ("month", timedelta(days=29), 2),
        ("month", timedelta(0), 0),
        ("rows", timedelta(days=28), 1),
        ("load", timedelta(0), 0),
    ],
)
def test_a_look_back_is_counted_in_the_shortest_partitions(every: Cadence, length: timedelta, n: int) -> None:
    spec = PartitionsSpec(every=every, start=datetime(2013, 1, 1))
    assert partitioning(spec).n_within(length) == n


def test_only_the_calendar_ends_partitions_by_itself() -> None:
    forms: tuple[Cadence, ...] = ("week", "rows", "load")
    crons = [partitioning(PartitionsSpec(every=every)).cron for every in forms]
    assert crons == ["0 0 * * 0", None, None]


@pytest.mark.parametrize(
    ("every", "size", "length"),
    [("hour", None, "hour"), ("week", None, "week"), ("rows", 2_000, "2,000 rows"), ("load", None, "load")],
)
def test_a_form_says_how_long_a_partition_is_and_shows_a_key_of_its_own(
    every: Cadence, size: int | None, length: str
) -> None:
    form = partitioning(PartitionsSpec(every=every, size=size))
    assert form.length == length
    # 2024-03-01 was a Friday: as the example of a week it has the format only.
    assert form.window(form.example).key == form.example


@pytest.mark.parametrize(
    ("every", "key", "other"),
    [("day", "2024-01-02", "2024-1-2"), ("hour", "2024-01-02-03:00", "2024-1-2-3:00"), ("month", "2024-02-01", "2024-2-1")],
)  # fmt: skip
def test_a_key_is_written_in_one_way(every: str, key: str, other: str) -> None:
    spec = PartitionsSpec.model_validate({"every": every, "start": "2024-01-01"})
    assert partitioning(spec).is_key(key)
    assert not partitioning(spec).is_key(other)


def test_the_second_of_two_hours_of_one_name_has_a_key_of_its_own() -> None:
    spec = PartitionsSpec.model_validate(
        {"every": "hour", "start": "2013-01-01", "timezone": "America/New_York"}
    )
    keys = [
        window.key
        for window in partitioning(spec).overlapping(
            datetime(2013, 11, 3, 4, tzinfo=UTC), datetime(2013, 11, 3, 8, tzinfo=UTC)
        )
    ]
    assert all(partitioning(spec).is_key(key) for key in keys)
    assert len(set(keys)) == 4
