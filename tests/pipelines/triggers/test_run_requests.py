"""Runs have assets of one kind of partitions."""

import dagster as dg

from pipelines.asset_keys import asset_key
from pipelines.triggers.run_requests import parts_of

RAW, REPORT = asset_key("churn", ("raw", "model")), asset_key("churn", ("drift_report",))
TRAINED = [asset_key("churn", (stage,)) for stage in ("training_set", "model")]


def test_a_training_runs_after_what_it_was_asked_for_with() -> None:
    request = dg.RunRequest(
        asset_selection=[*TRAINED, RAW, REPORT], partition_key="2024-01-01", tags={"a": "b"}
    )
    first, second = parts_of(request)
    assert first.asset_selection == [RAW, REPORT]
    assert second.asset_selection == TRAINED
    assert {part.partition_key for part in (first, second)} == {"2024-01-01"}
    assert {part.tags["a"] for part in (first, second)} == {"b"}


def test_what_has_one_kind_of_partitions_is_one_run() -> None:
    for assets in ([RAW, REPORT], TRAINED):
        (part,) = parts_of(dg.RunRequest(asset_selection=assets, partition_key="2024-01-01"))
        assert part.asset_selection == assets
