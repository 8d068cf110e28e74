"""Open a source whose columns nobody has declared: all values as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.generated_columns import PLACE
from declaration.sources.spec import SourceSpec
from declaration.sources.xml import XmlSourceSpec
from declaration.sql import first_row, quote_identifier, scalar
from declaration.text import one_line
from pipelines.loading.checks.blocks import PARTITION_COLUMN
from pipelines.scaffolding.files import ScaffoldError, keys_of, one_sentence
from sources.engine_errors import repair_of
from sources.forms import parquet_of
from sources.opening import readable
from sources.read import READ_TABLE, read_files
from sources.rejects import OWN_PREFIX, REJECTS_TABLE
from sources.types import type_of

if TYPE_CHECKING:
    import duckdb

MAX_NAME = 255
"""Characters of the longest column name that a declaration takes."""

QUARANTINE_COLUMN = "broken_rules"
"""Column that the quarantine table adds."""

TEXTS = "driftline_texts"
"""Table of the engine that holds all values as text, NULL where the file has nothing, and each row's place."""


@dataclass(frozen=True)
class OpenedSource:
    """A file that was read.

    Attributes
    ----------
    connection
        Holds `driftline_texts`.
    source
        How it was read, as the declaration says it.
    columns
        Names, in the file's order.
    n_rows, n_rejected
        Rows read, and rows that could not be.
    types
        DuckDB's types of a file that has types of its own; empty for text.
    files
        Files that the engine reads: unpacked, in UTF-8.
    keys
        Partitions that the files' names tell of; none where they are not named by `{partition}`.
    """

    connection: duckdb.DuckDBPyConnection
    source: SourceSpec
    columns: tuple[str, ...]
    n_rows: int
    n_rejected: int
    types: dict[str, str]
    files: tuple[Path, ...]
    keys: Sequence[str]


@contextmanager
def read_texts(
    source: SourceSpec, files: Sequence[Path], connection: duckdb.DuckDBPyConnection, *, scratch: Path
) -> Iterator[OpenedSource]:
    """Read all rows of a source as text, through the raw room's own readers.

    Raises
    ------
    DriftlineError
        If it cannot be read, or has no rows.
    """
    with ExitStack() as stack:
        with one_sentence(files[0].name):
            probe = DatasetSpec(source=source, columns={"any": "string"})
            plain = stack.enter_context(readable(connection, files, probe, scratch))
            result = _open(connection, source, plain, files[0].name, keys_of(source, files))
        yield result


def _open(
    connection: duckdb.DuckDBPyConnection,
    source: SourceSpec,
    files: Sequence[Path],
    name: str,
    keys: Sequence[str],
) -> OpenedSource:
    columns = type_of(source).form.columns(connection, files, source)
    names, types = list(columns), {column: kind for column, kind in columns.items() if kind}
    _refuse_names(names, name)
    if types:
        n_rejected = 0
        relation = parquet_of(files)
    else:
        spec = DatasetSpec(source=with_nulls(source), columns=dict.fromkeys(names, "string"))
        n_rejected = read_files(connection, files, spec, name=name, timezone="UTC").n_rejected
        relation = READ_TABLE
    connection.execute(
        f"CREATE TEMP TABLE {TEXTS} AS SELECT *, row_number() OVER () - 1 AS {PLACE} FROM {relation}"
    ).fetchall()
    n_rows = int(scalar(connection, f"SELECT count(*) FROM {TEXTS}"))
    if not n_rows:
        if n_rejected:
            raise ScaffoldError(_none_readable(connection, n_rejected))
        raise ScaffoldError(f"{name} has a header and no rows: types and times cannot be found in nothing.")
    if n_rejected > n_rows:
        raise ScaffoldError(
            f"{name}: {n_rejected:,} of {n_rows + n_rejected:,} lines do not fit the header's {len(names):,} columns. "
            "Begin the file with one line of column names, remove what is before it (or declare it by hand with `skip_lines`), and give "
            "every line as many values."
        )
    return OpenedSource(connection, source, tuple(names), n_rows, n_rejected, types, tuple(files), keys)


