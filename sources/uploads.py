"""Uploads: a file is checked as its dataset is declared, and put where the source looks for it, in one step."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.partitioning import Partitioning
from declaration.sources.blocks import FileSourceBlock
from declaration.sql import first_row
from declaration.text import one_line
from sources.files import SourceError, looked_for_below
from sources.opening import readable
from sources.read import read_files
from sources.rejects import REJECTS_TABLE
from sources.scratch import held_file, remove_abandoned_files, scratch_folder
from sources.slots import SLOT, partition_in

if TYPE_CHECKING:
    import duckdb

PART = ".part"
"""Ending of a file that is being written beside its place."""

COPIED_BYTES = 1 << 20


class UploadError(SourceError):
    """A file is not taken."""


@dataclass(frozen=True)
class Placed:
    """A file that was taken.

    Attributes
    ----------
    place
        Where it is now.
    sha256, size_bytes
        Of its content.
    n_rows, n_rejected
        Rows that could be read, and rows that could not.
    partition
        Whose rows it holds; None where the source's files are of no partition.
    is_new
        False where the same content was there already: nothing was done.
    """

    place: Path
    sha256: str
    size_bytes: int
    n_rows: int
    n_rejected: int
    partition: str | None
    is_new: bool


@dataclass(frozen=True)
class Destination:
    """Where files of a dataset are uploaded to.

    Attributes
    ----------
    name, spec
        The dataset.
    folder
        Folder of the declaration.
    partitioning
        How the pipeline's rows are cut.
    """

    name: str
    spec: DatasetSpec
    folder: Path
    partitioning: Partitioning

    @property
    def source(self) -> FileSourceBlock:
        """The source, whose files lie on this machine.

        Raises
        ------
        UploadError
            If it is another one.
        """
        source = self.spec.source
        if (
            not isinstance(source, FileSourceBlock)
            or not source.is_local
            or source.path.startswith("package:")
        ):
            raise UploadError(
                f"dataset '{self.name}' reads {source.place}: files are uploaded to sources that are files on this machine. "
                "Put the rows where that source has them."
            )
        if source.marker is not None:
            raise UploadError(
                f"dataset '{self.name}' reads files that have a marker ({source.marker}), and an upload has none. Take `marker` out of "
                "the source: an upload puts whole files in place."
            )
        return source

    def place(self, file: str, partition: str | None) -> tuple[Path, str | None]:
        """Return where a file of some name belongs, and the partition whose rows it holds.

        Raises
        ------
        UploadError
            If the source would not find it there, or its partition is not known.
        """
        root, pattern = looked_for_below(self.source, self.folder)
        inside = PurePath(pattern)
        above = str(inside.parent)
        if SLOT in pattern:
            partition = self._partition(file, partition, inside.name if SLOT not in above else "")
            pattern, above = pattern.replace(SLOT, partition), above.replace(SLOT, partition)
        elif partition is not None:
            raise UploadError(
                f"dataset '{self.name}' reads {self.source.path}, which has no file for each partition. Leave --partition out."
            )
        if any(sign in above for sign in "*?["):
            raise UploadError(
                f"dataset '{self.name}' reads {self.source.path}, which may be several folders. Put the file there yourself."
            )
        wanted = PurePath(pattern).name
        if not any(sign in wanted for sign in "*?["):
            return root / pattern, partition
        if not fnmatch.fnmatchcase(file, wanted):
            raise UploadError(
                f"dataset '{self.name}' reads files that are called {wanted!r}, and this one is called {file!r}. Rename it."
            )
        if fnmatch.fnmatchcase(_part_name(file), wanted):
            raise UploadError(
                f"dataset '{self.name}' reads files that are called {wanted!r}, which are also those that are being written. End "
                f"`path` with the files' ending, such as '*{PurePath(file).suffix}'."
            )
        return root / above / file, partition

    def _partition(self, file: str, asked: str | None, pattern: str) -> str:
        """Return the partition that is asked for, or that stands in a file's name."""
        if asked is not None:
            if self.partitioning.is_key(asked):
                return asked
            raise UploadError(
                f"--partition {asked!r} is no partition of '{self.name}': they are called as {self.partitioning.example!r} is. Correct it."
            )
        found = partition_in(file, pattern) if pattern else None
        if found is not None and self.partitioning.is_key(found):
            return found
        raise UploadError(
            f"dataset '{self.name}' has a file for each partition ({self.source.path}), and the name {file!r} does not say "
            f"whose rows it holds, as {self.partitioning.example!r} would. Name it with --partition, or call the file so."
        )


