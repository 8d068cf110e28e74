"""Lock of a run's process, held for as long as it lives: who can take it knows that the process is dead."""

from __future__ import annotations

import fcntl
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TextIO

_held: dict[Path, TextIO] = {}
"""Open for the life of this process, which in the end has its locks released, however it ends."""


def expect_process(dagster_home: Path, run_id: str) -> None:
    """Say that some process is going to take a run's lock."""
    path = _path(dagster_home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def hold_run(dagster_home: Path, run_id: str) -> None:
    """Hold a run's lock in this process until it ends; what it held of another run there is released: that one is over."""
    path = _path(dagster_home, run_id)
    if path in _held:
        return
    for other in [held for held in _held if held.parent == path.parent]:
        _release(other)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _held:
        # At the end of a child of multiprocessing too, as the code server's runs are.
        Finalize(None, _release_all, exitpriority=0)
    handle = path.open("w")
    # Somebody who looks whether we live holds it for an instant.
    fcntl.flock(handle, fcntl.LOCK_EX)
    _held[path] = handle


def has_died(dagster_home: Path, run_id: str) -> bool:
    """Tell whether a run's process is known to be gone; False where none is known, or it is elsewhere."""
    path = _path(dagster_home, run_id)
    if not path.exists():
        return False
    with path.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _path(dagster_home: Path, run_id: str) -> Path:
    return dagster_home / "alive" / f"{run_id}.lock"


def _release_all() -> None:
    for path in list(_held):
        _release(path)


def _release(path: Path) -> None:
    path.unlink(missing_ok=True)
    _held.pop(path).close()
