"""Rows into the online store: ours against Feast's `materialize`, on SQLite, Redis and Postgres.

    python -m benchmarks.online_loading [n_entities] [--stores sqlite redis postgres]

One view of ten features, loaded into an empty store, then the same rows again, then the next day's,
which replace them all. Feast reads rows by our offline store, so that only the way into the online
store differs. CPU is the client's and the server's together. Ours must load at least three times as
many rows a CPU second on SQLite and Redis in each of the three, and Feast's own reader must read the
same values. Of the same rows Feast's Redis store writes none: it drops what has an instant that is
there, corrections among them; ours compares the values, and writes those that differ.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, setup_done
from benchmarks.online_rows import DAY, OURS, START, VIEWS, open_feast, pipeline, running, write_lake

STATES: Sequence[tuple[str, int]] = (("empty", 0), ("again", 0), ("next day", 1))
"""Loads, one after another: what the store is found as, and the day whose rows come."""

BARS: Mapping[str, float] = {"sqlite": 3.0, "redis": 3.0}
"""Least ratio of rows per CPU second, by store, in every state."""

VIEW = VIEWS[0]
MICROSECOND = timedelta.resolution
"""Feast's range is closed at both ends, a day is not."""
N_READ = 200
"""Entities whose values are compared."""


@dataclass(frozen=True)
class Loaded:
    """One load."""

    way: str
    n_rows: int
    client_s: float
    server_s: float
    peak_mb: float
    values: str

    @property
    def rows_per_cpu_s(self) -> float:
        """Rows for a second of CPU of client and server."""
        return self.n_rows / (self.client_s + self.server_s)


def by_feast(folder: str, online: Mapping[str, Any], day: int) -> str:
    """Load by Feast's own materialize into Feast's own store."""
    store = open_feast(Path(folder), online)
    setup_done()
    start = START + day * DAY
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        store.materialize(start, start + DAY - MICROSECOND, feature_views=[VIEW])
    return ""


def by_us(folder: str, online: Mapping[str, Any], day: int) -> str:
    """Load as the product loads a partition."""
    from feature_repo.online_batch import batch_of_table
    from resources.feature_store.online.loading import newest_rows
    from resources.lake.lake import Lake

    store = open_feast(Path(folder), online)
    declared = pipeline()
    setup_done()
    snapshot = Lake(root=f"{folder}/lake").snapshot(declared.table("features", VIEW))
    view = store.get_feature_view(VIEW)
    provider = store._get_provider()
    with newest_rows(
        snapshot,
        (START + day * DAY).date().isoformat(),
        ["entity"],
        memory_limit="2GB",
        threads=2,
        spill_directory="",
    ) as batches:
        for rows in batches:
            provider.online_store.write(store.config, view, batch_of_table(view, rows))
    return ""


def values_of(folder: str, online: Mapping[str, Any]) -> str:
    """Read some entities by Feast's own reader, as text."""
    store = open_feast(Path(folder), online)
    features = [f"{VIEW}:{feature.name}" for feature in store.get_feature_view(VIEW).features]
    entity_rows = [{"entity": number} for number in range(N_READ)]
    return json.dumps(
        store.get_online_features(features=features, entity_rows=entity_rows).to_dict(), sort_keys=True
    )


def load(kind: str, way: str, n_entities: int) -> list[Loaded]:
    """Load in each state of the store, one after another."""
    function = {"Feast": "by_feast", "ours": "by_us"}[way]
    loads = []
    with tempfile.TemporaryDirectory() as name, running(kind, Path(name)) as server:
        write_lake(Path(name), n_entities, n_days=1 + max(day for _, day in STATES))
        online = {"type": OURS[kind] if way == "ours" else kind, **server.settings}
        for state, day in STATES:
            before = server.cpu_s()
            done = measure(way, f"benchmarks.online_loading:{function}", name, online, day)
            spent = server.cpu_s() - before
            values = measure("values", "benchmarks.online_loading:values_of", name, online).result
            loads.append(
                Loaded(f"{kind}, {way}, {state}", n_entities, done.cpu_s, spent, done.peak_mb, values)
            )
    return loads


def run(n_entities: int, kinds: Sequence[str]) -> bool:
    """Measure, print the table, and return whether the bars are met."""
    is_met = True
    sys.stdout.write(f"{n_entities:,} entities, 10 features\n")
    sys.stdout.write(
        f"{'store, way, state':28} {'client s':>9} {'server s':>9} {'peak MB':>8} {'rows/CPU s':>11}\n"
    )
    for kind in kinds:
        theirs, ours = (load(kind, way, n_entities) for way in ("Feast", "ours"))
        for measured in (*theirs, *ours):
            sys.stdout.write(
                f"{measured.way:28} {measured.client_s:9.2f} {measured.server_s:9.2f} {measured.peak_mb:8.0f} {measured.rows_per_cpu_s:11,.0f}\n"
            )
        ratios = [b.rows_per_cpu_s / a.rows_per_cpu_s for a, b in zip(theirs, ours, strict=True)]
        named = ", ".join(f"{state} {ratio:.1f}" for (state, _), ratio in zip(STATES, ratios, strict=True))
        equal = [measured.values for measured in theirs] == [measured.values for measured in ours]
        bar = BARS.get(kind, 0.0)
        sys.stdout.write(
            f"  ours loads times as many rows: {named}{f' (at least {bar:.0f})' if bar else ''}; "
            f"Feast's reader reads {'the same' if equal else 'OTHER'} values\n"
        )
        sys.stdout.flush()
        is_met = is_met and equal and min(ratios) >= bar
    return is_met


def main() -> int:
    """Run the benchmark; the exit code says whether the bars are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("n_entities", nargs="?", type=int, default=50_000)
    parser.add_argument("--stores", nargs="+", choices=list(OURS), default=list(OURS))
    arguments = parser.parse_args()
    return 0 if run(arguments.n_entities, arguments.stores) else 1


if __name__ == "__main__":
    sys.exit(main())
