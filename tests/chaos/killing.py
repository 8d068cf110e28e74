"""Children of a process that has imported everything, and their death at a counted place.

A place is an event of the file system, of SQLite or of the lake, as an audit hook sees it: the same seed
kills at the same work, however busy the machine is. A short wait after it reaches into what compiled code does.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
COMMIT = "driftline.commit"
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.link", "sqlite3.connect", COMMIT)
TIMEOUT_S, TOLD_BEFORE_S = 300.0, 15.0
"""After it a child hangs; by how much before that it says where."""


@dataclass(frozen=True)
class Kill:
    """Where a child dies: at its n-th event, of any kind or of commits to the lake, and how long after it."""

    n: int
    only_commits: bool = False
    after_s: float = 0.0


class ChildError(AssertionError):
    """A child ended otherwise than it should have."""


@dataclass
class Child:
    """A forked process that runs one function, and says at which event it was killed."""

    pid: int
    answer: Path
    log: Path
    killed_at: Path
    code: int | None = None

    def end(self, *, may_be_killed: bool = False) -> Any:
        """Wait for its end and return what the function returned; None of one that was killed."""
        self._wait()
        if self.code == -signal.SIGKILL and may_be_killed:
            return None
        if self.code != 0:
            raise ChildError(f"a child ended with {self.code}:\n{self.log.read_text()[-4000:]}")
        return pickle.loads(self.answer.read_bytes())

    def _wait(self) -> None:
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.code = os.waitstatus_to_exitcode(status)
                return
            time.sleep(0.01)
        self.stop()
        raise ChildError(f"a child hung:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        """Kill it, unless it has ended."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


_numbers = iter(range(10**9))


def fork(folder: Path, function: Callable[..., Any], *arguments: object, kill: Kill | None = None) -> Child:
    """Run a function in a child of its own, which keeps its output, and dies where it is told to."""
    folder.mkdir(parents=True, exist_ok=True)
    number = next(_numbers)
    child = Child(0, *(folder / f"{number}.{kind}" for kind in ("answer", "log", "killed")))
    child.pid = os.fork()
    if child.pid:
        return child
    code = 1
    try:
        output = os.open(child.log, os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
        faulthandler.dump_traceback_later(TIMEOUT_S - TOLD_BEFORE_S)
        if kill is not None:
            _die_at(kill, child.killed_at)
        child.answer.write_bytes(pickle.dumps(function(*arguments)))
        code = 0
    except BaseException:  # noqa: BLE001 (a child has nobody above it; the parent shows its log)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)
    raise AssertionError("unreachable")


def counted_events(function: Callable[..., Any], *arguments: object) -> int:
    """Run a function in this process, and return how many places there were to die at. For a child of its own: hooks stay."""
    _audit_commits()
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        seen += _counts(event, arguments, only_commits=False)

    sys.addaudithook(hook)
    function(*arguments)
    return seen


def _die_at(kill: Kill, place: Path) -> None:
    _audit_commits()
    seen = 0
    lock = threading.Lock()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if not _counts(event, arguments, kill.only_commits):
            return
        with lock:
            seen += 1
            is_here = seen == kill.n
        if is_here:
            place.write_text(event)
            # A timer of no time would let the work go on until its thread has begun.
            if kill.after_s:
                threading.Timer(kill.after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _counts(event: str, arguments: tuple[Any, ...], only_commits: bool) -> bool:
    if only_commits:
        return event == COMMIT
    return event in EVENTS or (event == "open" and bool(arguments[2] & WRITING))


def _audit_commits() -> None:
    """Have delta-rs, which is compiled, say before and after a commit that it is there."""
    import deltalake.transaction
    from deltalake import DeltaTable

    def audited(commit: Callable[..., Any]) -> Callable[..., Any]:
        def audit(*arguments: Any, **options: Any) -> Any:
            sys.audit(COMMIT, "before")
            answer = commit(*arguments, **options)
            sys.audit(COMMIT, "after")
            return answer

        return audit

    made = deltalake.transaction.create_table_with_add_actions
    deltalake.transaction.create_table_with_add_actions = audited(made)
    DeltaTable.create_write_transaction = audited(DeltaTable.create_write_transaction)  # type: ignore[method-assign]
