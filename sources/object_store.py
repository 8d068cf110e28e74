"""Sources at URL-like paths: objects are copied beside, once for each state, and read from there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Any

from declaration.errors import DriftlineError
from declaration.sources.blocks import FileSourceBlock
from sources.arrival import Arrived, MarkerWritten, arrived, shown
from sources.sftp import SftpError, sftp_store
from sources.slots import pattern_of_all
from sources.table_folders import LOGS, TableFolder, folder_patterns

SCHEMES = ("file", "memory", "s3", "gs", "abfs", "http", "https", "sftp")
"""Schemes that may be read: object stores, plain HTTP, SFTP, and what needs no network."""

SHOWS_WHOLE_OBJECTS = ("s3", "gs", "abfs", "memory")
"""Schemes of stores that show an object only once all of it is there."""

KEPT_S = 7 * 24 * 3600
"""Seconds after which a copy that nobody asked for is removed."""

_CHUNK_BYTES = 1 << 20

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "Last-Modified", "created")
"""Names under which stores tell the time of the last write."""

_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "content_md5")
"""Names under which object stores tell a state."""


class ObjectError(DriftlineError):
    """An object cannot be reached."""


class NothingThereError(ObjectError):
    """No object is at a URL."""


@dataclass(frozen=True)
class StoredObject:
    """An object as its store tells of it.

    Attributes
    ----------
    name
        Its path in the store.
    state
        What tells its content from any other; None where only the content does.
    written
        Instant of the last write, by the store's clock; None where it is not told.
    """

    name: str
    state: str | None
    written: datetime | None


@dataclass(frozen=True)
class ObjectListing:
    """Objects of a URL, or of a pattern, in the order of their names.

    Attributes
    ----------
    objects
        Those that are read.
    arrived
        Which of all are, and why others are not.
    pattern
        The URL as the store spells its objects, with its slot.
    """

    objects: tuple[StoredObject, ...]
    arrived: Arrived
    pattern: str = ""

    @property
    def states(self) -> Mapping[str, str] | None:
        """State of each object; None where one has none to tell, as on some web servers."""
        known = {each.name: each.state for each in self.objects if each.state is not None}
        return known if len(known) == len(self.objects) else None


def local_copies(
    url: str, source: FileSourceBlock | None = None, *, clock: datetime | None = None
) -> tuple[tuple[Path, ...], Arrived]:
    """Copy the objects of a URL, or of a pattern, into a private folder; those that are there already stay.

    A copy is kept for each state of an object, as the store tells it (ETag, version or time), and older
    ones are removed.

    Parameters
    ----------
    url
        For example `s3://bucket/orders/*.csv`. Credentials come from the environment, as fsspec reads them.
    source
        What is declared of it; None for nothing.
    clock
        The present instant; None where objects are read however young they are.

    Returns
    -------
    tuple
        The copies, and what was left out.

    Raises
    ------
    NothingThereError
        If nothing is there.
    ObjectError
        If the scheme is not read, its package is missing, an object changes while it is copied, or it belongs to a
        table format.
    ArrivalError
        If an object is still being written.
    """
    with _store(url) as store:
        listing = _listing(
            store, store.path, url, source, clock, source.settle if source is not None else None
        )
        if source is not None and source.reads_parquet:
            table = _table_at(store)
            if table is not None:
                raise ObjectError(f"source '{url}' {table}.")
        listing.arrived.require_settled(url)
        _forget_unused()
        return tuple(_copy(store, each, url) for each in listing.objects), listing.arrived


def is_anything_at(url: str) -> bool:
    """Tell whether a pattern finds any object.

    Raises
    ------
    ObjectError
        If the store cannot be asked.
    """
    with _store(url) as store:
        return bool(_infos_at(store, store.path))


def object_listing(source: FileSourceBlock, *, clock: datetime | None = None) -> ObjectListing:
    """List the objects of all partitions of a source, as a sensor does; nothing is copied.

    Parameters
    ----------
    source
        Where, and what is declared of it.
    clock
        The present instant: objects that are younger than `settle`, or than what is usual where stores show objects that are
        still coming, are left out. None for all.

    Raises
    ------
    NothingThereError
        If nothing is there.
    ObjectError
        If the store cannot be asked.
    """
    with _store(source.path) as store:
        settle = source.settle_when_watched(
            shows_whole=source.path.partition("://")[0] in SHOWS_WHOLE_OBJECTS
        )
        found = _listing(store, pattern_of_all(store.path), source.path, source, clock, settle)
        return replace(found, pattern=store.path)


@dataclass(frozen=True)
class _Store:
    """An open store: its scheme, fsspec's file system of it, and the path or pattern in it that a URL names."""

    scheme: str
    files: Any
    path: str

    @property
    def is_web(self) -> bool:
        return self.scheme in ("http", "https")

    def fetch(self, name: str, target: Path) -> None:
        """Write an object's content into a file."""
        if self.scheme != "sftp":
            self.files.get_file(name, str(target))
            return
        # Fetched as a file, a link would become one here, to whatever file of this machine its server names.
        with self.files.open(name, "rb") as content, target.open("wb") as copy:
            shutil.copyfileobj(content, copy, _CHUNK_BYTES)


