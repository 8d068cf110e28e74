"""Data files: whether each is there, with the bytes that were written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from driftline.verify.claims import Claim, makers
from driftline.verify.finding import Finding, Show, Subject, rerun
from driftline.verify.logs import DAMAGED, changed_files
from feature_repo.table_damage import COMMIT, LOG, MARK, fault_of, recorded_hash
from resources.lake.errors import LakeError
from resources.model_registry.ledger import LEDGER

UNTOUCHED_S = 3_600
"""Seconds without a change after which no process is at a file any more."""


def check_files(subject: Subject, table: str, claims: Sequence[Claim], show: Show) -> Iterator[Finding]:
    """Find files of a table that are gone or changed, of its newest version and of those before."""
    try:
        snapshot = subject.connections.lake.snapshot(table)
    except LakeError:
        # Its log is another finding.
        return
    # Those of the ledger are looked at with its rows, which are kept elsewhere too.
    files = {} if table == LEDGER.of(subject.name) else snapshot.files
    for key, paths in files.items():
        for number, path in enumerate(paths, start=1):
            show(f"{table} {key} file {number} of {len(paths)}")
            fault = fault_of(path)
            if fault:
                repair = f"Restore it from a backup{_redo(table, key, claims)}."
                where = f"{path}, partition {key}" if key else path
                yield subject.finding("file", where, fault, repair)
    newest = set(snapshot.paths())
    for file in sorted(subject.connections.lake.table_path(table).glob("*.parquet")):
        if str(file) in newest or recorded_hash(file) is None:
            continue
        show(f"{table} earlier versions")
        fault = fault_of(str(file))
        if fault:
            yield subject.finding(
                "earlier version", str(file), f"{fault}; the newest version does not read it",
                "Restore it from a backup, or let --repair set it aside: versions that read it say then that it is gone.",
                partial(_set_aside, file),
            )  # fmt: skip


def _redo(table: str, key: str, claims: Sequence[Claim]) -> str:
    """Name the command that writes a partition of a table again, where there is one."""
    asset = makers(claims).get(table)
    for claim in claims:
        is_its_model = claim.model_version is not None and key == str(claim.model_version)
        if claim.asset == asset and (claim.partition in (key, None) or is_its_model):
            return f", or run `{rerun(claim.asset, claim.partition)}`"
    return ""


def _set_aside(file: Path) -> str:
    file.rename(file.with_name(file.name + DAMAGED))
    return f"{file} is now {file.name}{DAMAGED}"


def check_leftovers(subject: Subject, table: str) -> Iterator[Finding]:
    """Find what killed writers left: drafts, and files that no commit names."""
    folder = subject.connections.lake.table_path(table)
    named = _named(folder)
    drafts = [*folder.glob("part-*.tmp"), *folder.glob(f"{MARK}.*"), *(folder / LOG).glob("*.tmp")]
    unnamed = (
        [] if named is None else [path for path in folder.glob("part-*.parquet") if path.name not in named]
    )
    for path in sorted([*drafts, *unnamed]):
        if time.time() - path.stat().st_mtime > UNTOUCHED_S:
            yield subject.finding(
                "leftover", str(path), "a killed process left it; nothing reads it", "Delete it; --repair does.",
                partial(_delete, path),
            )  # fmt: skip


def _delete(path: Path) -> str:
    path.unlink(missing_ok=True)
    return f"{path} is deleted"


def _named(folder: Path) -> set[str] | None:
    """Return the files that any commit names; None where commits of the beginning are gone, or unreadable."""
    versions, files = [], set[str]()
    for path in sorted((folder / LOG).glob("*.json")):
        version = COMMIT.fullmatch(path.name)
        if version is None:
            continue
        versions.append(int(version.group(1)))
        try:
            files = files.union(*changed_files(path))
        except ValueError:
            return None
    return files if versions == list(range(len(versions))) else None
