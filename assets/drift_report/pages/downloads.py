"""Downloads of a page's tables as CSV and JSON, carried by the page itself so that it may be sent as one file."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

MAX_BYTES = 60_000
"""Largest download that a page carries: pages stay below half a megabyte. The lake holds the whole table."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First letters of a text that a spreadsheet takes for a formula."""

Row = Mapping[str, object]


@dataclass(frozen=True)
class Download:
    """A file inside a page; without `address` it was too large."""

    label: str
    file: str
    address: str


def downloads(stem: str, tables: Mapping[str, Sequence[Row]], facts: Row) -> tuple[Download, ...]:
    """Return the tables as a CSV each, and all of them with some facts as one JSON.

    Parameters
    ----------
    stem
        Beginning of the files' names.
    tables
        Rows by table; those without rows are left out.
    facts
        What else the JSON holds.
    """
    filled_tables = {name: rows for name, rows in tables.items() if rows}
    content = {**facts, **{name: list(rows) for name, rows in filled_tables.items()}}
    text = json.dumps(_plain(content), ensure_ascii=False, separators=(",", ":"))
    files = [_download("all as JSON", f"{stem}.json", "application/json", text)]
    files += [
        _download(f"{name} as CSV", f"{stem}-{name}.csv", "text/csv", csv_text(rows))
        for name, rows in filled_tables.items()
    ]
    return tuple(files)


def _download(label: str, file: str, kind: str, text: str) -> Download:
    content = text.encode()
    safe = re.sub(r"[^\w.]+", "-", file)
    if len(content) > MAX_BYTES:
        return Download(label, safe, "")
    return Download(
        label, safe, f"data:{kind};charset=utf-8;base64,{base64.b64encode(content).decode('ascii')}"
    )


def csv_text(rows: Sequence[Row]) -> str:
    """Write rows as CSV, with every column that one of them has.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay as they are.

    Examples
    --------
    >>> csv_text([{"column": "=1+1", "effect": -0.5}, {"column": "a,b", "effect": None}]).splitlines()
    ['column,effect', "'=1+1,-0.5", '"a,b",']
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    writer.writerows([[_cell(_plain(row.get(name))) for name in names] for row in rows])
    return out.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _plain(value: object) -> object:
    """Convert a value to plain JSON: instants as text, numbers that are none as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
