"""Workbooks and JSON arrays, written out as files that the engine reads."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.extras import require_extra
from declaration.sql import quote_literal
from declaration.text import one_line
from sources.compressed import opened
from sources.files import own_folder
from sources.json_records import count_elements
from sources.rejects import ReadError, listed

if TYPE_CHECKING:
    import duckdb

MAX_OBJECT_BYTES = 64 * 1024**2
"""Largest object of a JSON array: more is one document, not rows."""

_MAX_NAME_BYTES = 255
"""Longest name of a file."""

_NO_NAME = re.compile(r"[/\\\x00-\x1f]")
"""Signs that a sheet's name may have, and a file's may not."""

_LINE_BREAK = re.compile(r"\r\n|\n|\r")


def workbooks_as_csv(
    files: Sequence[Path], sheet: str | None, *, folder: Path, decimal: str = "."
) -> tuple[Path, ...]:
    """Write a sheet of each Excel workbook as CSV.

    Parameters
    ----------
    files
        Workbooks: xlsx, xls, xlsb or ods.
    sheet
        Its name; None for the first.
    folder
        Where the copies are written; it exists, and the caller removes it.
    decimal
        Sign before the fractions of numbers, as texts in cells have it.

    Raises
    ------
    ReadError
        If a file is no workbook, or has no such sheet.
    """
    return tuple(
        _as_csv(path, sheet, own_folder(folder, number), decimal) for number, path in enumerate(files)
    )


def _as_csv(path: Path, sheet: str | None, folder: Path, decimal: str) -> Path:
    require_extra("excel", f"the workbook {path.name}")
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
        sheet = sheet or names[0]
        target = folder / _called(path.name, sheet)
        with target.open("w", encoding="utf-8", newline="") as stream:
            # Cells that hold signs of the line end are written in quotes: so a carriage return alone cuts no row in two.
            writer = csv.writer(stream, lineterminator="\r\n")
            writer.writerows(_rows(workbook.get_sheet_by_name(sheet).iter_rows(), decimal))
    except (CalamineError, OSError) as error:
        raise ReadError(
            f"{path.name} cannot be read as an Excel workbook ({error}). Save it as xlsx or CSV."
        ) from error
    return target


def _called(name: str, sheet: str) -> str:
    """Name a sheet's copy as messages should call it."""
    called = f"{name}, sheet '{re.sub(_NO_NAME, '_', sheet)}'"
    return called if len(called.encode()) <= _MAX_NAME_BYTES else name


def _rows(rows: Iterator[Sequence[object]], decimal: str) -> Iterator[list[str]]:
    """Give a sheet's rows as text: the header, and those that are not blank.

    Sheets are formatted beyond their data. A blank row is a blank line, so that lines keep the rows' numbers;
    where there is one column, it would be a value, and is left out.
    """
    header = next(rows, None)
    if header is None:
        return
    yield [_LINE_BREAK.sub("\r\n", _text(cell, decimal)) for cell in header]
    for row in rows:
        texts = [_text(cell, decimal) for cell in row]
        if any(texts):
            yield texts
        elif len(texts) > 1:
            yield []


def _text(cell: object, decimal: str) -> str:
    """Write a cell as text that its declared type reads: Excel knows no whole numbers."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell).replace(".", decimal)
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
        _as_lines(connection, path, own_folder(folder / "lines", number) / path.name)
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
    packed = "gzip" if target.suffix == ".gz" else "none"
    try:
        written = connection.execute(
            # Without line ends, which stand between values only, an object is one line; minifying it would round
            # its numbers. No other control character but tabs stands in it, so none needs a quote.
            f"COPY (SELECT translate(CAST(json AS VARCHAR), chr(10) || chr(13), '  ') FROM {objects}) "
            f"TO {quote_literal(str(target))} "
            f"(FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '', COMPRESSION {packed})"
        ).fetchall()[0][0]
    except duckdb.Error as error:
        reason = one_line(str(error).split("\n\n")[0])
        raise ReadError(
            f"{path.name}: the JSON array cannot be read: {reason} Repair it, or write one object a line."
        ) from error
    if written != (n_elements := count_elements(path)):
        raise ReadError(
            f"{path.name}: the JSON array has {n_elements:,} elements, but {written:,} were read. Write one object a line."
        )
    return target