def _part_name(file: str) -> str:
    return f".{file}.{'0' * 8}{PART}"


def upload(
    file: Path,
    destination: Destination,
    connection: duckdb.DuckDBPyConnection,
    *,
    scratch: Path,
    partition: str | None = None,
    replaces: bool = False,
) -> Placed:
    """Check a file as its dataset declares its rows, and put it in its place.

    It is there whole or not at all, whatever ends the process; the same content again is not another file.

    Parameters
    ----------
    file
        What is uploaded. It stays where it is.
    destination
        Where to.
    connection
        Connection of the engine that may read the scratch folder.
    scratch
        Where it is checked.
    partition
        Whose rows it holds, where its name does not say so.
    replaces
        Whether a file of other content may be in its place.

    Raises
    ------
    DriftlineError
        If it is not taken: with the reason, and the repair.
    """
    if not file.is_file():
        raise UploadError(f"{file} is no file. Name one.")
    place, partition = destination.place(file.name, partition)
    with scratch_folder(scratch, "upload-") as name:
        # By its own name: messages say it, and how it is unpacked follows from it.
        copy = name / file.name
        sha256 = _copied(file, copy)
        n_rows, n_rejected = _checked(copy, destination, connection, name)
        n_bytes = copy.stat().st_size
        twin = _twin(place, sha256, n_bytes)
        if twin is not None:
            return Placed(twin, sha256, n_bytes, n_rows, n_rejected, partition, is_new=False)
        if place.exists() and not replaces:
            raise UploadError(
                f"{place} is there already, with other content. Upload it with --replace if that one is to go, or call this one otherwise."
            )
        _put(copy, place, replaces=replaces)
    return Placed(place, sha256, n_bytes, n_rows, n_rejected, partition, is_new=True)


def _copied(file: Path, copy: Path) -> str:
    """Copy a file, and return the hash of what was copied: it may change meanwhile."""
    digest = hashlib.sha256()
    with file.open("rb") as stream, copy.open("wb") as target:
        while block := stream.read(COPIED_BYTES):
            digest.update(block)
            target.write(block)
    return digest.hexdigest()


def _checked(
    copy: Path, destination: Destination, connection: duckdb.DuckDBPyConnection, scratch: Path
) -> tuple[int, int]:
    """Read the file as the raw stage will, and count its rows and rejects."""
    spec, zone = destination.spec, destination.partitioning.spec.timezone
    with readable(connection, [copy], spec, scratch) as plain:
        counts = read_files(
            connection,
            plain,
            spec,
            name=destination.name,
            timezone=zone,
            found=[destination.folder / copy.name],
        )
    if counts.rejected_share > spec.source.max_rejected_share:
        line, reason = first_row(
            connection, f"SELECT line, reason FROM {REJECTS_TABLE} ORDER BY line NULLS LAST, reason LIMIT 1"
        )
        at = "" if line is None else f" line {line}:"
        raise UploadError(
            f"{copy.name}: {counts.n_rejected:,} of {counts.n_read + counts.n_rejected:,} rows cannot be read "
            f"({counts.rejected_share:.2%}, max_rejected_share is {spec.source.max_rejected_share:.2%}). For example"
            f"{at} {one_line(reason)}"
        )
    return counts.n_read, counts.n_rejected


def _twin(place: Path, sha256: str, n_bytes: int) -> Path | None:
    """Return a file beside the place, or in it, that has the same content."""
    if not place.parent.is_dir():
        return None
    for other in sorted(place.parent.iterdir()):
        if other.is_file() and not other.name.endswith(PART) and other.stat().st_size == n_bytes:
            with other.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() == sha256:
                    return other
    return None


def _put(copy: Path, place: Path, *, replaces: bool) -> None:
    """Put a file in its place in one step: readers see it whole, or not yet."""
    place.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned_files(place.parent, f".*{PART}")
    try:
        with held_file(place.with_name(f".{place.name}.{secrets.token_hex(4)}{PART}")) as part:
            shutil.copyfile(copy, part)
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            if replaces:
                part.replace(place)
            else:
                # Unlike a renaming, it fails where another upload was quicker.
                os.link(part, place)
    except FileExistsError as error:
        raise UploadError(f"{place} came to be there meanwhile. Upload it again.") from error
