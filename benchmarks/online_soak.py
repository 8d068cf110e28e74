"""Writers and readers side by side on SQLite, Redis and Postgres, with the servers killed and started again.

    python -m benchmarks.online_soak [--seconds 600] [--stores sqlite redis postgres]

Writers send late and new rows in any order and repeat what a dead server did not take. Readers, by
Feast's own read, note what had been acknowledged before they ask. A value may never be older than
that, nor may an entity's two features come from different rows. Errors while a server is away are
expected, and counted by kind. The exit code tells whether anything was lost or older.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.online_rows import OURS, Running, running

N_WRITERS, N_READERS = 3, 2
N_ENTITIES = 200
ROWS_A_WRITE = 40
MAX_LATENESS = 500
"""Steps of the clock by which a row may come too late."""
MIN_UP_S, MAX_UP_S, DOWN_S = 2.0, 20.0, 0.3
"""How long a server runs before it is killed, and stays away."""
RETRY_S = 0.05
START = datetime(2024, 1, 1, tzinfo=UTC)
VIEW = "machines"


@dataclass
class Tally:
    """What has been seen so far; everything that several threads touch."""

    acknowledged: list[int] = field(default_factory=lambda: [-1] * N_ENTITIES)
    errors: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    n_rows: int = 0
    n_reads: int = 0
    n_kills: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, entities: Sequence[int], moments: Sequence[int]) -> None:
        """Note that these rows were taken."""
        with self.lock:
            for entity, moment in zip(entities, moments, strict=True):
                self.acknowledged[entity] = max(self.acknowledged[entity], moment)
            self.n_rows += len(entities)

    def known(self, entities: Sequence[int]) -> list[int]:
        """Return the newest moment that was acknowledged of each entity; -1 for none."""
        with self.lock:
            return [self.acknowledged[entity] for entity in entities]

    def count(self, error: Exception) -> None:
        """Note an error."""
        with self.lock:
            self.errors[type(error.__cause__ or error).__name__] += 1


@dataclass(frozen=True)
class Subject:
    """The store under test and its one view."""

    store: Any
    view: Any

    def write(self, entities: Sequence[int], moments: Sequence[int]) -> None:
        """Write rows whose values and instants are their moments."""
        import pyarrow as pa

        from feature_repo.online_batch import batch_of_table

        instants = [START + timedelta(seconds=moment) for moment in moments]
        rows = pa.table(
            {
                "machine": pa.array(entities, pa.int64()),
                "event_timestamp": pa.array(instants, pa.timestamp("us", tz="UTC")),
                "one": pa.array(moments, pa.int64()),
                "other": pa.array(moments, pa.int64()),
            }
        )
        self._online.write(self.store.config, self.view, batch_of_table(self.view, rows))

    def read(self, entities: Sequence[int]) -> list[tuple[datetime | None, Mapping[str, Any] | None]]:
        """Read by Feast's own reader."""
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        keys = [EntityKey(join_keys=["machine"], entity_values=[Value(int64_val=e)]) for e in entities]
        found: list[tuple[datetime | None, Mapping[str, Any] | None]] = self._online.online_read(
            self.store.config, self.view, keys, ["one", "other"]
        )
        return found

    @property
    def _online(self) -> Any:
        return self.store._get_provider().online_store


