"""A materialization in Dagster carries the columns of its table and what they are made of."""

from pathlib import Path

import dagster as dg

from pipelines.asset_keys import asset_key
from pipelines.graph.compile import build_pipeline
from pipelines.lineage.table_columns import LINEAGE, SCHEMA
from tests.fixtures.stages import connected
from tests.fixtures.tiny import tiny_pipeline, write_sources


def test_a_materialization_shows_what_its_columns_are_made_of(tmp_path: Path) -> None:
    write_sources(tmp_path)
    connections = connected(tmp_path)
    definitions = dg.Definitions.merge(
        build_pipeline(tiny_pipeline(tmp_path)),
        dg.Definitions(resources=connections.as_resources(), executor=dg.in_process_executor),
    )
    wanted = [
        asset_key("tiny", path) for path in (("raw", "readings"), ("profiled", "readings"), ("labels",))
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, partition_key="2024-01-01", asset_selection=wanted)
        (made,) = result.asset_materializations_for_node("tiny__labels")
    lineage = made.metadata[LINEAGE].value
    assert isinstance(lineage, dg.TableColumnLineage)
    assert lineage.deps_by_column["label"] == [dg.TableColumnDep(wanted[1], "failed")]
    shown = {column.name: column for column in made.metadata[SCHEMA].value.columns}
    assert (shown["label"].type, shown["label"].description) == ("int8", "From `readings.failed`.")
    assert shown["event_timestamp"].type == "timestamp[us, tz=UTC]"
