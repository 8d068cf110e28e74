"""Formats of single columns are checked where the column can have them."""

import pytest

from declaration.datasets import DatasetSpec
from pipelines.loading.checks.sources import format_faults_of_columns


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"type": "int", "formats": ["%Y"]}, "is for date, timestamp, timestamp_tz; this column is int"),
        ({"type": "date", "sql": "x", "formats": ["%Y"]}, "this one is computed. Use strptime in `sql`"),
        ({"type": "date", "formats": ["%d/%m/%Y", "%m/%d/%Y"]}, "nothing tells which of both"),
    ],
)
def test_formats_that_mean_nothing_are_refused(column: dict[str, object], said: str) -> None:
    spec = DatasetSpec.model_validate(
        {"source": {"type": "csv", "path": "a.csv"}, "columns": {"day": column}}
    )
    (fault,) = format_faults_of_columns(("datasets", "sales"), spec)
    assert said in str(fault)


def test_formats_of_a_time_are_sound() -> None:
    columns = {"day": {"type": "date", "formats": ["%d.%m.%Y"]}}
    spec = DatasetSpec.model_validate(
        {"source": {"type": "parquet", "path": "a.parquet"}, "columns": columns}
    )
    assert list(format_faults_of_columns(("datasets", "sales"), spec)) == []
