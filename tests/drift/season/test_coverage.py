import numpy as np
import pytest

from drift.season.co_moments import CoMoments
from drift.season.coverage import coverage_of

DAY = 86_400.0


def part(first_day: float, n_days: float) -> CoMoments:
    return CoMoments(
        1_000, np.eye(6), first_day * DAY, (first_day + n_days) * DAY, np.zeros(1, dtype=np.int64)
    )


def months(n: int, first: int = 0) -> list[CoMoments]:
    return [part((first + index) * 30.4, 30.3) for index in range(n)]


@pytest.mark.parametrize(
    ("n_months", "window", "seen", "reason"),
    [
        (12, 14, "year", ""),
        (11, 14, "year", ""),
        (8, 8, "part", ""),
        (6, 6, "part", ""),
        (6, 9, "nothing", "the window lies 76 days of the year outside of it"),
        (6, 17, "part", ""),  # the month before the first, a year later
        (5, 5, "nothing", "it is 152 days long, in 5 partitions"),
        (3, 3, "nothing", "it is 91 days long, in 3 partitions"),
    ],
)
def test_a_reference_has_seen_a_year_a_part_or_nothing_of_the_season(n_months, window, seen, reason):
    found = coverage_of(months(n_months), months(1, first=window)[0], has_calendar=True)

    assert found.seen == seen
    assert reason in found.reason
    assert (found.reason == "") == (seen != "nothing")


def test_six_weeks_are_no_half_year():
    weeks = [part(7 * index, 7) for index in range(8)]

    found = coverage_of(weeks, part(56, 7), has_calendar=True)

    assert found.seen == "nothing"
    assert found.reason == "the reference has not seen this season: it is 56 days long, in 8 partitions"


@pytest.mark.parametrize(("n", "seen"), [(5, "nothing"), (6, "part"), (12, "year")])
def test_partitions_that_are_counted_have_no_calendar(n, seen):
    found = coverage_of(months(n), months(1, first=n)[0], has_calendar=False)

    assert (found.seen, found.has_calendar) == (seen, False)
