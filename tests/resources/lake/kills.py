"""Writers of a lake, killed at any moment: run as a process of its own, whose children are forked before any thread is.

python -m tests.resources.lake.kills FOLDER N_KILLS
"""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

import deltalake  # noqa: F401 (once, not in each child)
import pyarrow as pa
import pyarrow.parquet

from feature_repo.table_damage import sha256_of
from resources.lake.lake import Lake

TABLE = "p/raw/x"
PARTITIONS = ("a", "b", "c")


def write_for_ever(root: str, seed: int, begun: int) -> None:
    """Write partitions, widen a column, append and merge, until killed; tell the first round through a pipe."""
    lake, generator = Lake(root=root), random.Random(seed)
    number = 0
    while True:
        number += 1
        n_rows = generator.randrange(1, 4_000)
        x = pa.array([seed * 1000 + number] * n_rows, generator.choice([pa.int64(), pa.float64()]))
        lake.write(TABLE, pa.table({"x": x, "n": [n_rows] * n_rows}), partition=generator.choice(PARTITIONS))
        lake.append("p/ledger", pa.table({"sequence": [number]}))
        lake.compact("p/ledger", above=3)
        if number == 1:
            os.write(begun, b".")


def check(root: str) -> None:
    """Fail unless each partition is one write's, whole, and every file is as it was committed."""
    lake = Lake(root=root)
    if not lake.has(TABLE):
        return
    snapshot = lake.snapshot(TABLE)
    assert all(sha256_of(path) == digest for path, digest in lake.file_hashes(TABLE).items())
    rows = lake.read(TABLE)
    assert rows.num_rows == snapshot.n_rows
    for (value, n_rows), count in _counted(rows).items():
        assert n_rows == count, f"write {value} has {count} of {n_rows} rows"
    if lake.has("p/ledger"):
        lake.read("p/ledger")


def _counted(rows: pa.Table) -> dict[tuple[float, int], int]:
    counted = rows.group_by(["x", "n"]).aggregate([([], "count_all")])
    return {(row["x"], row["n"]): row["count_all"] for row in counted.to_pylist()}


def forked(work: Callable[[], None]) -> int:
    """Start a child that does something and ends; return its process id."""
    child = os.fork()
    if child:
        return child
    is_done = False
    try:
        work()
        is_done = True
    finally:
        if not is_done:
            traceback.print_exc()
        os._exit(int(not is_done))


def main(root: str, n_kills: int) -> int:
    """Kill writers, two at a time, and check what they left; return how often it was wrong."""
    generator = random.Random(11)
    n_wrong = 0
    for kill in range(n_kills):
        heard, begun = os.pipe()
        seeds = (2 * kill, 2 * kill + 1)
        writers = [forked(partial(write_for_ever, root, seed, begun)) for seed in seeds]
        os.read(heard, 1)
        time.sleep(generator.uniform(0, 0.2))
        for writer in writers:
            os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
        os.close(heard)
        os.close(begun)
        _, status = os.waitpid(forked(partial(check, root)), 0)
        n_wrong += status != 0
    return n_wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
