"""A declaration becomes the graph of the design: keys, lineage, checks, code versions."""

from pathlib import Path

import dagster as dg
import pytest

from assets.materialization import CheckOutcome, Outcome
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from pipelines.graph.compile import _result, build_pipeline, code_version
from tests.fixtures.stages import connected
from tests.fixtures.tiny import DECLARATION, tiny_pipeline, write_sources

KEYS = {
    "raw/readings", "raw/machines", "profiled/readings", "profiled/machines", "features/recent",
    "labels", "training_set", "model", "predictions", "drift_report",
}  # fmt: skip


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    return with_resources(tiny_pipeline(tmp_path), tmp_path)


def with_resources(pipeline: Pipeline, home: Path) -> dg.Definitions:
    to = connected(home)
    return dg.Definitions.merge(
        build_pipeline(pipeline), dg.Definitions(resources=to.as_resources(), executor=dg.in_process_executor)
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
        ("profiled/readings", {"raw/readings"}),
        ("features/recent", {"profiled/readings"}),
        ("labels", {"profiled/readings"}),
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


def test_reference_tables_have_no_partitions(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["tiny", "raw", "machines"])).partitions_def is None
    assert graph.get(dg.AssetKey(["tiny", "model"])).partitions_def is not None


def test_a_model_is_used_from_the_next_partition_on(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["tiny", "predictions"]))
    mapping = node.partition_mappings[dg.AssetKey(["tiny", "model"])]
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (-1, -1)


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
        dg.AssetKey(["tiny", *path]) for path in (["raw", "readings"], ["profiled", "readings"], ["labels"])
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


def test_what_is_unknown_is_left_out_of_the_metadata() -> None:
    check = CheckOutcome(
        "rule", is_passed=False, severity="warning", description="d", metadata={"n": 1, "m": None}
    )
    outcome = Outcome(
        "v1", metadata={"n_rows": 3, "unknown": None}, markdown={"page": "# x"}, checks=(check,)
    )
    result = _result(outcome, dg.AssetKey(["tiny", "labels"]), cpu_s=0.5)
    assert result.metadata is not None
    assert set(result.metadata) == {"n_rows", "cpu_s", "page"}
    found = next(iter(result.check_results or ()))
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert set(found.metadata) == {"n"}
