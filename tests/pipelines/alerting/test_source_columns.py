"""A column that came to a source is told once, where asked, and is over when a declaration names it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import DagsterInstance

from assets.raw.source_columns import record_new
from declaration.alerts import AlertsSpec
from declaration.pipeline import Pipeline
from resources.alerts.outbox import read_outbox
from resources.lake.lake import Lake
from tests.fixtures.changing import COLUMNS, changing
from tests.pipelines.alerting.test_sensor import tick

NOW = datetime(2024, 4, 1, tzinfo=UTC)


def asking(folder: Path, *, asks: bool = True, **more: str) -> Pipeline:
    made = changing(folder, {**COLUMNS, **more})
    spec = made.spec.model_copy(update={"alerts": AlertsSpec(new_source_columns=asks)})
    return Pipeline(made.name, spec, made.folder, {}, "hash")


def seen(lake: Lake, *columns: str, is_first: bool = False) -> None:
    shown = dict.fromkeys(columns, "VARCHAR")
    record_new(
        lake, "shop", "sales", shown, is_first=is_first, clock=NOW, run_id="run-2", partition="2024-03-02"
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(root=str(tmp_path / "lake"))
    seen(made, "known", is_first=True)
    return made


def told(lake: Lake) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.alert.state, one.alert.findings) for one in read_outbox(lake, "shop")]


def test_each_column_is_told_once_and_its_end_too(tmp_path: Path, lake: Lake) -> None:
    with DagsterInstance.ephemeral() as instance:
        cursor, _ = tick(instance, lake, asking(tmp_path), now=NOW)
        assert told(lake) == []
        seen(lake, "known", "coupon")
        for again in (cursor, None):
            # A cursor that was lost tells nothing twice.
            cursor, _ = tick(instance, lake, asking(tmp_path), cursor=again, now=NOW)
        seen(lake, "tip")
        cursor, _ = tick(instance, lake, asking(tmp_path), cursor=cursor, now=NOW)
        first = "sales.coupon: first seen by run run-2, in partition 2024-03-02."
        assert told(lake) == [("firing", (first,)), ("firing", (first.replace("coupon", "tip"),))]
        tick(instance, lake, asking(tmp_path, coupon="string"), cursor=cursor, now=NOW)
        assert told(lake)[2:] == [("resolved", ("sales.coupon: the dataset names it now.",))]


def test_nobody_is_told_who_did_not_ask(tmp_path: Path, lake: Lake) -> None:
    seen(lake, "coupon")
    with DagsterInstance.ephemeral() as instance:
        tick(instance, lake, asking(tmp_path, asks=False), now=NOW)
    assert told(lake) == []
