"""Scratch folders: removed at the end, and after a process that was killed by the next one that makes one."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"
"""Ending of the files that are locked for as long as their folder is in use: a lock ends with its process, however that does."""


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make an empty folder that is removed at the end.

    Parameters
    ----------
    parent
        Where; it is made if it is not there. What killed processes left in it is removed.
    prefix
        Beginning of its name.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    with held_file(parent / f".{prefix}{secrets.token_hex(6)}{LOCK}") as lock:
        folder = _folder_of(lock)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held_file(path: Path) -> Iterator[Path]:
    """Make a file that is locked until the end, and removed then.

    Whoever finds it unlocked may remove it: its process is gone.
    """
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Between both steps another process may have taken it for an abandoned one.
        if _is_still(path, handle):
            break
        os.close(handle)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def remove_abandoned_files(folder: Path, pattern: str) -> None:
    """Remove held files whose processes are gone, and the scratch folders that belong to them."""
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError, BlockingIOError, PermissionError):
            handle = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_still(path, handle):
                    if path.name.endswith(LOCK):
                        shutil.rmtree(_folder_of(path), ignore_errors=True)
                    path.unlink()
            finally:
                os.close(handle)


def _remove_abandoned(parent: Path) -> None:
    remove_abandoned_files(parent, f".*{LOCK}")


def _folder_of(lock: Path) -> Path:
    return lock.with_name(lock.name.removeprefix(".").removesuffix(LOCK))


def _is_still(path: Path, handle: int) -> bool:
    """Tell whether a path still names the file that is open."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
