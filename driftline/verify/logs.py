"""Delta's logs: whether they are whole, and setting one back to what is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from driftline.verify.finding import Finding, Subject
from feature_repo.table_damage import CHECKPOINT, COMMIT, LOG, MARK, commit_path, read_mark, sha256_of
from resources.lake.damage import set_mark
from resources.lake.errors import LakeError
from resources.locks import file_lock

DAMAGED = ".damaged"
"""Ending of what is set aside."""


def check_log(subject: Subject, table: str) -> Iterator[Finding]:
    """Find a log that cannot be read, or that lacks commits."""
    folder = subject.connections.lake.table_path(table)
    try:
        if not subject.connections.lake.has(table):
            if read_mark(folder) is None:
                # Never there, or set back to that: what was told of it is another check's.
                return
            what = f"table '{table}' has no log"
        elif _is_summed_up(folder, set(subject.connections.lake.snapshot(table).paths())):
            return
        else:
            what = f"the checkpoint of table '{table}' names other files than its commits"
    except LakeError as error:
        what = str(error).partition(". ")[0]
    if _is_torn_at_the_end(folder):
        yield subject.finding(
            "log", str(folder), what,
            "Restore the table's folder from a backup, or let --repair set it back to its newest whole version: "
            "what was committed after that is lost, and is named below as materializations to be made again.",
            lambda: set_back(folder),
        )  # fmt: skip
    else:
        yield subject.finding(
            "log", str(folder), what,
            "Restore the table's folder from a backup, or move it away and materialize its partitions again.",
        )  # fmt: skip


def _is_summed_up(folder: Path, files: set[str]) -> bool:
    """Tell whether the files of the newest version are those that the commits add up to, where all are kept."""
    commits, checkpoints = _versions(folder)
    if not checkpoints or commits != list(range(len(commits))):
        return True
    left: set[str] = set()
    for version in commits:
        added, removed = changed_files(commit_path(folder, version))
        left = (left - removed) | added
    return files == {str(folder / name) for name in left}


def changed_files(commit: Path) -> tuple[set[str], set[str]]:
    """Return the names of the files that a commit adds, and of those that it removes.

    Raises
    ------
    ValueError
        If the commit is garbled.
    """
    added, removed = set[str](), set[str]()
    with commit.open(encoding="utf-8") as lines:
        for line in lines:
            action = json.loads(line)
            for name, paths in (("add", added), ("remove", removed)):
                if name in action:
                    paths.add(unquote(action[name]["path"]))
    return added, removed


def _versions(folder: Path) -> tuple[list[int], list[int]]:
    """Return the versions of a log's commits and checkpoints, in order."""
    names = sorted(path.name for path in (folder / LOG).glob("*") if path.is_file())
    return tuple(  # type: ignore[return-value]  # two of them
        sorted({int(match.group(1)) for name in names if (match := pattern.fullmatch(name))})
        for pattern in (COMMIT, CHECKPOINT)
    )


def _is_torn_at_the_end(folder: Path) -> bool:
    """Tell whether all but the newest commits are there."""
    commits, checkpoints = _versions(folder)
    if commits == list(range(len(commits))):
        checkpoints = []
    whole = [version for version in commits if not _is_faulty(folder, version)]
    newest = max([*whole, *checkpoints], default=-1)
    begin = max((version for version in checkpoints if version <= newest), default=-1) + 1
    return all(version in whole for version in range(begin, newest + 1))


def _is_faulty(folder: Path, version: int) -> bool:
    """Tell whether a commit is empty, cut off, or not as it was when it was the newest."""
    path, mark = commit_path(folder, version), read_mark(folder)
    if mark is not None and mark.version == version:
        return sha256_of(path) != mark.sha256
    try:
        lines = path.read_bytes().splitlines()
        return not lines or not all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return True


def set_back(folder: Path) -> str:
    """Set a table back to its newest whole version; commits that cannot be read are set aside.

    Without a whole version the table counts as not there; its files stay.
    """
    with file_lock(folder.with_name(f".{folder.name}.commit")):
        commits, checkpoints = _versions(folder)
        if commits == list(range(len(commits))):
            # All there is: readers need no sum of it, which may be what is wrong.
            for path in (folder / LOG).glob("*checkpoint*"):
                path.rename(path.with_name(path.name + DAMAGED))
        for version in reversed(commits):
            if not _is_faulty(folder, version):
                break
            path = commit_path(folder, version)
            path.rename(path.with_name(path.name + DAMAGED))
        commits, checkpoints = _versions(folder)
        newest = max([*commits, *checkpoints], default=None)
        if newest is not None and newest in commits:
            set_mark(folder, newest)
        else:
            (folder / MARK).unlink(missing_ok=True)
    return f"{folder} is set back to {'no version' if newest is None else f'version {newest}'}"
