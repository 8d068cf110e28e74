"""Tables of Feast's monitoring: small Parquet files below the repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast.monitoring.monitoring_utils import (
    MONITORING_DIR,
    MONITORING_PARQUET_FILES,
    monitoring_parquet_meta,
    normalize_monitoring_row,
)

from feature_repo.parquet_files import write_file

WHOLE = {
    "row_count", "null_count", "total_row_count", "total_features", "features_with_nulls", "total_feature_views",
}  # fmt: skip
REAL = {
    "null_rate", "mean", "stddev", "min_val", "max_val", "p50", "p75", "p90", "p95", "p99", "avg_null_rate",
    "max_null_rate",
}  # fmt: skip

Record = dict[str, Any]


def make_tables(repo_path: str | None) -> None:
    """Make the tables that are not there yet."""
    for kind in MONITORING_PARQUET_FILES:
        if not _path(repo_path, kind).exists():
            _write(repo_path, kind, [])


def save(repo_path: str | None, kind: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records to a table, in the place of those with the same key."""
    _, columns, keys = monitoring_parquet_meta(kind)
    by_key = {tuple(record[key] for key in keys): record for record in _read(repo_path, kind)}
    for entry in records:
        record = {name: _plain(entry.get(name)) for name in columns}
        by_key[tuple(record[key] for key in keys)] = record
    _write(repo_path, kind, list(by_key.values()))


def find(
    repo_path: str | None,
    kind: str,
    *,
    project: str,
    filters: Mapping[str, Any],
    start: date | None,
    end: date | None,
) -> list[Record]:
    """Return the records of a project (of all, where it is empty) between two days, oldest first."""
    conditions = {name: _plain(value) for name, value in filters.items() if value is not None}
    conditions |= {"project_id": project} if project else {}
    matches = [
        record
        for record in _read(repo_path, kind)
        if all(record.get(name) == value for name, value in conditions.items())
        # Days as text are in the order of days.
        and (start is None or (record["metric_date"] or "") >= start.isoformat())
        and (end is None or (record["metric_date"] or "9")[:10] <= end.isoformat())
    ]
    _, _, keys = monitoring_parquet_meta(kind)
    matches.sort(key=lambda record: (record["metric_date"] or "", *(str(record[key]) for key in keys)))
    return [normalize_monitoring_row(record) for record in matches]


def clear_baseline(repo_path: str | None, matches: Callable[[Record], bool]) -> None:
    """Let the feature records that match be no baseline any more."""
    records = _read(repo_path, "feature")
    _write(
        repo_path,
        "feature",
        [{**record, "is_baseline": False} if matches(record) else record for record in records],
    )


def _path(repo_path: str | None, kind: str) -> Path:
    file, _, _ = monitoring_parquet_meta(kind)
    return (Path(repo_path or ".") / MONITORING_DIR / file).absolute()


def _read(repo_path: str | None, kind: str) -> list[Record]:
    import pyarrow.parquet as pq

    path = _path(repo_path, kind)
    if not path.exists():
        return []
    return [
        {name: _plain(value) for name, value in record.items()}
        for record in pq.ParquetFile(path).read().to_pylist()
    ]


def _write(repo_path: str | None, kind: str, records: list[Record]) -> None:
    _, columns, _ = monitoring_parquet_meta(kind)
    schema = pa.schema([pa.field(name, _type(name)) for name in columns])
    write_file(pa.Table.from_pylist(records, schema), str(_path(repo_path, kind)), endpoint="")


def _type(column: str) -> pa.DataType:
    if column == "is_baseline":
        return pa.bool_()
    if column in WHOLE:
        return pa.int64()
    return pa.float64() if column in REAL else pa.string()


def _plain(value: Any) -> Any:
    """Write instants and days as ISO 8601, and nested values as JSON."""
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, (dict, list)) else value
