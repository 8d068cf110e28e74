"""A replay's report is about the past, unless its window is the newest by the clock."""

from datetime import UTC, datetime

import pytest

from declaration.partitions import PartitionsSpec
from pipelines.alerting.history import is_past

MONTHS = PartitionsSpec.model_validate({"every": "month", "start": "2013-01-01"})
HOURS = PartitionsSpec.model_validate({"every": "hour", "start": "2013-01-01"})
ROWS = PartitionsSpec.model_validate({"every": "rows", "size": 10})
LOADS = PartitionsSpec.model_validate({"every": "load"})


@pytest.mark.parametrize(
    ("spec", "partition", "now", "expected"),
    [
        (MONTHS, "2013-03-01", datetime(2013, 4, 1, tzinfo=UTC), False),
        (MONTHS, "2013-03-01", datetime(2013, 5, 1, tzinfo=UTC), False),  # March has 31 days: until May 2nd.
        (MONTHS, "2013-03-01", datetime(2013, 5, 2, tzinfo=UTC), True),
        (HOURS, "2013-03-01-00:00", datetime(2013, 3, 2, 0, 59, tzinfo=UTC), False),  # A day, not an hour.
        (HOURS, "2013-03-01-00:00", datetime(2013, 3, 2, 1, tzinfo=UTC), True),
        (HOURS, "2013-03-01", datetime(2013, 3, 1, 2, tzinfo=UTC), True),  # No key of hours.
        (ROWS, "row-00000010", datetime(2013, 1, 1, tzinfo=UTC), True),
        (LOADS, None, datetime(2013, 1, 2, tzinfo=UTC), False),
        (LOADS, None, datetime(2013, 1, 2, 1, tzinfo=UTC), True),
    ],
)
def test_the_present_lasts_as_long_as_a_window(
    spec: PartitionsSpec, partition: str | None, now: datetime, expected: bool
) -> None:
    assert is_past(spec, partition, datetime(2013, 1, 1, tzinfo=UTC), now) is expected
