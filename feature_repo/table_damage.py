"""Damage of tables: logs that lost a commit, files that are not as they were written. Described here, refused by who reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from declaration.errors import DriftlineError

LOG = "_delta_log"

MARK = "_last_commit"
"""File beside the log with the newest commit's version and hash: a log alone cannot tell that its end is gone."""

COMMIT = re.compile(r"(\d{20})\.json")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.[\w-]+)*\.(?:parquet|json)")

HASH_IN_NAME = re.compile(r"part-[0-9a-f]{32}-([0-9a-f]{64})\.parquet")
"""Names of the lake's data files. The hash is in the commit with the name, and as long as the log names the file."""

REPAIR = (
    "Run `driftline verify`, which says what can be repaired, or restore the table's folder from a "
    "backup: docs/how-to/recover.md."
)


class TableDamageError(DriftlineError):
    """A table's log or files are not as they were written."""


@dataclass(frozen=True)
class Mark:
    """The newest commit that was made here: its version, and the hash of its file."""

    version: int
    sha256: str


def commit_path(folder: Path, version: int) -> Path:
    """Return where a version's commit is."""
    return folder / LOG / f"{version:020}.json"


def read_mark(folder: Path) -> Mark | None:
    """Return what was remembered of a table; None of one that was last written by others.

    A mark that cannot be read is none: it says nothing about the table.
    """
    try:
        content = json.loads((folder / MARK).read_text())
        return Mark(int(content["version"]), str(content["sha256"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def log_damage(folder: Path) -> str | None:
    """Tell which commits are missing from a log, or that its newest is not as it was written; None if it is whole.

    Delta's readers take an empty commit for one that changes nothing, and a missing last one for one that
    never was: both give the rows of before in silence.
    """
    # Before the log: a commit made in between is newer than the mark, never older.
    mark = read_mark(folder)
    commits, checkpoints = _listed(folder / LOG)
    versions = [*commits, *checkpoints]
    if not versions:
        if mark is None:
            return None
        return _said(folder / LOG, f"the log is empty, and version {mark.version} was committed")
    newest = max(versions)
    if mark is not None and newest < mark.version:
        return _said(
            commit_path(folder, mark.version),
            f"version {mark.version} was committed and is gone: the newest in the log is {newest}",
        )
    for version in range(max(checkpoints, default=-1) + 1, newest + 1):
        if version not in commits:
            return _said(commit_path(folder, version), f"the log has version {newest} and lacks {version}")
        if commits[version] == 0:
            return _said(commit_path(folder, version), "the commit is empty, as after a power cut")
    if newest in commits:
        return _newest_damage(commit_path(folder, newest), mark if mark and mark.version == newest else None)
    return None


def _listed(log: Path) -> tuple[Mapping[int, int], set[int]]:
    """Return the sizes of the commits by version, and the versions of the checkpoints that are not empty."""
    commits: dict[int, int] = {}
    checkpoints: set[int] = set()
    if not log.is_dir():
        return commits, checkpoints
    for path in log.iterdir():
        if match := COMMIT.fullmatch(path.name):
            commits[int(match.group(1))] = path.stat().st_size
        elif (match := CHECKPOINT.fullmatch(path.name)) and path.stat().st_size:
            checkpoints.add(int(match.group(1)))
    return commits, checkpoints


def _newest_damage(path: Path, mark: Mark | None) -> str | None:
    content = path.read_bytes()
    if mark is not None:
        is_whole = hashlib.sha256(content).hexdigest() == mark.sha256
        return None if is_whole else _said(path, "the newest commit is not as it was written")
    try:
        for line in content.splitlines():
            json.loads(line)
    except ValueError as error:
        return _said(path, f"the newest commit is cut off or garbled ({error})")
    return None


def _said(path: Path, cause: str) -> str:
    return f"{path}: {cause}. {REPAIR}"


@dataclass(frozen=True)
class Scanned:
    """A file that a reader was given, and whose rows it holds."""

    table: str
    partition: str
    path: str


def cause_of(error: Exception, files: Sequence[Scanned]) -> str | None:
    """Describe the damaged file that an error comes from; None where all files are as they were written."""
    damaged = first_damaged(files)
    return None if damaged is None else f"{damaged} (noticed as: {first_line(error)})"


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


def recorded_hash(path: str | Path) -> str | None:
    """Return the SHA-256 that a file had when it was written; None of files that others wrote."""
    match = HASH_IN_NAME.fullmatch(Path(path).name)
    return match.group(1) if match else None


def sha256_of(path: str | Path) -> str:
    """Hash a file as it is now."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def first_line(error: BaseException) -> str:
    """Return what a vendor's error says, without the trace that delta-rs writes below it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
