"""Measure a function in a process of its own: CPU seconds of all its threads, and peak memory.

A benchmark names functions as `module:function`; each runs alone in a fresh interpreter, so that
imports, caches and memory of one way do not help or hurt another. A function calls `setup_done()`
where its set-up ends: what follows is counted, what came before is shown aside.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

_LIMIT_VARIABLE = "DRIFTLINE_BENCH_LIMIT_MB"

_started = {"cpu": 0.0, "wall": 0.0}


@dataclass(frozen=True)
class Measurement:
    """One run of one way.

    Attributes
    ----------
    name
        The way, as the table names it.
    cpu_s, wall_s
        From `setup_done()` to the end; CPU seconds of all threads.
    setup_cpu_s
        CPU seconds before `setup_done()`: imports, reading into memory.
    peak_mb
        Largest resident memory of the process.
    result
        What the function returned.
    """

    name: str
    cpu_s: float
    wall_s: float
    setup_cpu_s: float
    peak_mb: float
    result: Any


class BenchmarkError(Exception):
    """A measured process failed."""


class LimitError(BenchmarkError):
    """A measured process was ended at its limit of time or memory."""


OUT_OF_MEMORY = 99
"""Exit code of a process that asked for more memory than it may have."""


def peak_mb() -> float:
    """Return the most memory that this program has held, in MiB.

    Of Linux: `ru_maxrss` is inherited from the process that started it, and a small program of a large parent seems as large.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def setup_done() -> None:
    """Start the count here; called by a measured function after its imports and preparations."""
    _started.update(cpu=time.process_time(), wall=time.monotonic())


def measure(
    name: str,
    function: str,
    *arguments: object,
    python: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float | None = None,
    limit_mb: int | None = None,
) -> Measurement:
    """Run `module:function` with JSON arguments in a fresh process and measure it.

    Parameters
    ----------
    name
        The way, as the table names it.
    function
        `module:function`; the module is importable from the repository's root.
    arguments
        Values that survive JSON.
    python
        Interpreter, for a peer's own environment (`benchmarks.peers`); this one by default.
    environment
        Variables added to this process's.
    limit_s, limit_mb
        Wall seconds and address space after which it is ended.

    Raises
    ------
    LimitError
        If it was ended at a limit.
    BenchmarkError
        If the process fails.
    """
    command = [str(python or sys.executable), "-m", "benchmarks.measure", function, json.dumps(arguments)]
    root = Path(__file__).resolve().parent.parent
    limits = {} if limit_mb is None else {_LIMIT_VARIABLE: str(limit_mb)}
    try:
        done = subprocess.run(  # our own module, no shell
            command,
            cwd=root,
            env={**os.environ, **(environment or {}), **limits},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise LimitError(f"ended after {limit_s:.0f} s") from error
    if done.returncode == OUT_OF_MEMORY:
        raise LimitError(f"ended at {limit_mb:,} MB of memory")
    if done.returncode != 0 or not done.stdout.strip():
        raise BenchmarkError(f"'{name}' ({function}) ended with code {done.returncode}; its output is above.")
    return Measurement(name=name, **json.loads(done.stdout.splitlines()[-1]))


def table(rows: Sequence[Measurement], *, against: str) -> str:
    """Write measurements as text, each with its CPU as a multiple of one of them.

    Examples
    --------
    >>> one = Measurement("plain", cpu_s=2.0, wall_s=2.0, setup_cpu_s=0.5, peak_mb=100.0, result=None)
    >>> print(table([one], against="plain"))
    way                                 CPU s   wall s  set-up  peak MB  ratio
    plain                               2.000    2.000   0.500      100   1.00
    """
    floor = next(row.cpu_s for row in rows if row.name == against)
    header = f"{'way':32} {'CPU s':>8} {'wall s':>8} {'set-up':>7} {'peak MB':>8} {'ratio':>6}"
    lines = [
        f"{row.name:32} {row.cpu_s:8.3f} {row.wall_s:8.3f} {row.setup_cpu_s:7.3f} {row.peak_mb:8.0f} "
        f"{row.cpu_s / floor:6.2f}"
        for row in rows
    ]
    return "\n".join([header, *lines])


def _run(function: str, arguments: Sequence[object]) -> None:
    """Call the function, and write its measurement as the last line of the output."""
    # This file runs as __main__: the function's `setup_done` belongs to the imported module.
    clock = import_module("benchmarks.measure")._started
    if _LIMIT_VARIABLE in os.environ:
        most = int(os.environ[_LIMIT_VARIABLE]) * 1024**2
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    module, _, attribute = function.partition(":")
    try:
        result = getattr(import_module(module), attribute)(*arguments)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    cpu, wall = time.process_time(), time.monotonic()
    figures = {
        "cpu_s": cpu - clock["cpu"],
        "wall_s": wall - clock["wall"] if clock["wall"] else wall - _PROCESS_STARTED,
        "setup_cpu_s": clock["cpu"],
        "peak_mb": peak_mb(),
        "result": result,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


_PROCESS_STARTED = time.monotonic()

if __name__ == "__main__" and len(sys.argv) > 1:
    _run(sys.argv[1], json.loads(sys.argv[2]))
