"""Writes of the offline store: pushed rows, logs of served features, saved datasets, results for others."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from feast.data_format import DeltaFormat
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource

from declaration.column_types import common_type, kept_type
from declaration.errors import DriftlineError
from declaration.names import is_url
from feature_repo.object_access import storage_options
from feature_repo.parquet_files import SUFFIX, add_files, is_there, replace_files, write_file
from feature_repo.snapshots import delta_table

if TYPE_CHECKING:
    from feast.data_source import DataSource
    from feast.feature_logging import LoggingDestination
    from feast.saved_dataset import SavedDatasetStorage


INDEX = re.compile(r"__index_level_\d+__")
"""Arrow's names of a pandas index that has none."""


STAGED_ROWS = 1_000_000
"""Rows of one staged file: what a worker of Feast's loads at once."""


class OfflineWriteError(DriftlineError):
    """Rows cannot be written where and as asked."""


def source_path(source: DataSource | None, repo_path: str | Path | None) -> str:
    """Return where a source's rows are: an absolute path, or a URL.

    Raises
    ------
    OfflineWriteError
        If the source is not one of files.
    """
    if not isinstance(source, FileSource):
        kind = type(source).__name__
        raise OfflineWriteError(
            f"source '{getattr(source, 'name', source)}' is a {kind}. This offline store knows FileSource only."
        )
    if is_url(source.path):
        return str(source.path)
    return str((Path(repo_path or ".") / source.path).absolute())


def append_rows(view: str, source: DataSource | None, rows: pa.Table, *, repo_path: str | Path | None) -> int:
    """Append rows to a view's Delta table in one commit; return how many.

    Parameters
    ----------
    view
        The view, for messages.
    source
        Where its rows are.
    rows
        All of the table's columns, in any order, by their names in the source or after its field mapping.

    Raises
    ------
    OfflineWriteError
        If there is no Delta table, or the rows are not of its columns and types.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    path = source_path(source, repo_path)
    assert isinstance(source, FileSource)  # or source_path had raised
    table = delta_table(path, endpoint=source.s3_endpoint_override or "")
    if table is None:
        raise OfflineWriteError(
            f"feature view '{view}': {path} is no Delta table, so that rows cannot be added in one commit. "
            "Write the first rows with write_deltalake, and give the source file_format=DeltaFormat()."
        )
    schema = pa.schema(table.schema().to_arrow())
    fitting = _fitted(view, _without_index(rows), schema, dict(source.field_mapping or {}))
    try:
        write_deltalake(
            path,
            fitting,
            mode="append",
            storage_options=storage_options(path, source.s3_endpoint_override or ""),
        )
    except DeltaError as error:
        raise OfflineWriteError(f"feature view '{view}': rows were not written to {path}: {error}") from error
    return int(fitting.num_rows)


def _without_index(rows: pa.Table) -> pa.Table:
    """Leave out the index of a filtered pandas frame, which Feast hands on among the columns."""
    return rows.drop_columns([name for name in rows.column_names if INDEX.fullmatch(name)])


def _fitted(view: str, rows: pa.Table, schema: pa.Schema, mapping: Mapping[str, str]) -> pa.Table:
    """Give rows a table's columns, in its order and types."""
    source_name = {new: old for old, new in mapping.items()}
    rows = rows.rename_columns([n if n in schema.names else source_name.get(n, n) for n in rows.column_names])
    missing = [name for name in schema.names if name not in rows.column_names]
    unknown = [name for name in rows.column_names if name not in schema.names]
    if missing or unknown:
        faults = [
            *([f"missing: {', '.join(missing)}"] if missing else []),
            *([f"unknown: {', '.join(unknown)}"] if unknown else []),
        ]
        raise OfflineWriteError(
            f"feature view '{view}': the rows' columns are not the table's ({'; '.join(faults)}). "
            f"The table has: {', '.join(schema.names)}."
        )
    columns = [_cast(view, rows.column(field.name), field) for field in schema]
    return pa.table(columns, schema=schema)