def open_subject(folder: Path, online: Mapping[str, Any]) -> Subject:
    """Register the view in a Feast project of its own."""
    import feast
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.repo_config import RepoConfig
    from feast.types import Int64

    config = RepoConfig(
        project="soak",
        provider="local",
        registry={"path": str(folder / "registry.db")},
        online_store=dict(online),
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    entity = Entity(name="machine", join_keys=["machine"], value_type=ValueType.INT64)
    source = FileSource(name="rows", path=str(folder / "none.parquet"), timestamp_field="event_timestamp")
    fields = [Field(name=name, dtype=Int64) for name in ("machine", "one", "other")]
    store.apply([entity, FeatureView(name=VIEW, entities=[entity], schema=fields, source=source)])
    store._get_provider()  # made once: it is not made by several threads at the same time
    return Subject(store, store.get_feature_view(VIEW))


def _write_on(
    subject: Subject, tally: Tally, clock: itertools.count[int], seed: int, done: threading.Event
) -> None:
    import numpy as np

    generator = np.random.default_rng(seed)
    while not done.is_set():
        entities = generator.choice(N_ENTITIES, ROWS_A_WRITE, replace=False).tolist()
        late = generator.integers(0, MAX_LATENESS, ROWS_A_WRITE) * generator.integers(0, 2, ROWS_A_WRITE)
        moments = np.maximum(next(clock) - late, 0).tolist()
        while not done.is_set():
            try:
                subject.write(entities, moments)
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
    """Read some entities and note every value that is lost, older than acknowledged, or torn."""
    floor = tally.known(entities)
    faults = []
    for entity, least, (at, values) in zip(entities, floor, subject.read(entities), strict=True):
        if not values:
            if least >= 0:
                faults.append(f"entity {entity}: nothing stored, {least} was acknowledged")
            continue
        one, other = values["one"].int64_val, values["other"].int64_val
        if one < least:
            faults.append(f"entity {entity}: {one} is stored, {least} was acknowledged")
        if one != other or at is None or at != START + timedelta(seconds=one):
            faults.append(f"entity {entity}: torn row: {one}, {other}, {at}")
    with tally.lock:
        tally.faults.extend(faults)
        tally.n_reads += len(entities)


def _kill_on(server: Running, tally: Tally, seed: int, until: float) -> None:
    """Kill the server now and then, as long as it has time to come back."""
    import numpy as np

    generator = np.random.default_rng(seed)
    longest = min(MAX_UP_S, max(MIN_UP_S, (until - time.monotonic()) / 4))
    while time.monotonic() + longest < until:
        time.sleep(generator.uniform(MIN_UP_S, longest))
        server.server.kill()
        tally.n_kills += 1
        time.sleep(DOWN_S)
        server.server.start()


def soak(kind: str, seconds: float, *, seed: int = 1) -> Tally:
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
        subject = open_subject(Path(name), {"type": OURS[kind], **server.settings})
        threads = [
            *(
                threading.Thread(target=_write_on, args=(subject, tally, clock, seed + n, done))
                for n in range(N_WRITERS)
            ),
            *(
                threading.Thread(target=_read_on, args=(subject, tally, seed + 100 + n, done))
                for n in range(N_READERS)
            ),
        ]
        until = time.monotonic() + seconds
        for thread in threads:
            thread.start()
        if server.server:
            _kill_on(server, tally, seed, until)
        time.sleep(max(0.0, until - time.monotonic()))
        done.set()
        for thread in threads:
            thread.join()
        # This thread's connection is a new one: nothing of what is read was only in a session.
        check(subject, tally, range(N_ENTITIES))
    return tally


def report(kind: str, tally: Tally) -> str:
    """Say in a few lines what was seen."""
    errors = ", ".join(f"{name} {n}" for name, n in tally.errors.most_common()) or "none"
    lines = [
        f"{kind}: {tally.n_rows:,} rows written, {tally.n_reads:,} entities read, server killed {tally.n_kills} times; "
        f"lost, older or torn: {len(tally.faults)}; errors: {errors}",
        *(f"  {fault}" for fault in tally.faults[:10]),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Soak the stores one after another, each for its share of the time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--stores", nargs="+", choices=list(OURS), default=list(OURS))
    arguments = parser.parse_args()
    n_faults = 0
    for kind in arguments.stores:
        tally = soak(kind, arguments.seconds / len(arguments.stores))
        n_faults += len(tally.faults)
        sys.stdout.write(report(kind, tally))
        sys.stdout.flush()
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
