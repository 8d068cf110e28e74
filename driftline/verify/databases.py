"""The databases below the home: whether SQLite finds each whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

from driftline.verify.finding import Finding, Show
from driftline.verify.logs import DAMAGED

MADE_ANEW = ("feast/online.db", "feast/registry.db")
"""Databases that hold nothing but what the lake and the declarations say; the others come from a backup only."""


def check_databases(home: Path, show: Show) -> Iterator[Finding]:
    """Find SQLite files that are damaged."""
    for path in sorted(home.rglob("*.db")):
        show(str(path))
        fault = _fault(path)
        if fault:
            if path.relative_to(home).as_posix() in MADE_ANEW:
                yield Finding(
                    "", "database", str(path), fault,
                    "Restore it from a backup, or let --repair set it aside and fill a new one from the lake.",
                    partial(_set_aside, path),
                )  # fmt: skip
            else:
                yield Finding("", "database", str(path), fault, "Restore it from a backup.")


def _set_aside(path: Path) -> str:
    aside = path.with_name(path.name + DAMAGED)
    path.rename(aside)
    # What SQLite keeps beside a database belongs to the one that it was made for.
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return f"{path} is now {aside.name}"


def _fault(path: Path) -> str:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=30)) as connection:
            ((answer,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        return f"SQLite cannot read it: {error}"
    return "" if answer == "ok" else f"SQLite finds it damaged: {' '.join(str(answer).split())}"
