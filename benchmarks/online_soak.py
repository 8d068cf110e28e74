"""Writers and readers side by side on SQLite, Redis and Postgres, with the servers killed and started again.

    python -m benchmarks.online_soak [--seconds 600] [--stores sqlite redis postgres]

All stores at the same time, each in a process of its own. Writers send late and new rows in any order
and repeat what a dead server did not take. Readers, by Feast's own read, note what had been
acknowledged or read of an entity before they ask. A value may never be older than that, nor may an
entity's two features come from different rows. SQLite has no server: there the writers' processes are
killed as they write. After each start every entity is read before anyone writes again, since newer
rows would hide what was lost; and rows must be taken again before the next kill. Errors while a
server is away are expected, and counted by kind. The exit code tells whether anything was wrong.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmarks.online_rows import OURS, running
from benchmarks.online_subject import START, Subject, open_subject
from benchmarks.online_writers import WriterProcesses

N_WRITERS, N_READERS = 3, 2
N_ENTITIES = 200
ROWS_A_WRITE = 40
MAX_LATENESS = 500
"""Steps of the clock by which a row may come too late."""
MIN_UP_S, MAX_UP_S, MAX_DOWN_S = 2.0, 20.0, 2.0
"""Times that a server runs before it is killed, and stays away at most."""
RETRY_S = 0.05
BACK_S = 30.0
"""Longest time that a server that was started again may take to answer a read."""

Write = Callable[[Sequence[int], Sequence[int]], None]


class Victim(Protocol):
    """Process that is killed and started again."""

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """End it without a chance to tidy up."""


@dataclass(frozen=True)
class Seen:
    """Result of a soak; faults are one sentence each."""

    n_rows: int
    n_reads: int
    n_kills: int
    errors: Mapping[str, int]
    faults: Sequence[str]


@dataclass
class Tally:
    """Tally of a soak so far; everything that several threads touch."""

    newest: list[int] = field(default_factory=lambda: [-1] * N_ENTITIES)
    """The newest moment of each entity that was acknowledged or read; -1 for none."""
    errors: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    n_rows: int = 0
    n_reads: int = 0
    n_kills: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    may_write: threading.Event = field(default_factory=threading.Event)

    def acknowledge(self, entities: Sequence[int], moments: Sequence[int]) -> None:
        """Note that these rows were taken."""
        with self.lock:
            self._raise_to(entities, moments)
            self.n_rows += len(entities)

    def known(self, entities: Sequence[int]) -> list[int]:
        """Return what may be expected of each entity at least."""
        with self.lock:
            return [self.newest[entity] for entity in entities]

    def note_read(self, entities: Sequence[int], moments: Sequence[int], faults: Sequence[str]) -> None:
        """Note what was read: nobody may read anything older from now on."""
        with self.lock:
            self._raise_to(entities, moments)
            self.n_reads += len(entities)
            self.faults.extend(faults)

    def count(self, error: Exception) -> None:
        """Note an error."""
        with self.lock:
            self.errors[type(error.__cause__ or error).__name__] += 1

    def seen(self) -> Seen:
        """Return what was seen."""
        with self.lock:
            return Seen(self.n_rows, self.n_reads, self.n_kills, dict(self.errors), tuple(self.faults))

    def _raise_to(self, entities: Sequence[int], moments: Sequence[int]) -> None:
        for entity, moment in zip(entities, moments, strict=True):
            self.newest[entity] = max(self.newest[entity], moment)


def _write_on(
    write: Write, tally: Tally, clock: itertools.count[int], seed: int, done: threading.Event
) -> None:
    import numpy as np

    generator = np.random.default_rng(seed)
    while not done.is_set():
        entities = generator.choice(N_ENTITIES, ROWS_A_WRITE, replace=False).tolist()
        late = generator.integers(0, MAX_LATENESS, ROWS_A_WRITE) * generator.integers(0, 2, ROWS_A_WRITE)
        moments = np.maximum(next(clock) - late, 0).tolist()
        while not done.is_set():
            tally.may_write.wait()
            try:
                write(entities, moments)
            except Exception as error:  # noqa: BLE001 (a dead server has many faces; all are counted)
                tally.count(error)
                time.sleep(RETRY_S)
            else:
                tally.acknowledge(entities, moments)
                break


def _read_on(subject: Subject, tally: Tally, seed: int, done: threading.Event) -> None:
    import numpy as np

    generator = np.random.default_rng(seed)
    while not done.is_set():
        entities = generator.choice(N_ENTITIES, 20, replace=False).tolist()
        try:
            check(subject, tally, entities)
        except Exception as error:  # noqa: BLE001 (as above)
            tally.count(error)
            time.sleep(RETRY_S)


def check(subject: Subject, tally: Tally, entities: Sequence[int]) -> None:
    """Read some entities and note every value that is lost, older than known, or torn."""
    floor = tally.known(entities)
    faults, read = [], []
    for entity, least, (at, values) in zip(entities, floor, subject.read(entities), strict=True):
        if not values:
            read.append(-1)
            if least >= 0:
                faults.append(f"entity {entity}: nothing is stored, {least} was")
            continue
        first, other = values["one"].int64_val, values["other"].int64_val
        read.append(first)
        if first < least:
            faults.append(f"entity {entity}: {first} is stored, {least} was")
        if first != other or at is None or at != START + timedelta(seconds=first):
            faults.append(f"entity {entity}: torn row: {first}, {other}, {at}")
    tally.note_read(entities, read, faults)


def _kill_on(victim: Victim, subject: Subject, tally: Tally, seed: int, until: float) -> None:
    """Kill now and then, as long as there is time to come back."""
    import numpy as np

    generator = np.random.default_rng(seed)
    longest = min(MAX_UP_S, max(MIN_UP_S, (until - time.monotonic()) / 4))
    while time.monotonic() + longest + MAX_DOWN_S < until:
        before = tally.n_rows
        time.sleep(generator.uniform(MIN_UP_S, longest))
        if tally.n_rows == before:
            tally.faults.append(f"no row was taken between kill {tally.n_kills} and the next")
        victim.kill()
        tally.may_write.clear()
        tally.n_kills += 1
        time.sleep(generator.uniform(0.0, MAX_DOWN_S))
        victim.start()
        _check_all(subject, tally)
        tally.may_write.set()


def _check_all(subject: Subject, tally: Tally) -> None:
    """Read every entity, as soon as the server answers."""
    end = time.monotonic() + BACK_S
    while True:
        try:
            check(subject, tally, range(N_ENTITIES))
        except Exception as error:  # noqa: BLE001 (as above)
            tally.count(error)
            if time.monotonic() > end:
                tally.faults.append(f"no answer for {BACK_S:.0f} s after kill {tally.n_kills}: {error}")
                return
            time.sleep(RETRY_S)
        else:
            return


def soak(kind: str, seconds: float, *, seed: int = 1) -> Seen:
    """Soak one store and return what was seen.

    Parameters
    ----------
    kind
        `sqlite`, `redis` or `postgres`.
    seconds
        How long writers and readers run.
    seed
        Of all that is chosen.
    """
    tally, clock, done = Tally(), itertools.count(), threading.Event()
    with tempfile.TemporaryDirectory() as name, running(kind, Path(name)) as server:
        online = {"type": OURS[kind], **server.settings}
        subject = open_subject(Path(name), online)
        processes = WriterProcesses(Path(name), online, 0 if server.server else N_WRITERS)
        processes.start()
        threads = [
            threading.Thread(target=_write_on, args=(write, tally, clock, seed + number, done))
            for number, write in enumerate(
                [subject.write] * N_WRITERS
                if server.server
                else [partial(processes.write, n) for n in range(N_WRITERS)]
            )
        ] + [
            threading.Thread(target=_read_on, args=(subject, tally, seed + 100 + number, done))
            for number in range(N_READERS)
        ]
        until = time.monotonic() + seconds
        tally.may_write.set()
        for thread in threads:
            thread.start()
        _kill_on(server.server or processes, subject, tally, seed, until)
        time.sleep(max(0.0, until - time.monotonic()))
        done.set()
        for thread in threads:
            thread.join()
        processes.stop()
        _check_all(subject, tally)
    return tally.seen()


def report(kind: str, seconds: float, seen: Seen) -> str:
    """Say in a line what was seen, and below it what was wrong."""
    errors = ", ".join(f"{name} {n}" for name, n in sorted(seen.errors.items())) or "none"
    lines = [
        f"{kind:10}{seconds:9.0f}{seen.n_rows:12,}{seen.n_reads:13,}{seen.n_kills:7}{len(seen.faults):21}   {errors}",
        *(f"  {fault}" for fault in seen.faults[:10]),
    ]
    return "\n".join(lines) + "\n"


HEAD = f"{'store':10}{'seconds':>9}{'rows taken':>12}{'rows read':>13}{'kills':>7}{'lost, older, torn':>21}   errors\n"


def main() -> int:
    """Soak the stores side by side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--stores", nargs="+", choices=list(OURS), default=list(OURS))
    arguments = parser.parse_args()
    n_faults = 0
    sys.stdout.write(HEAD)
    with ProcessPoolExecutor(len(arguments.stores), multiprocessing.get_context("spawn")) as pool:
        for kind, seen in zip(
            arguments.stores,
            pool.map(partial(soak, seconds=arguments.seconds), arguments.stores),
            strict=True,
        ):
            n_faults += len(seen.faults)
            sys.stdout.write(report(kind, arguments.seconds, seen))
            sys.stdout.flush()
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
