"""Open a file whose columns nobody has declared: format, separator, encoding, and all values as text."""

from __future__ import annotations

import csv
import gzip
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.csv_header import header_of
from assets.raw.engine_errors import repair_of
from assets.raw.objects import is_url, local_copies
from assets.raw.opening import readable
from assets.raw.read_sql import READ_TABLE, read_files
from assets.raw.reading import MAX_LINE_BYTES, REJECTS_TABLE, listed, shown
from assets.raw.source import source_files
from pipelines.made_columns import PLACE
from pipelines.spec import DatasetSpec, DriftlineError, SourceSpec
from pipelines.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".xlsx": "excel", ".xls": "excel", ".xlsb": "excel", ".xlsm": "excel", ".ods": "excel",
}  # fmt: skip
"""Format of a file by its ending, after .gz and .zip are taken off."""

SEPARATORS = ",;\t|"
"""Separators that are looked for in the first lines."""

SNIFFED_BYTES = 256 * 1024
"""How much of a text file tells its separator and encoding."""

TEXTS = "driftline_texts"
"""Table of the engine that holds all values as text, NULL where the file has nothing, and each row's place."""


class ScaffoldError(DriftlineError):
    """A declaration cannot be made as asked."""


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
    """

    connection: duckdb.DuckDBPyConnection
    source: SourceSpec
    columns: tuple[str, ...]
    n_rows: int
    n_rejected: int
    types: dict[str, str]


def source_of(path: str, *, start: Path) -> SourceSpec:
    """Find out how a file is read; paths are relative to `start`.

    Raises
    ------
    ScaffoldError
        If it is not there, is empty, or its ending names no format that is read.
    """
    if is_url(path):
        file = local_copies(path)[0]
    else:
        file = Path(path).expanduser()
        file = file if file.is_absolute() else (start / file)
    if not file.is_file():
        raise ScaffoldError(f"--source {path}: no such file. Paths are relative to {start}.")
    if file.stat().st_size == 0:
        raise ScaffoldError(f"--source {path}: the file is empty. A header and some rows are needed.")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    while suffixes and suffixes[-1] in (".gz", ".zip"):
        suffixes.pop()
    kind = FORMATS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        kind = _format_inside(file)
    found: dict[str, object] = {"type": kind, "path": path if is_url(path) else str(file.resolve())}
    if kind in ("csv", "json"):
        encoding = _encoding(_first_bytes(file))
        found |= {"encoding": encoding} if encoding != "utf-8" else {}
        if kind == "csv":
            text = _first_bytes(file).decode(encoding, errors="replace")
            separator = _separator(text)
            found |= {"delimiter": separator} if separator != "," else {}
    return SourceSpec.model_validate(found)


def _format_inside(file: Path) -> str:
    if file.suffix.lower() == ".zip":
        with zipfile.ZipFile(file) as archive:
            kinds = {FORMATS.get(Path(name).suffix.lower()) for name in archive.namelist()}
        if len(kinds) == 1 and (kind := kinds.pop()):
            return kind
    raise ScaffoldError(
        f"--source {file.name}: the ending says nothing of the format. Rename it to one of "
        f"{', '.join(sorted(FORMATS))} (also with .gz or .zip)."
    )


def _first_bytes(file: Path) -> bytes:
    if file.suffix.lower() == ".gz":
        with gzip.open(file, "rb") as stream:
            return stream.read(SNIFFED_BYTES)
    if file.suffix.lower() == ".zip":
        with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as member:
            return member.read(SNIFFED_BYTES)
    with file.open("rb") as stream:
        return stream.read(SNIFFED_BYTES)


def _encoding(first: bytes) -> str:
    """Return UTF-8 where it fits or a mark says it; else what Windows and older tools write."""
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # The last character may be cut.
        first[:-4].decode("utf-8") if len(first) == SNIFFED_BYTES else first.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def _separator(text: str) -> str:
    """Return the separator that cuts the header and the next lines into the same number of fields."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    # The last line may be cut.
    lines = lines[:-1] if len(lines) > 2 else lines
    best, most = ",", 1
    for separator in SEPARATORS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=separator)}
        except csv.Error:
            continue
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = separator, width
    if most == 1 and lines:
        # Ragged lines: the most frequent sign of the header.
        best = max(SEPARATORS, key=lines[0].count) if any(sign in lines[0] for sign in SEPARATORS) else ","
    return best


