"""Dagster shows what the reference says: one description of each key, wherever it is read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from declaration import (
    alerts,
    datasets,
    decisions,
    drift,
    features,
    forecast,
    model,
    partitions,
    predictions,
    preprocess,
    sampling,
    search,
    spec,
    target,
)
from declaration.sources import rest
from declaration.sources.spec import SOURCE_BLOCKS
from declaration.spec import PipelineSpec
from pipelines.component import MLPipeline
from pipelines.graph.stages import stages
from pipelines.loading.read import read
from pipelines.loading.reference import editor_schema
from tests.fixtures.sound_declaration import write

BLOCKS = (
    alerts, datasets, decisions, drift, features, forecast, model, partitions, predictions, preprocess, rest, sampling, search, spec, target,
)  # fmt: skip

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_schema_describes_each_key_as_the_spec_does() -> None:
    schema = editor_schema()
    blocks = {**schema["$defs"], PipelineSpec.__name__: schema}
    for name, block in blocks.items():
        (model_class,) = {getattr(room, name) for room in BLOCKS if hasattr(room, name)} | {
            block for block in SOURCE_BLOCKS if block.__name__ == name
        }
        assert block["description"] == model_class.__doc__, name
        for key, field in model_class.model_fields.items():
            said = block["properties"][key]
            # Where a key says what its block says, the schema says it once.
            shown = said.get("description") or blocks[said["$ref"].rpartition("/")[2]]["description"]
            assert shown == field.description, f"{name}.{key}"


def test_dagster_gets_that_schema() -> None:
    assert MLPipeline.get_model_cls().model_json_schema() == editor_schema()


@pytest.mark.slow
def test_dg_prints_that_schema() -> None:
    program = str(Path(sys.executable).with_name("dg"))
    command = [program, "utils", "inspect-component", "pipelines.MLPipeline", "--defs-yaml-json-schema"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["properties"]["attributes"] == editor_schema()


def test_assets_are_described_as_the_declaration_says(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "sound",
        ("      source: {type: csv, path: orders.csv}", "      description: One order.\n      source: {type: csv, path: orders.csv}"),
        ("      lookback: 28d", "      lookback: 28d\n      description: What the customer bought before."),
    )  # fmt: skip
    described = {stage.path: stage.description for stage in stages(read(folder))}
    assert described["raw", "orders"] == "One order."
    assert described["features", "history"] == "What the customer bought before."
    assert all(described.values())