def _cast(view: str, values: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        if pa.types.is_timestamp(field.type) and field.type.tz and not getattr(values.type, "tz", None):
            values = _as_utc(values)
        if not _is_of_kind(values, field.type):
            raise pa.ArrowInvalid("these are values of another kind")
        cast = values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise OfflineWriteError(
            f"feature view '{view}': column '{field.name}' is {values.type}, the table's is {field.type}: {error}. "
            "Convert it before it is written."
        ) from error
    if not field.nullable and cast.null_count:
        raise OfflineWriteError(
            f"feature view '{view}': column '{field.name}' has {cast.null_count} nulls, which the table does not take."
        )
    return cast


def _as_utc(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read wall clocks as UTC, which they are here."""
    return (
        values.cast(pa.timestamp(values.type.unit, "UTC")) if pa.types.is_timestamp(values.type) else values
    )


def _is_of_kind(values: pa.ChunkedArray, kind: pa.DataType) -> bool:
    """Tell whether a column's values can be those of a type: what a cast would make of a text or a day is not.

    Numbers may be of another width, as pandas has only the widest: the cast refuses those that do not fit.
    """
    from_type, to_type = kept_type(values.type), kept_type(kind)
    if values.null_count == len(values):
        return True
    if from_type is None or to_type is None:
        return bool(values.type.equals(kind))
    is_number = [
        pa.types.is_integer(number_type) or pa.types.is_floating(number_type)
        for number_type in (from_type, to_type)
    ]
    return all(is_number) or common_type(from_type, to_type) == to_type


def append_logs(
    logs: pa.Table | Path, destination: LoggingDestination, *, schema: pa.Schema, repo_path: str | Path | None
) -> None:
    """Add logs of served features to a folder of Parquet, in files of their own.

    Raises
    ------
    OfflineWriteError
        If the destination is not one of files, or the logs lack columns of the schema.
    """
    import pyarrow.dataset as pads

    if not isinstance(destination, FileLoggingDestination):
        raise OfflineWriteError(
            f"logs cannot be written to a {type(destination).__name__}. Give the feature service a FileLoggingDestination."
        )
    rows = pads.dataset(logs, format="parquet").to_table() if isinstance(logs, Path) else logs
    missing = [name for name in schema.names if name not in rows.column_names]
    if missing:
        raise OfflineWriteError(
            f"the logs lack the columns {', '.join(missing)} of the feature service's schema."
        )
    path = source_path(destination.to_data_source(), repo_path)
    add_files(
        rows.select(schema.names).cast(schema),
        path,
        endpoint=destination.s3_endpoint_override or "",
        partition_by=destination.partition_by or (),
    )


def save_dataset(
    rows: pa.Table, storage: SavedDatasetStorage, *, repo_path: str | Path | None, allow_overwrite: bool
) -> None:
    """Write rows as a saved dataset, whole or not at all.

    Raises
    ------
    OfflineWriteError
        If the storage is not one of files.
    SavedDatasetLocationAlreadyExists
        If something is there and may not be overwritten.
    """
    source = storage.to_data_source()
    path = source_path(source, repo_path)
    assert isinstance(source, FileSource)  # or source_path had raised
    endpoint = source.s3_endpoint_override or ""
    if not allow_overwrite and is_there(path, endpoint=endpoint):
        raise SavedDatasetLocationAlreadyExists(location=path)
    if isinstance(source.file_format, DeltaFormat):
        from deltalake import write_deltalake

        write_deltalake(
            path,
            rows,
            mode="overwrite",
            schema_mode="overwrite",
            # Minima and maxima in the log would outlive the rows.
            configuration={"delta.dataSkippingNumIndexedCols": "0"},
            storage_options=storage_options(path, endpoint),
        )
    elif path.endswith(SUFFIX):
        write_file(rows, path, endpoint=endpoint)
    else:
        replace_files(rows, path, endpoint=endpoint)


def stage_rows(rows: pa.Table, location: str) -> list[str]:
    """Write rows into a new folder, as files of at most `STAGED_ROWS`; return their paths, at least one."""
    folder = f"{location.rstrip('/')}/{uuid.uuid4().hex}"
    paths = []
    for number, begin in enumerate(range(0, max(rows.num_rows, 1), STAGED_ROWS)):
        paths.append(f"{folder}/{number:05}{SUFFIX}")
        write_file(rows.slice(begin, STAGED_ROWS), paths[-1], endpoint="")
    return paths
