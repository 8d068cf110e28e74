"""Damage of the lake: logs that lost a commit, files that are not as they were written."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from resources.lake_errors import LakeDamageError, first_line
from resources.lake_files import recorded_hash, sha256_of, sync_folder

LOG = "_delta_log"

MARK = "_last_commit"
"""File beside the log with the newest commit's version and hash: a log alone cannot tell that its end is gone."""

COMMIT = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.[\w-]+)*\.(?:parquet|json)")

REPAIR = (
    "Run `python -m pipelines.verify`, which says what can be repaired, or restore the table's folder from a "
    "backup: docs/how-to/recover.md."
)


@dataclass(frozen=True)
class Mark:
    """The newest commit that was made here: its version, and the hash of its file."""

    version: int
    sha256: str


def commit_path(folder: Path, version: int) -> Path:
    """Return where a version's commit is."""
    return folder / LOG / f"{version:020}.json"


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


def read_mark(folder: Path) -> Mark | None:
    """Return what was remembered of a table; None of one that was last written by others.

    A mark that cannot be read is none: it says nothing about the table.
    """
    try:
        found = json.loads((folder / MARK).read_text())
        return Mark(int(found["version"]), str(found["sha256"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def check_log(table: str, folder: Path) -> None:
    """Refuse a log from which commits are missing, or whose newest is not as it was written.

    Delta's readers take an empty commit for one that changes nothing, and a missing last one for one that
    never was: both give the rows of before in silence.

    Raises
    ------
    LakeDamageError
        With the file that is wrong, and what to do.
    """
    # Before the log: a commit made in between is newer than the mark, never older.
    mark = read_mark(folder)
    commits, checkpoints = _listed(folder / LOG)
    known = [*commits, *checkpoints]
    if not known:
        if mark is not None:
            raise _damaged(table, folder / LOG, f"the log is empty, and version {mark.version} was committed")
        return
    newest = max(known)
    if mark is not None and newest < mark.version:
        raise _damaged(
            table,
            commit_path(folder, mark.version),
            f"version {mark.version} was committed and is gone: the newest in the log is {newest}",
        )
    for version in range(max(checkpoints, default=-1) + 1, newest + 1):
        if version not in commits:
            raise _damaged(
                table, commit_path(folder, version), f"the log has version {newest} and lacks {version}"
            )
        if commits[version] == 0:
            raise _damaged(table, commit_path(folder, version), "the commit is empty, as after a power cut")
    if newest in commits:
        _check_newest(table, commit_path(folder, newest), mark if mark and mark.version == newest else None)


def _listed(log: Path) -> tuple[Mapping[int, int], set[int]]:
    """Return the sizes of the commits by version, and the versions of the checkpoints that are not empty."""
    commits: dict[int, int] = {}
    checkpoints: set[int] = set()
    if not log.is_dir():
        return commits, checkpoints
    for path in log.iterdir():
        if found := COMMIT.fullmatch(path.name):
            commits[int(found.group(1))] = path.stat().st_size
        elif (found := CHECKPOINT.fullmatch(path.name)) and path.stat().st_size:
            checkpoints.add(int(found.group(1)))
    return commits, checkpoints


def _check_newest(table: str, path: Path, mark: Mark | None) -> None:
    content = path.read_bytes()
    if mark is not None:
        if hashlib.sha256(content).hexdigest() != mark.sha256:
            raise _damaged(table, path, "the newest commit is not as it was written")
        return
    try:
        for line in content.splitlines():
            json.loads(line)
    except ValueError as error:
        raise _damaged(table, path, f"the newest commit is cut off or garbled ({error})") from error


def _damaged(table: str, path: Path, cause: str) -> LakeDamageError:
    return LakeDamageError(f"table '{table}' is damaged: {path}: {cause}. {REPAIR}")


@dataclass(frozen=True)
class Scanned:
    """A file that a reader was given, and whose rows it holds."""

    table: str
    partition: str
    path: str


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
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        damaged = first_damaged(files or _suspects(error))
        if damaged is None:
            raise
        raise LakeDamageError(f"{damaged} (noticed as: {first_line(error)})") from error


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


def first_damaged(files: Sequence[Scanned]) -> str | None:
    """Describe the first of some files that is not as it was written; None if all are."""
    for file in files:
        fault = fault_of(file.path)
        if fault:
            where = f", partition '{file.partition}'" if file.partition else ""
            redo = f"materialize partition '{file.partition}'" if file.partition else "materialize the asset"
            return (
                f"table '{file.table}'{where} is damaged: {file.path}: {fault}. "
                f"Restore the file from a backup, or {redo} again: docs/how-to/recover.md"
            )
    return None


def fault_of(path: str) -> str | None:
    """Tell what is wrong with a data file: gone, or other bytes than were written; None if nothing is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not Path(path).is_file():
        return "the file is gone"
    expected = recorded_hash(path)
    if expected is not None:
        return None if sha256_of(path) == expected else "its bytes are not those that were written"
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        return f"it is no whole Parquet file ({first_line(error)})"
    return None