@contextmanager
def _store(url: str) -> Iterator[_Store]:
    """Open the store of a URL; what it raises becomes ours."""
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ObjectError(f"source '{url}': '{scheme}' is not read. Known schemes: {', '.join(SCHEMES)}.")
    import fsspec

    try:
        if scheme == "sftp":
            with sftp_store(url) as (files, path):
                yield _Store(scheme, files, path)
            return
        files, path = fsspec.url_to_fs(url)
        # One process lives long, and a listing of yesterday would give yesterday's objects.
        files.invalidate_cache()
        yield _Store(scheme, files, path)
    except ImportError as error:
        extra = {"http": "http", "https": "http", "s3": "s3", "sftp": "sftp"}.get(scheme)
        repair = f" with: pip install 'driftline[{extra}]'" if extra else ""
        raise ObjectError(f"source '{url}': {error}. Install it{repair}.") from error
    except SftpError as error:
        raise ObjectError(str(error)) from error
    except (OSError, ValueError) as error:
        kind = NothingThereError if isinstance(error, FileNotFoundError) else ObjectError
        raise kind(
            f"source '{url}' cannot be read: {type(error).__name__}: {error}. Correct the path or the credentials."
        ) from error


def _listing(
    store: Any,
    path: str,
    url: str,
    source: FileSourceBlock | None,
    clock: datetime | None,
    settle: timedelta | None,
) -> ObjectListing:
    infos = _infos_at(store, path)
    objects = {name: StoredObject(name, _state(store, info), _written(info)) for name, info in infos.items()}
    if not objects:
        raise NothingThereError(f"source '{url}': nothing is there. Correct the pattern.")
    untold = [each.name for each in objects.values() if each.written is None]
    if untold and clock is not None and source is not None and source.settle is not None:
        raise ObjectError(
            f"source '{url}': its server does not tell when {shown(untold)} was written, as `settle` needs. Declare a `marker` instead."
        )
    found = arrived(
        {each.name: each.written for each in objects.values()},
        marker=source.marker if source is not None else None,
        settle=settle,
        clock=clock,
        marker_written=_marker_times(store),
    )
    return ObjectListing(tuple(objects[name] for name in found.whole), found)


