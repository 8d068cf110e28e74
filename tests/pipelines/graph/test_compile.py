"""A declaration becomes the graph of the design: keys, lineage, checks, code versions."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from assets.materialization import CheckOutcome, Outcome
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from pipelines.asset_keys import asset_key
from pipelines.graph.compile import _result, build_pipeline, code_version
from pipelines.graph.trained_partitions import make_trainable
from tests.fixtures.stages import connected
from tests.fixtures.tiny import DECLARATION, tiny_pipeline, write_sources

KEYS = {
    "raw/raw_readings", "raw/raw_machines", "profiled/profiled_readings", "profiled/profiled_machines", "features/recent",
    "labels", "training_set", "model", "predictions", "drift_report",
}  # fmt: skip


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    return with_resources(tiny_pipeline(tmp_path), tmp_path)


def with_resources(pipeline: Pipeline, home: Path) -> dg.Definitions:
    connections = connected(home)
    return dg.Definitions.merge(
        build_pipeline(pipeline),
        dg.Definitions(resources=connections.as_resources(), executor=dg.in_process_executor),
    )


def test_every_stage_is_an_asset_of_the_pipelines_group(definitions: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {f"tiny/{key}" for key in KEYS}
    assert {spec.group_name for spec in specs.values()} == {"tiny"}
    assert all(spec.owners == ["team:tests"] for spec in specs.values())
    assert all(spec.code_version for spec in specs.values())


@pytest.mark.parametrize(
    ("asset", "upstream"),
    [
        ("profiled/profiled_readings", {"raw/raw_readings"}),
        ("features/recent", {"profiled/profiled_readings"}),
        ("labels", {"profiled/profiled_readings"}),
        ("training_set", {"labels", "features/recent"}),
        ("model", {"training_set"}),
        ("predictions", {"labels", "features/recent", "model"}),
        ("drift_report", {"predictions", "labels", "model"}),
    ],
)
def test_lineage_is_what_the_stages_read(definitions: dg.Definitions, asset: str, upstream: set[str]) -> None:
    graph = definitions.resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["tiny", *asset.split("/")])).parent_keys
    assert {key.to_user_string().removeprefix("tiny/") for key in parents} == upstream


def test_a_long_readings_progress_is_in_the_runs_event_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.progress.TELL_EVERY_S", 0.0)
    write_sources(tmp_path, n_days=1)
    tiny = with_resources(tiny_pipeline(tmp_path), tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        job = tiny.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, asset_selection=[asset_key("tiny", ("raw", "machines"))]
        )
        lines = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("dataset 'machines', writing: " in line and " rows so far, " in line for line in lines)


def test_reference_tables_have_no_partitions(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert graph.get(asset_key("tiny", ("raw", "machines"))).partitions_def is None
    assert graph.get(dg.AssetKey(["tiny", "model"])).partitions_def is not None


def test_no_two_nodes_of_the_graph_read_alike(definitions: dg.Definitions) -> None:
    # Dagster's graph shows the last part of a key.
    labels = [key.path[-1] for key in definitions.resolve_asset_graph().get_all_asset_keys()]
    assert len(set(labels)) == len(labels)


def test_partitions_without_a_training_are_not_missing(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    with dg.instance_for_test() as instance, partition_loading_context(dynamic_partitions_store=instance):
        for stage in ("training_set", "model"):
            partitions = graph.get(dg.AssetKey(["tiny", stage])).partitions_def
            assert partitions is not None
            make_trainable(instance, "tiny", None)
            assert not partitions.get_partition_keys() or stage == "model"
            make_trainable(instance, "tiny", "2024-01-03")
            assert partitions.get_partition_keys() == ["2024-01-03"]


def test_a_refresh_asks_for_no_partition_of_trainings(definitions: dg.Definitions) -> None:
    # A backfill from raw data on must not train again as of every partition that was trained.
    graph = definitions.resolve_asset_graph()
    pairs = [
        ("training_set", "labels"),
        ("training_set", "recent"),
        ("predictions", "model"),
        ("drift_report", "model"),
    ]
    for asset, upstream in pairs:
        node = graph.get(dg.AssetKey(["tiny", asset]))
        (mapping,) = [it for key, it in node.partition_mappings.items() if key.path[-1] == upstream]
        assert mapping == dg.SpecificPartitionsPartitionMapping([])


def test_a_change_of_the_gate_is_no_change_of_the_data() -> None:
    spec = PipelineSpec.model_validate(DECLARATION)
    stricter = spec.model.model_copy(update={"gate": spec.model.gate.model_copy(update={"alpha": 0.01})})
    assert code_version([spec.model]) != code_version([stricter])
    assert code_version([spec.datasets]) == code_version([dict(spec.datasets)])


def blocking(folder: Path) -> Pipeline:
    """Return the tiny pipeline with a rule that its data break and that blocks."""
    rule = {
        "expect": "table_row_count_to_be_between",
        "min_value": 10_000,
        "severity": "critical",
        "on_failure": "block",
    }
    readings = {**DECLARATION["datasets"]["readings"], "expectations": [rule]}  # type: ignore[index]
    declaration = {**DECLARATION, "datasets": {**DECLARATION["datasets"], "readings": readings}}  # type: ignore[dict-item]
    spec = PipelineSpec.model_validate(declaration)
    tiny = tiny_pipeline(folder)
    return Pipeline(tiny.name, spec, tiny.folder, tiny.sql, tiny.spec_hash)


def test_a_blocking_expectation_stops_what_comes_after(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    definitions = with_resources(blocking(tmp_path), tmp_path)
    job = definitions.resolve_implicit_global_asset_job_def()
    wanted = [
        asset_key("tiny", path) for path in (("raw", "readings"), ("profiled", "readings"), ("labels",))
    ]
    with dg.instance_for_test() as instance:
        result = job.execute_in_process(
            instance=instance, asset_selection=wanted, partition_key="2024-01-01", raise_on_error=False
        )
    assert not result.success
    evaluations = result.get_asset_check_evaluations()
    assert [(check.passed, check.severity) for check in evaluations] == [(False, dg.AssetCheckSeverity.ERROR)]
    assert not [
        event for event in result.all_events if event.is_step_success and "labels" in str(event.step_key)
    ]
    assert not (tmp_path / "lake" / "tiny" / "profiled" / "readings").exists()


def test_what_is_unknown_is_left_out_of_a_checks_metadata() -> None:
    check = CheckOutcome(
        "rule", is_passed=False, severity="warning", description="d", metadata={"n": 1, "m": None}
    )
    result = _result(Outcome("v1", checks=(check,)), dg.AssetKey(["tiny", "labels"]), {})
    found = next(iter(result.check_results or ()))
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert set(found.metadata) == {"n"}
