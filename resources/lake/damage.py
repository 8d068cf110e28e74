"""Damage of the lake, refused in its words: what its readers check, and the mark that its writers leave."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from feature_repo.table_damage import (
    MARK,
    Scanned,
    TableDamageError,
    cause_of,
    commit_path,
    log_damage,
)
from resources.lake.errors import LakeDamageError
from resources.lake.files import sync_folder


def set_mark(folder: Path, version: int) -> None:
    """Bring the newest commit onto the disk and remember it; to be called under the table's lock."""
    commit = commit_path(folder, version)
    with commit.open("rb") as handle:
        content = handle.read()
        os.fsync(handle.fileno())
    sync_folder(commit.parent)
    draft = folder / f"{MARK}.{uuid4().hex}"
    with draft.open("w") as new:
        json.dump({"version": version, "sha256": hashlib.sha256(content).hexdigest()}, new)
        new.flush()
        os.fsync(new.fileno())
    draft.replace(folder / MARK)


def check_log(table: str, folder: Path) -> None:
    """Refuse a log from which commits are missing, or whose newest is not as it was written.

    Raises
    ------
    LakeDamageError
        With the file that is wrong, and what to do.
    """
    damage = log_damage(folder)
    if damage is not None:
        raise LakeDamageError(f"table '{table}' is damaged: {damage}")


_SCANNED: deque[Scanned] = deque(maxlen=2_000)
"""Files that this process's statements were given last: the engine's errors seldom name the file that caused them."""


def remember(table: str, files: Mapping[str, tuple[str, ...]]) -> None:
    """Keep which files a statement reads, so that an error in the middle of it finds its cause."""
    _SCANNED.extend(Scanned(table, key, path) for key, paths in files.items() for path in paths)


@contextmanager
def damage_named(files: Sequence[Scanned] = ()) -> Iterator[None]:
    """Raise what fails because of a damaged file as an error that names it; other errors pass.

    Parameters
    ----------
    files
        What is read in the block; by default the files that statements were given last.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, TableDamageError) as error:
        cause = cause_of(error, files or _suspects(error))
        if cause is None:
            raise
        raise LakeDamageError(cause) from error


def _suspects(error: Exception) -> tuple[Scanned, ...]:
    """Return the files that may have caused an error of the engine, those that were read last first."""
    import duckdb

    newest = tuple(dict.fromkeys(reversed(_SCANNED)))
    named = tuple(file for file in newest if file.path in str(error))
    if named:
        return named
    # Of a garbled page the engine says what it met, not where. Faults of a statement have types of their own.
    is_unplaced = type(error) in (duckdb.Error, duckdb.InternalException, OSError)
    return newest if is_unplaced or "arquet" in str(error) or "corrupt" in str(error) else ()
