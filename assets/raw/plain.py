"""Files that the engine does not read as they are, written out as ones that it does: workbooks and JSON arrays."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.compressed import opened
from assets.raw.reading import ReadError, listed, shown
from assets.raw.source import own_folder
from pipelines.spec import SourceSpec
from pipelines.sql import quote_literal

if TYPE_CHECKING:
    import duckdb

MAX_OBJECT_BYTES = 64 * 1024**2
"""Largest object of a JSON array: more is one document, not rows."""


def workbooks_as_csv(files: Sequence[Path], source: SourceSpec, *, folder: Path) -> tuple[Path, ...]:
    """Write a sheet of each Excel workbook as CSV.

    Parameters
    ----------
    files
        Workbooks: xlsx, xls, xlsb or ods.
    source
        Names the sheet; the first one by default.
    folder
        Where the copies are written; it exists, and the caller removes it.

    Raises
    ------
    ReadError
        If a file is no workbook, or has no such sheet.
    """
    return tuple(
        _as_csv(path, source.sheet, own_folder(folder, number) / path.with_suffix(".csv").name)
        for number, path in enumerate(files)
    )


def _as_csv(path: Path, sheet: str | None, target: Path) -> Path:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(path)
        names = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise ReadError(
                f"{path.name} has no sheet '{sheet}'. It has: {', '.join(names)}. Correct source.sheet."
            )
        if not names:
            raise ReadError(f"{path.name} has no sheet with cells.")
        rows = workbook.get_sheet_by_name(sheet or names[0]).iter_rows()
        with target.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows([_text(cell) for cell in row] for row in rows)
    except (CalamineError, OSError) as error:
        raise ReadError(
            f"{path.name} cannot be read as an Excel workbook ({error}). Save it as xlsx or CSV."
        ) from error
    return target


def _text(cell: object) -> str:
    """Write a cell as text that its declared type reads: Excel knows no whole numbers."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell.total_seconds())
    return str(cell)


def arrays_as_lines(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], *, folder: Path
) -> tuple[Path, ...]:
    """Write JSON files that are one array of objects as one object a line; others stay as they are.

    Raises
    ------
    ReadError
        If an array is damaged.
    """
    (folder / "lines").mkdir()
    return tuple(
        _as_lines(connection, path, own_folder(folder / "lines", number) / path.name.removesuffix(".gz"))
        if _is_array(path)
        else path
        for number, path in enumerate(files)
    )


def _is_array(path: Path) -> bool:
    with opened(path) as stream:
        first = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return first.startswith(b"[")


def _as_lines(connection: duckdb.DuckDBPyConnection, path: Path, target: Path) -> Path:
    import duckdb

    objects = f"read_json_objects([{listed([path])}], format='array', maximum_object_size={MAX_OBJECT_BYTES})"
    try:
        connection.execute(
            # Without line ends, which stand between values only, an object is one line; minifying it would round
            # its numbers. No other control character but tabs stands in it, so none needs a quote.
            f"COPY (SELECT translate(CAST(json AS VARCHAR), chr(10) || chr(13), '  ') FROM {objects}) TO {quote_literal(str(target))} "
            "(FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '')"
        ).fetchall()
    except duckdb.Error as error:
        said = shown(str(error).split("\n\n")[0])
        raise ReadError(
            f"{path.name}: the JSON array cannot be read: {said} Repair it, or write one object a line."
        ) from error
    return target
