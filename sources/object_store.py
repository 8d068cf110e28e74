"""Sources at URL-like paths: objects are copied beside, once for each state, and read from there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from declaration.errors import DriftlineError
from sources.table_folders import LOGS, TableFolder, folder_patterns

SCHEMES = ("file", "memory", "s3", "gs", "abfs", "http", "https")
"""Schemes that may be read: object stores, plain HTTP, and what needs no network."""


class ObjectError(DriftlineError):
    """An object cannot be reached."""


class NothingThereError(ObjectError):
    """No object is at a URL."""


def local_copies(url: str, *, is_parquet: bool = False) -> tuple[Path, ...]:
    """Copy the objects of a URL, or of a pattern, into a private folder; those that are there already stay.

    A copy is kept for each state of an object, as the store tells it (ETag, version or time), and older
    ones are removed.

    Parameters
    ----------
    url
        For example `s3://bucket/orders/*.csv`. Credentials come from the environment, as fsspec reads them.
    is_parquet
        Whether the objects may be those of a table that only its log can read.

    Raises
    ------
    NothingThereError
        If nothing is there.
    ObjectError
        If the scheme is not read, its package is missing, an object changes while it is copied, or it belongs to a
        table format.
    """
    with _store(url) as (store, path):
        objects = _objects_at(store, path)
        if not objects:
            raise NothingThereError(f"source '{url}': nothing is there. Correct the pattern.")
        table = _table_at(store, path) if is_parquet else None
        if table is not None:
            raise ObjectError(f"source '{url}' {table}.")
        return tuple(_copy(store, name, url) for name in objects)


def is_anything_at(url: str) -> bool:
    """Tell whether a pattern finds any object.

    Raises
    ------
    ObjectError
        If the store cannot be asked.
    """
    with _store(url) as (store, path):
        return bool(_objects_at(store, path))


def object_states(url: str) -> Mapping[str, str] | None:
    """Return the state of each object of a URL, or of a pattern, as its store tells it; nothing is copied.

    None where a store does not tell, as some web servers.

    Raises
    ------
    ObjectError
        If the store cannot be asked.
    """
    with _store(url) as (store, path):
        states = {name: _state(store, name) for name in _objects_at(store, path)}
    known = {name: state for name, state in states.items() if state is not None}
    return known if len(known) == len(states) else None


@contextmanager
def _store(url: str) -> Iterator[tuple[Any, str]]:
    """Open the store of a URL; what it raises becomes ours."""
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ObjectError(f"source '{url}': '{scheme}' is not read. Known schemes: {', '.join(SCHEMES)}.")
    import fsspec

    try:
        store, path = fsspec.url_to_fs(url)
        # One process lives long, and a listing of yesterday would give yesterday's objects.
        store.invalidate_cache()
        yield store, path
    except ImportError as error:
        extra = {"http": "http", "https": "http", "s3": "s3"}.get(scheme)
        repair = f" with: pip install 'driftline[{extra}]'" if extra else ""
        raise ObjectError(f"source '{url}': {error}. Install it{repair}.") from error
    except (OSError, ValueError) as error:
        kind = NothingThereError if isinstance(error, FileNotFoundError) else ObjectError
        raise kind(
            f"source '{url}' cannot be read: {type(error).__name__}: {error}. Correct the path or the credentials."
        ) from error


def _objects_at(store: Any, path: str) -> list[str]:
    has_pattern = any(sign in path for sign in "*?[")
    return sorted(store.glob(path)) if has_pattern else [path]


def _table_at(store: Any, path: str) -> TableFolder | None:
    """Return the table whose folder the objects lie in; a plain web server has no folders that could be listed."""
    if "http" in store.protocol:
        return None
    for folder in folder_patterns(path):
        for name, log, reader in LOGS:
            try:
                logs = store.glob(f"{folder}/{log}")
            except PermissionError:
                # Who may read a folder need not be allowed to list those above.
                return None
            if logs:
                root = PurePosixPath(logs[0]).parents[log.count("/")]
                return TableFolder(name, str(root), log, reader)
    return None


def _copy(store: Any, name: str, url: str) -> Path:
    root = _cache() / hashlib.sha256(f"{url}\n{name}".encode()).hexdigest()[:32]
    state = _state(store, name)
    # Folders such as year=2023 hold values of the rows.
    keys = [part for part in PurePosixPath(name.partition("?")[0]).parent.parts if "=" in part]
    inside = Path(*keys, PurePosixPath(name).name)
    if state is not None and (root / state / inside).is_file():
        return root / state / inside
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=root, delete=False) as draft:
        pass
    try:
        store.get_file(name, draft.name)
        store.invalidate_cache()
        if _state(store, name) != state:
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


def _state(store: Any, name: str) -> str | None:
    """Return the state of an object as its store has it; None where only the content can tell a change."""
    state = str(store.ukey(name))
    if "http" in store.protocol:
        # fsspec takes a page for one that never changes.
        info = store.info(name)
        marks = [info.get(mark) for mark in ("ETag", "Content-MD5", "Digest", "Last-Modified")]
        if not any(marks):
            return None
        state = str([*marks, info.get("size")])
    return hashlib.sha256(state.encode()).hexdigest()[:16]


def _content_state(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _cache() -> Path:
    """Return this user's own folder of copies: others may not put files into it."""
    folder = Path(tempfile.gettempdir()) / f"driftline-objects-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ObjectError(
            f"{folder} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own."
        )
    return folder
