"""Files beside a model file that say to MLflow what it reads and gives: signature, input example, requirements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import yaml

from declaration.names import EVENT_TIMESTAMP
from declaration.target import ProblemType
from learning.environment import Environment
from learning.fitted import FittedModel
from learning.model_file import FORMAT

MLMODEL, EXAMPLE, REQUIREMENTS = "MLmodel", "input_example.json", "requirements.txt"
"""Names that MLflow looks for in the folder of a model."""

N_EXAMPLE_ROWS = 5
"""Rows of the example: the oldest of the training set."""

Field = Mapping[str, object]


def description_files(
    model: FittedModel, rows: pa.Table, environment: Environment, model_file: str
) -> Mapping[str, bytes]:
    """Return the files by name.

    Parameters
    ----------
    model
        The model.
    rows
        Labelled rows of the training set, of which the first are the example.
    environment
        Software of the training.
    model_file
        Name of the model file beside.
    """
    columns = _columns(model, rows)
    description = {
        "flavors": {
            "driftline": {
                "algorithm": model.algorithm, "candidate": model.name, "data": model_file, "format": FORMAT,
                "problem": model.problem,
            }
        },
        "saved_input_example_info": {
            "artifact_path": EXAMPLE, "pandas_orient": "split", "type": "dataframe",
        },
        "signature": {
            "inputs": json.dumps([_field(name, rows.schema.field(name).type) for name in columns]),
            "outputs": json.dumps(_outputs(model.problem)),
            "params": None,
        },
    }  # fmt: skip
    example = rows.select(columns).slice(0, N_EXAMPLE_ROWS)
    # JSON has no NaN.
    values = [
        [None if value != value else value for value in row]
        for row in zip(*(column.to_pylist() for column in example.columns), strict=True)
    ]
    packages = "".join(f"{name}=={number}\n" for name, number in sorted(environment.packages.items()))
    return {
        MLMODEL: yaml.safe_dump(description, sort_keys=True, allow_unicode=True).encode(),
        EXAMPLE: json.dumps({"columns": columns, "data": values}, default=_plain).encode(),
        REQUIREMENTS: packages.encode(),
    }


def _columns(model: FittedModel, rows: pa.Table) -> Sequence[str]:
    """List the features, and the prediction instant where one is an age."""
    has_ages = any(column.kind == "age" for column in model.encoding.columns)
    return [
        *model.encoding.names,
        *([EVENT_TIMESTAMP] if has_ages and EVENT_TIMESTAMP in rows.column_names else []),
    ]


def _field(name: str, kind: pa.DataType) -> Field:
    """Describe a column in MLflow's types; every feature may be missing."""
    if pa.types.is_boolean(kind):
        type_name = "boolean"
    elif pa.types.is_integer(kind):
        type_name = "long"
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        type_name = "datetime"
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        type_name = "double"
    else:
        type_name = "string"
    return {"name": name, "type": type_name, "required": name == EVENT_TIMESTAMP}


def _outputs(problem: ProblemType) -> Sequence[Field]:
    if problem != "multiclass":
        return [{"name": "score", "type": "double", "required": True}]
    scores = {"name": "scores", "type": "array", "items": {"type": "double"}, "required": True}
    return [scores, {"name": "prediction", "type": "string", "required": True}]


def _plain(value: object) -> object:
    """Write a value that JSON does not know: instants in ISO 8601, decimals as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