@contextmanager
def opened(
    source: SourceSpec, connection: duckdb.DuckDBPyConnection, *, scratch: Path
) -> Iterator[OpenedSource]:
    """Read all rows of a source as text, through the raw room's own readers.

    Raises
    ------
    DriftlineError
        If it cannot be read, or has no rows.
    """
    files = source_files(source, folder=Path("/"))
    probe = DatasetSpec(source=source, columns={"any": "string"})
    with readable(connection, files, probe, scratch) as plain:
        names, types = _names(connection, plain[0], source)
        if not names:
            raise ScaffoldError(f"{files[0].name} has no columns.")
        twins = [name for name in names if [other.lower() for other in names].count(name.lower()) > 1]
        if twins:
            raise ScaffoldError(
                f"{files[0].name}: columns {', '.join(map(repr, twins))} differ only in case or are there twice, "
                "which SQL does not tell apart. Rename them in the file."
            )
        if source.type == "parquet":
            relation, n_rejected = f"read_parquet([{listed(plain)}])", 0
            connection.execute(
                f"CREATE TEMP TABLE {TEXTS} AS SELECT *, row_number() OVER () - 1 AS {PLACE} FROM {relation}"
            ).fetchall()
        else:
            declared = DatasetSpec.model_validate_json(_declared_as_text(source, names).encode())
            counts = read_files(connection, plain, declared, name=files[0].name, timezone="UTC")
            n_rejected = counts.n_rejected
            connection.execute(
                f"CREATE TEMP TABLE {TEXTS} AS SELECT *, row_number() OVER () - 1 AS {PLACE} FROM {READ_TABLE}"
            ).fetchall()
        n_rows = int(connection.sql(f"SELECT count(*) FROM {TEXTS}").fetchall()[0][0])
        if not n_rows and n_rejected:
            raise ScaffoldError(_none_readable(connection, n_rejected))
        if not n_rows:
            raise ScaffoldError(
                f"{files[0].name} has a header and no rows: types and times cannot be found in nothing."
            )
        yield OpenedSource(connection, source, tuple(names), n_rows, n_rejected, types)


def _none_readable(connection: duckdb.DuckDBPyConnection, n_rejected: int) -> str:
    file, line, reason = connection.sql(
        f"SELECT source, line, reason FROM {REJECTS_TABLE} ORDER BY line LIMIT 1"
    ).fetchall()[0]
    return (
        f"none of the {n_rejected:,} rows of {file} can be read. For example line {line}: {shown(reason).rstrip('.')}. "
        f"{repair_of(reason)}"
    )


def _declared_as_text(source: SourceSpec, names: list[str]) -> str:
    import json

    lenient = {**source.model_dump(mode="json"), "max_rejected_share": 1.0}
    return json.dumps({"source": lenient, "columns": dict.fromkeys(names, "string")})


def _names(
    connection: duckdb.DuckDBPyConnection, file: Path, source: SourceSpec
) -> tuple[list[str], dict[str, str]]:
    if source.type == "parquet":
        described = connection.sql(f"DESCRIBE SELECT * FROM read_parquet([{listed([file])}])").fetchall()
        return [row[0] for row in described], {row[0]: row[1] for row in described}
    if source.type == "json":
        keys = connection.sql(
            "SELECT key FROM (SELECT unnest(json_keys(line)) AS key, number FROM (SELECT line, row_number() OVER () AS number "
            f"FROM read_csv([{listed([file])}], header=false, auto_detect=false, columns={{'line': 'VARCHAR'}}, "
            f"delim=chr(1), quote='', escape='', max_line_size={MAX_LINE_BYTES})) WHERE json_valid(line) "
            "AND json_type(line) = 'OBJECT') GROUP BY key ORDER BY min(number), any_value(key)"
        ).fetchall()
        return [row[0] for row in keys if row[0]], {}
    return header_of(file, source.delimiter), {}


def text_of(column: str) -> str:
    """Return the SQL of a column's value as text."""
    return f"CAST({quote_identifier(column)} AS VARCHAR)"