def _none_readable(connection: duckdb.DuckDBPyConnection, n_rejected: int) -> str:
    file, line, reason = first_row(
        connection, f"SELECT source, line, reason FROM {REJECTS_TABLE} ORDER BY line LIMIT 1"
    )
    return (
        f"none of the {n_rejected:,} rows of {file} can be read. For example line {line}: {one_line(reason).rstrip('.')}. "
        f"{repair_of(reason)}"
    )


def doubts(opened: OpenedSource) -> Sequence[str]:
    """Return what must be asked of a file's shape: a first line that looks like values, columns that spaces part."""
    names = opened.columns
    questions = []
    table = opened.source.text_table
    if table is not None and table.skip_lines:
        questions.append(
            f"the first {table.skip_lines} lines are left out, for they stand above the header. Is that right?"
        )
    if table is not None and table.comment is not None:
        named = ", and the last of them names the columns" if table.names is not None else ""
        questions.append(
            f"lines that begin with {table.comment} are left out as remarks{named}. Is that right?"
        )
    if table is not None and table.names is None and sum(map(_is_value, names)) * 2 >= len(names):
        listed_names = ", ".join(repr(one_line(name, 20)) for name in names[:4])
        questions.append(
            f"the first line is taken for the header, but looks like values ({listed_names}). If it is a row, write a line of names above it."
        )
    if table is not None and names[0].startswith("#"):
        questions.append(
            f"the first line is taken for the header, but begins with # as a remark does ({one_line(names[0], 40)!r}). "
            "If it is one, declare it with `comment`, or remove it from the file."
        )
    if isinstance(opened.source, XmlSourceSpec):
        questions.append(f"each element {opened.source.rows} is taken for a row. Is that right?")
    if len(names) == 1 and table is not None and len(names[0].split()) > 1:
        parts = f"len(string_split_regex(trim({quote_identifier(names[0])}), '\\s+'))"
        n_widths, width = first_row(
            opened.connection, f"SELECT count(DISTINCT {parts}), min({parts}) FROM {TEXTS}"
        )
        if n_widths == 1 and width > 1:
            questions.append(
                "the file has one column, whose values spaces part. If they are several columns, save it with commas between them, or declare "
                "`type: fixed_width`."
            )
    return questions


def _is_value(name: str) -> bool:
    """Tell whether a column is called as a number or a day is written, or not at all."""
    return bool(
        re.fullmatch(
            r"\s*([+-]?[0-9.,]*[0-9][0-9.,]*([eE][+-]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*|unnamed_[0-9]+)\s*",
            name,
        )
    )


def _refuse_names(names: Sequence[str], file: str) -> None:
    """Refuse columns that a declaration cannot name."""
    if not names:
        raise ScaffoldError(
            f"{file} has no columns. JSON is one object a line or one array of objects, and other formats begin with their names."
        )
    lower = [name.lower() for name in names]
    twins = [name for name in names if lower.count(name.lower()) > 1]
    if twins:
        raise ScaffoldError(
            f"{file}: columns {', '.join(map(repr, twins))} differ only in case or are there twice, "
            "which SQL does not tell apart. Rename them in the file."
        )
    for name in names:
        if len(name) > MAX_NAME:
            raise ScaffoldError(
                f"{file}: the column {one_line(name, 40)!r} has a name of {len(name):,} characters, and {MAX_NAME} are the most. Shorten it in the file."
            )
        if name.lower() in (PARTITION_COLUMN, QUARANTINE_COLUMN) or name.lower().startswith(OWN_PREFIX):
            raise ScaffoldError(
                f"{file}: the column {name!r} has a name that Driftline keeps for itself. Rename it in the file."
            )


def with_nulls(source: SourceSpec, null_values: Sequence[str] | None = None) -> SourceSpec:
    """Return the source with the texts that mean NULL in it, where it has such; however bad, it is read."""
    nulls = {} if null_values is None or source.text_table is None else {"null_values": tuple(null_values)}
    return source.model_copy(update={"max_rejected_share": 1.0, **nulls})