def _infos_at(store: _Store, path: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what the store tells of each object, by name, in order: of many by one listing."""
    if not any(sign in path for sign in "*?["):
        found = store.files.info(path)
        if found.get("type") == "directory":
            raise ObjectError(
                f"{path} is a folder. Name the files in it, as in '{PurePosixPath(path).name}/*'."
            )
        return {path: found}
    infos = store.files.glob(path, detail=True)
    # Of a link a listing tells the link's own size and time; of a page nothing at all.
    return {
        name: store.files.info(name) if store.is_web or info.get("type") == "link" else info
        for name, info in sorted(infos.items())
        if info.get("type") != "directory"
    }


def _marker_times(store: _Store) -> MarkerWritten:
    """Return the function that tells whether a marker is there, and since when."""

    def times(name: str) -> tuple[bool, datetime | None]:
        try:
            return True, _written(store.files.info(name))
        except FileNotFoundError:
            return False, None

    return times


def _table_at(store: _Store) -> TableFolder | None:
    """Return the table whose folder the objects lie in; a plain web server has no folders that could be listed."""
    if store.is_web:
        return None
    for folder in folder_patterns(store.path):
        for name, log, reader in LOGS:
            try:
                logs = store.files.glob(f"{folder}/{log}")
            except PermissionError:
                # Who may read a folder need not be allowed to list those above.
                return None
            if logs:
                root = PurePosixPath(logs[0]).parents[log.count("/")]
                return TableFolder(name, str(root), log, reader)
    return None


def _copy(store: _Store, listed: StoredObject, url: str) -> Path:
    name, state = listed.name, listed.state
    root = _cache() / hashlib.sha256(f"{url}\n{name}".encode()).hexdigest()[:32]
    # Folders such as year=2023 hold values of the rows.
    keys = [part for part in PurePosixPath(name.partition("?")[0]).parent.parts if "=" in part]
    inside = Path(*keys, PurePosixPath(name).name)
    root.mkdir(parents=True, exist_ok=True)
    os.utime(root)
    if state is not None and (root / state / inside).is_file():
        return root / state / inside
    with tempfile.NamedTemporaryFile(dir=root, delete=False) as draft:
        pass
    try:
        store.fetch(name, Path(draft.name))
        store.files.invalidate_cache()
        if _state(store, store.files.info(name)) != state:
            raise ObjectError(
                f"source '{url}': {name} changed while it was copied. Run it again when its writer has finished."
            )
        state = state or _content_state(Path(draft.name))
        target = root / state / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(draft.name).replace(target)
    finally:
        Path(draft.name).unlink(missing_ok=True)
    for other in root.iterdir():
        if other.name != state and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
    return target


def _state(store: _Store, info: Mapping[str, Any]) -> str | None:
    """Return the state of an object as its store has it; None where only the content can tell a change."""
    if store.is_web:
        # fsspec takes a page for one that never changes.
        marks = [info.get(mark) for mark in ("ETag", "Content-MD5", "Digest", "Last-Modified")]
        if not any(marks):
            return None
        state = str([*marks, info.get("size")])
    elif any(info.get(mark) for mark in _VERSIONS):
        state = str([*(str(info.get(mark) or "").strip('"') for mark in _VERSIONS), info.get("size")])
    elif store.scheme == "sftp":
        # Of the rest, the time of the last look changes by looking.
        state = str([info.get("size"), info.get("mtime")])
    else:
        state = str(store.files.ukey(info["name"]))
    return hashlib.sha256(state.encode()).hexdigest()[:16]


def _written(info: Mapping[str, Any]) -> datetime | None:
    """Return the instant of an object's last write, in whatever form its store tells it."""
    told = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(told, int | float):
        return datetime.fromtimestamp(told, UTC)
    if isinstance(told, str):
        try:
            told = datetime.fromisoformat(told) if told[:1].isdigit() else parsedate_to_datetime(told)
        except ValueError:
            return None
    if not isinstance(told, datetime):
        return None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)


def _content_state(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _forget_unused() -> None:
    """Remove copies that nobody has asked for in a long time: a history of partitions would fill the disk."""
    oldest = time.time() - KEPT_S
    for root in _cache().iterdir():
        try:
            if root.stat().st_mtime < oldest:
                shutil.rmtree(root, ignore_errors=True)
        except FileNotFoundError:
            continue


def _cache() -> Path:
    """Return this user's own folder of copies: others may not put files into it."""
    folder = Path(tempfile.gettempdir()) / f"driftline-objects-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ObjectError(
            f"{folder} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own."
        )
    return folder
