"""What was materialized is set aside, and Dagster counts it as missing; models and what people were told stay."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster import DagsterInstance

from driftline.cli import FAULT, SUCCESS, main
from driftline.rebuild.command import KEYS
from driftline.rebuild.tables import RebuildError, rebuilt_tables, set_aside
from pipelines.graph.compile import row_partitions_name
from pipelines.triggers.run_requests import PIPELINE_TAG
from resources.lake.lake import ASIDE, Lake

MADE = ("churn/features/history", "churn/labels", "churn/raw/events", "churn/training_set")
MODELS = (
    "churn/candidates",
    "churn/co_moments",
    "churn/holdout_scores",
    "churn/ledger",
    "churn/sketches",
    "churn/training_support",
)
TOLD = (
    "churn/accepted_feature_changes",
    "churn/alerts",
    "churn/feature_skew",
    "churn/incidents",
    "churn/served_features",
)
OTHERS = ("churn_eu/raw/events",)

ROWS = pa.table({"x": [1]})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    lake = Lake(root=str(tmp_path / "lake"))
    for table in (*MADE, *MODELS, *TOLD, *OTHERS):
        lake.append(table, ROWS)
    return tmp_path


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(root=str(home / "lake"))


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        for asset in (["churn", "labels"], ["churn", "model"], ["churn_eu", "raw", "events"]):
            made.report_runless_asset_event(dg.AssetMaterialization(asset, partition="2024-01-01"))
        yield made


def materialized(instance: DagsterInstance, *asset: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


def test_the_tables_that_runs_make_are_set_aside_and_can_be_read_there(
    lake: Lake, instance: DagsterInstance
) -> None:
    tables = rebuilt_tables(lake, "churn", with_models=False)
    assert tables == MADE
    set_aside(lake, instance, "churn", tables, with_models=False, to=Path(lake.root) / ASIDE / "now")
    assert lake.tables() == tuple(sorted((*MODELS, *TOLD, *OTHERS)))
    assert Lake(root=f"{lake.root}/{ASIDE}/now").read("churn/labels").equals(ROWS)
    assert materialized(instance, "churn", "labels") == set()
    assert materialized(instance, "churn", "model") == {"2024-01-01"}
    assert materialized(instance, "churn_eu", "raw", "events") == {"2024-01-01"}
    lake.write("churn/labels", pa.table({"x": ["007"]}), partition="2024-01-07")
    assert lake.read("churn/labels").num_rows == 1


def test_with_models_the_next_training_has_no_champion(lake: Lake, instance: DagsterInstance) -> None:
    tables = rebuilt_tables(lake, "churn", with_models=True)
    assert tables == tuple(sorted((*MADE, *MODELS)))
    set_aside(lake, instance, "churn", tables, with_models=True, to=Path(lake.root) / ASIDE / "now")
    assert materialized(instance, "churn", "model") == set()


def test_counted_partitions_are_forgotten(lake: Lake, instance: DagsterInstance) -> None:
    instance.add_dynamic_partitions(row_partitions_name("churn"), ["row-0000000000"])
    set_aside(lake, instance, "churn", MADE, with_models=False, to=Path(lake.root) / ASIDE / "now")
    assert instance.get_dynamic_partitions(row_partitions_name("churn")) == []


def test_a_run_that_goes_on_is_not_disturbed(lake: Lake, instance: DagsterInstance) -> None:
    run = dg.DagsterRun(job_name="x", tags={PIPELINE_TAG: "churn"}, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    with pytest.raises(RebuildError, match=rf"run {run.run_id} of 'churn' is going on\. Let it end"):
        set_aside(lake, instance, "churn", MADE, with_models=False, to=Path(lake.root) / ASIDE / "now")
    assert lake.has("churn/labels")


def test_without_yes_nothing_is_done(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebuild", "churn"]) == SUCCESS
    assert capsys.readouterr().out.splitlines() == [
        *MADE,
        "4 tables would be set aside. Nothing was done: repeat it with --yes.",
    ]
    assert set(MADE) <= set(lake.tables())
    assert main(["rebuild", "churn", "--json"]) == SUCCESS
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"pipeline": "churn", "tables": list(MADE), "set_aside_in": None}
    assert printed.keys() == KEYS.keys()


def test_with_yes_it_says_where_the_tables_are(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebuild", "churn", "--yes", "--json"]) == SUCCESS
    place = json.loads(capsys.readouterr().out)["set_aside_in"]
    assert Lake(root=place).tables() == MADE
    assert lake.tables() == tuple(sorted((*MODELS, *TOLD, *OTHERS)))


@pytest.mark.usefixtures("home")
def test_a_name_without_tables_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebuild", "churm"]) == FAULT
    assert "pipeline 'churm' has nothing to set aside" in capsys.readouterr().err
