"""Sources at URL-like paths: objects are copied beside, once for each state, and read from there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from pipelines.spec import DriftlineError

SCHEMES = ("file", "memory", "s3", "gs", "abfs", "http", "https")
"""Schemes that may be read: object stores, plain HTTP, and what needs no network."""


class ObjectError(DriftlineError):
    """An object cannot be reached."""


def is_url(path: str) -> bool:
    """Tell whether a path names an object rather than a file.

    Examples
    --------
    >>> is_url("s3://bucket/orders.csv"), is_url("data/orders.csv")
    (True, False)
    """
    return "://" in path


def local_copies(url: str) -> tuple[Path, ...]:
    """Copy the objects of a URL, or of a pattern, into a private folder; those that are there already stay.

    A copy is kept for each state of an object, as the store tells it (ETag, version or time), and older
    ones are removed.

    Parameters
    ----------
    url
        For example `s3://bucket/orders/*.csv`. Credentials come from the environment, as fsspec reads them.

    Raises
    ------
    ObjectError
        If the scheme is not read, its package is missing, or nothing is there.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ObjectError(f"source '{url}': '{scheme}' is not read. Known schemes: {', '.join(SCHEMES)}.")
    import fsspec

    try:
        store, path = fsspec.url_to_fs(url)
        has_pattern = any(sign in path for sign in "*?[")
        objects = sorted(store.glob(path)) if has_pattern else [path]
        copies = tuple(_copy(store, name, url) for name in objects)
    except ImportError as error:
        raise ObjectError(
            f"source '{url}': {error}. Install it, for S3 with `pip install driftline[s3]`."
        ) from error
    except (OSError, ValueError) as error:
        raise ObjectError(
            f"source '{url}' cannot be read: {type(error).__name__}: {error}. Correct the path or the credentials."
        ) from error
    if not copies:
        raise ObjectError(f"source '{url}': nothing is there. Correct the pattern.")
    return copies


def _copy(store: object, name: str, url: str) -> Path:
    root = _cache() / hashlib.sha256(f"{url}\n{name}".encode()).hexdigest()[:32]
    state = hashlib.sha256(str(store.ukey(name)).encode()).hexdigest()[:16]  # type: ignore[attr-defined]  # fsspec's
    target = root / state / Path(name).name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
        pass
    try:
        store.get_file(name, draft.name)  # type: ignore[attr-defined]  # fsspec's
        Path(draft.name).replace(target)
    finally:
        Path(draft.name).unlink(missing_ok=True)
    for other in root.iterdir():
        if other.name != state:
            shutil.rmtree(other, ignore_errors=True)
    return target


def _cache() -> Path:
    """Return this user's own folder of copies: others may not put files into it."""
    folder = Path(tempfile.gettempdir()) / f"driftline-objects-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ObjectError(
            f"{folder} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own."
        )
    return folder
