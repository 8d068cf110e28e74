"""Measure a way that may not end: it is stopped at a time and a memory, and its end is the result."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import BenchmarkError, Measurement

INTERVAL_S = 0.2
"""Between two looks at a process."""


@dataclass(frozen=True)
class Limits:
    """Limits at which a way is stopped: wall seconds, and resident megabytes."""

    wall_s: float
    memory_mb: float


@dataclass(frozen=True)
class Stopped:
    """A way that did not end by itself.

    Attributes
    ----------
    name
        The way, as the table names it.
    how
        What stopped it.
    """

    name: str
    how: str


def within(limits: Limits, name: str, measured: Callable[[], Measurement]) -> Measurement | Stopped:
    """Call `measured`, which starts one process; stop that process where it passes a limit.

    Raises
    ------
    BenchmarkError
        If the process fails by itself.
    """
    before = _children()
    ended, stopped = threading.Event(), list[str]()

    def watch() -> None:
        started = time.monotonic()
        while not ended.wait(INTERVAL_S):
            for process in _children() - before:
                resident = _resident_mb(process)
                if resident > limits.memory_mb:
                    stopped.append(f"stopped above {limits.memory_mb:,.0f} MB")
                elif time.monotonic() - started > limits.wall_s:
                    stopped.append(f"stopped after {limits.wall_s:,.0f} s at {resident:,.0f} MB")
                if stopped:
                    _kill(process)
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        return measured()
    except BenchmarkError:
        if stopped:
            return Stopped(name, stopped[0])
        raise
    finally:
        ended.set()
        watcher.join()


def _children() -> set[int]:
    """List this process's children, by any of its threads."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(process) for task in tasks for process in task.read_text().split()}


def _resident_mb(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def _kill(process: int) -> None:
    try:
        os.kill(process, 9)
    except ProcessLookupError:
        return
