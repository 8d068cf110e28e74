"""Columns and types of a source's values, in the declaration's words, whatever the format."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from declaration.datasets import DatasetSpec
from driftline.preview.source_types import source_types
from pipelines.graph.stores import DagsterStores
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from tests.fixtures.tiny import tiny_pipeline

ROWS = pd.DataFrame(
    {
        "a b": [1, 2, 3],
        "text": ["x", None, "é"],
        "at": pd.to_datetime(["2024-01-01T10:00:00Z"] * 3, utc=True),
        "share": [1.5, 2.0, None],
    }
)
FOUND = {"a b": "int", "text": "string", "at": "timestamp_tz", "share": "float"}


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("parquet", "rows.parquet", FOUND),
        ("json", "rows.json", FOUND),
        ("json", "rows.jsonl", FOUND),
        # A sheet has no zones.
        ("excel", "rows.xlsx", {**FOUND, "at": "timestamp"}),
        # pandas writes its index without a name.
        ("csv", "rows.csv", {"unnamed_0": "int", **FOUND}),
    ],
)
def test_the_types_of_every_format_are_found(
    tmp_path: Path, kind: str, name: str, found: dict[str, str]
) -> None:
    path, texts = tmp_path / name, ROWS.assign(at=ROWS["at"].astype(str))
    if kind == "parquet":
        ROWS.to_parquet(path)
    elif kind == "json":
        texts.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    elif kind == "excel":
        ROWS.assign(at=ROWS["at"].dt.tz_localize(None)).to_excel(path, index=False)
    else:
        ROWS.to_csv(path)
    dataset = DatasetSpec.model_validate(
        {"source": {"type": kind, "path": name}, "columns": {"text": "string"}}
    )
    engine = Engine(spill_directory=str(tmp_path / "spill"), threads=1)
    tiny = tiny_pipeline(tmp_path)
    pipeline = replace(tiny, spec=tiny.spec.model_copy(update={"datasets": {"texts": dataset}}))
    stores = DagsterStores(Lake(root=str(tmp_path / "lake")))
    assert dict(source_types(pipeline, "texts", None, engine, stores)) == found
