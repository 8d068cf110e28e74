"""Files beside a model file, as MLflow itself reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from assets.model.described import description_files
from declaration.target import ProblemType
from learning.environment import present_environment
from tests.fixtures.training_world import fitted, training_table


def described(problem: ProblemType) -> tuple[dict[str, bytes], pa.Table]:
    table = training_table(300, problem=problem)
    n_rows = table.num_rows
    further = {
        "day__is_late": pa.array([True, None, False] * (n_rows // 3)),
        "plane__seats": pa.array(range(n_rows)),
        "plane__price": pa.array([Decimal("1.5")] * n_rows),
        "plane__seen": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * n_rows, pa.timestamp("us", tz="UTC")),
    }
    for name, values in further.items():
        table = table.append_column(name, values)
    model = fitted(table, problem, "decision_tree")
    return dict(description_files(model, table, present_environment(), "model.zip")), table


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_mlflow_reads_signature_and_example(problem: ProblemType, tmp_path: Path) -> None:
    from mlflow.models import Model

    files, table = described(problem)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    model = Model.load(str(tmp_path))
    assert model.signature is not None
    inputs = {column.name: (column.type.name, column.required) for column in model.signature.inputs}
    assert inputs == {
        "signal__x": ("double", False),
        "noise__x": ("double", False),
        "carrier__name": ("string", False),
        "day__is_late": ("boolean", False),
        "plane__seats": ("long", False),
        "plane__price": ("double", False),
        "plane__seen": ("datetime", False),
        "event_timestamp": ("datetime", True),
    }
    outputs = [column.name for column in model.signature.outputs]
    assert outputs == (["scores", "prediction"] if problem == "multiclass" else ["score"])
    assert model.flavors["driftline"]["data"] == "model.zip"
    example = json.loads(files["input_example.json"])
    assert example["columns"] == [column.name for column in model.signature.inputs]
    first = dict(zip(example["columns"], example["data"][0], strict=True))
    assert first["signal__x"] == table["signal__x"][0].as_py()
    assert (first["plane__seen"], first["plane__price"]) == ("2024-01-01T00:00:00+00:00", "1.5")
    assert b"numpy==" in files["requirements.txt"]


def test_the_same_model_gives_the_same_files() -> None:
    assert described("binary")[0] == described("binary")[0]
