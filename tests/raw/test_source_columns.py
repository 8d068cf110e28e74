"""A column that comes to a source and is not declared is told once, whatever the source's form."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.raw.source_columns import new_columns
from tests.fixtures.changing import COLUMNS, HEAD, changing, take_day, write_day
from tests.fixtures.stages import connected


def test_a_new_column_is_told_by_the_first_run_that_sees_it(tmp_path: Path) -> None:
    at = connected(tmp_path / "home")
    write_day(tmp_path, 1, f"{HEAD},known", "{amount},2024-03-{day:02},1")
    for day in (2, 3):
        write_day(tmp_path, day, f"{HEAD},known,coupon", "{amount},2024-03-{day:02},1,A")
    told = [take_day(changing(tmp_path), at, day).metadata.get("new_source_columns") for day in (1, 2, 2, 3)]
    # What was there from the beginning was left out on purpose.
    assert told == [None, "coupon", None, None]
    (row,) = new_columns(at.lake, "shop", "sales")
    assert (row["column"], row["run_id"], row["partition"]) == ("coupon", "run-2", "2024-03-02")


def test_a_column_that_an_expression_reads_is_named(tmp_path: Path) -> None:
    at = connected(tmp_path / "home")
    write_day(tmp_path, 1)
    write_day(tmp_path, 2, f"{HEAD},Tip", "{amount},2024-03-{day:02},1")
    take_day(changing(tmp_path), at, 1)
    paid = {**COLUMNS, "paid": {"type": "int", "sql": "amount + tip::INT"}}
    assert "new_source_columns" not in take_day(changing(tmp_path, paid), at, 2).metadata


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_every_form_of_file_shows_its_columns(tmp_path: Path, kind: str) -> None:
    at = connected(tmp_path / "home")
    for day, more in ((1, {}), (2, {"coupon": "A"})):
        row = {"id": day, "at": f"2024-03-0{day}T00:00:00Z", "amount": 1, "day": f"2024-03-0{day}", **more}
        if kind == "json":
            (tmp_path / f"2024-03-0{day}.json").write_text(json.dumps(row) + "\n")
        else:
            pq.write_table(pa.Table.from_pylist([row]), tmp_path / f"2024-03-0{day}.parquet")
    pipeline = changing(
        tmp_path, source={"type": kind, "path": f"{{partition}}.{kind}", "mode": "incremental"}
    )
    take_day(pipeline, at, 1)
    told = take_day(pipeline, at, 2).metadata["new_source_columns"]
    assert told == ("coupon" if kind == "json" else "coupon (VARCHAR)")
