from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.partitioning import partitioning
from declaration.partitions import Cadence, PartitionsSpec
from pipelines.graph.compile import partitions_definition

# Clocks that change on both hemispheres, by half an hour (Lord Howe) and at midnight (Havana, Beirut), and odd offsets.
WHOLE_HOURS = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Sydney",
    "America/Havana",
    "Asia/Beirut",
]
ZONES = [*WHOLE_HOURS, "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu"]
LENGTHS: dict[Cadence, timedelta] = {
    "hour": timedelta(days=3),
    "day": timedelta(days=40),
    "week": timedelta(days=120),
    "month": timedelta(days=500),
}


def _declare(every: Cadence, start: datetime, timezone: str) -> PartitionsSpec:
    if every == "hour":
        # Dagster steps hours in UTC: elsewhere its hours begin at half past, or are listed before they end.
        timezone = timezone if timezone in WHOLE_HOURS else "UTC"
        start = start.replace(minute=0, second=0, microsecond=0)
    return PartitionsSpec(every=every, start=start.replace(fold=0), timezone=timezone)


declared = st.builds(
    _declare,
    st.sampled_from(sorted(LENGTHS)),
    st.datetimes(datetime(2012, 1, 1), datetime(2025, 1, 1)),
    st.sampled_from(ZONES),
)


def _dagsters(spec: PartitionsSpec, until: datetime) -> list[tuple[str, datetime, datetime]]:
    """List partitions as Dagster sees them at an instant."""
    definition = partitions_definition(spec)
    keys = definition.get_partition_keys(current_time=until)
    spans = [definition.time_window_for_partition_key(key) for key in keys]
    return [
        (key, span.start.astimezone(UTC), span.end.astimezone(UTC))
        for key, span in zip(keys, spans, strict=True)
    ]


@given(spec=declared, share=st.floats(0, 1))
def test_windows_are_dagsters_time_windows(spec: PartitionsSpec, share: float) -> None:
    until = (spec.start + share * LENGTHS[spec.every]).replace(tzinfo=UTC)
    ours = [(w.key, w.start, w.end) for w in partitioning(spec).windows(until=until)]
    assert ours == _dagsters(spec, until)


@given(spec=declared)
def test_windows_with_an_end_are_dagsters(spec: PartitionsSpec) -> None:
    ended = spec.model_copy(update={"end": spec.start + LENGTHS[spec.every] / 2})
    until = datetime(2030, 1, 1, tzinfo=UTC)
    assert [w.key for w in partitioning(ended).windows(until=until)] == [
        key for key, *_ in _dagsters(ended, until)
    ]


@given(spec=declared)
def test_windows_follow_each_other_without_gap_or_overlap(spec: PartitionsSpec) -> None:
    listed = partitioning(spec).windows(until=spec.start.replace(tzinfo=UTC) + LENGTHS[spec.every])
    assert all(before.end == after.start for before, after in pairwise(listed))


@given(spec=declared)
def test_a_windows_key_leads_back_to_it(spec: PartitionsSpec) -> None:
    for listed in partitioning(spec).windows(until=spec.start.replace(tzinfo=UTC) + LENGTHS[spec.every]):
        assert partitioning(spec).window(listed.key) == listed


def test_the_second_of_two_hours_with_one_name_carries_its_offset_as_in_dagster() -> None:
    # On 3 November 2013 New York's clocks went from 2:00 back to 1:00.
    spec = PartitionsSpec(every="hour", start=datetime(2013, 11, 3), timezone="America/New_York")
    until = datetime(2013, 11, 3, 8, tzinfo=UTC)
    listed = partitioning(spec).windows(until=until)
    assert [w.key for w in listed] == [
        "2013-11-03-00:00",
        "2013-11-03-01:00",
        "2013-11-03-01:00-0500",
        "2013-11-03-02:00",
    ]
    assert [(w.key, w.start, w.end) for w in listed] == _dagsters(spec, until)
    assert [partitioning(spec).window(w.key) for w in listed] == list(listed)


def test_a_month_in_new_york_begins_at_its_midnight() -> None:
    spec = PartitionsSpec(every="month", start=datetime(2013, 1, 1), timezone="America/New_York")
    march = partitioning(spec).window("2013-03-01")
    # Five hours behind UTC in winter, four after 10 March.
    assert (march.start, march.end) == (
        datetime(2013, 3, 1, 5, tzinfo=UTC),
        datetime(2013, 4, 1, 4, tzinfo=UTC),
    )


def test_windows_that_overlap_a_span_are_listed() -> None:
    spec = PartitionsSpec(every="day", start=datetime(2024, 1, 1))
    found = partitioning(spec).overlapping(
        datetime(2024, 1, 2, 12, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC)
    )
    assert [w.key for w in found] == ["2024-01-02", "2024-01-03"]


def test_a_key_of_another_cadence_is_refused() -> None:
    with pytest.raises(ValueError, match="unconverted data remains"):
        partitioning(PartitionsSpec(every="day", start=datetime(2024, 1, 1))).window("2024-01-01-05:00")


def test_partition_keys_have_dagsters_default_formats() -> None:
    assert dg.MonthlyPartitionsDefinition(start_date="2024-01-01").get_first_partition_key() == "2024-01-01"
    assert (
        dg.HourlyPartitionsDefinition(start_date="2024-01-01-00:00").get_first_partition_key()
        == "2024-01-01-00:00"
    )
