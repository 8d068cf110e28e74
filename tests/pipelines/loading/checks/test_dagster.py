"""What is taken without asking Dagster is what Dagster takes."""

import dagster as dg
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.loading.checks.dagster import PLAIN_CRON, PLAIN_OWNER, PLAIN_TAG


@given(st.from_regex(PLAIN_OWNER, fullmatch=True))
def test_a_plain_owner_is_dagsters(owner: str) -> None:
    dg.AssetSpec("probe", owners=[owner])


@given(st.from_regex(PLAIN_TAG, fullmatch=True), st.from_regex(PLAIN_TAG, fullmatch=True))
def test_a_plain_tag_is_dagsters(key: str, value: str) -> None:
    dg.AssetSpec("probe", tags={key: value})


@given(st.from_regex(PLAIN_CRON, fullmatch=True))
@example("0 6 1 * *")
@example("30 0 * * *")
def test_a_plain_schedule_is_dagsters(cron: str) -> None:
    assert PLAIN_CRON.fullmatch(cron)
    dg.ScheduleDefinition(name="probe", target=dg.AssetSelection.groups("probe"), cron_schedule=cron)
