"""A lock that its own holder asks for again says so; others wait for it."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from resources.locks import LockBusyError, database_lock, file_lock


def of_database(path: Path) -> AbstractContextManager[None]:
    return database_lock(f"sqlite:///{path.with_suffix('')}", "anything")


@pytest.mark.parametrize("lock", [file_lock, partial(file_lock, patience=timedelta(minutes=5)), of_database])
def test_who_asks_for_what_he_holds_is_told_and_does_not_wait_for_himself(
    tmp_path: Path, lock: partial[AbstractContextManager[None]]
) -> None:
    path = tmp_path / "one.lock"
    with lock(path):
        with pytest.raises(RuntimeError, match=r"one\.lock is locked by this thread already"), lock(path):
            pass
        # A lock beside it is another one, and the first is held still.
        with lock(tmp_path / "other.lock"), ThreadPoolExecutor(1) as thread:
            assert thread.submit(is_busy, path).result()
    with lock(path):
        pass
    assert not is_busy(path)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_process_that_was_forked_under_a_lock_asks_for_it_as_a_stranger(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    with file_lock(path):
        child = os.fork()
        if not child:
            os._exit(0 if is_busy(path) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def is_busy(path: Path) -> bool:
    try:
        with file_lock(path, patience=timedelta()):
            return False
    except LockBusyError:
        return True
