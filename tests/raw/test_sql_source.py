"""A database's rows in the lake: each once, idempotent, newest versions only, deleted ones left out and counted."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assets.materialization import Outcome, StageRun
from assets.raw.asset import materialize_raw
from declaration.datasets import DatasetSpec
from declaration.pipeline import Pipeline
from resources.lake.lake import Lake
from sources.databases.faults import DatabaseError
from tests.fixtures.tiny import lake_and_engine, scope, tiny_pipeline, write_sources

SHOP = {"type": "sql", "url": "sqlite:///shop.db", "table": "orders", "max_rejected_share": 0.5}
COLUMNS = {"id": "int", "at": "timestamp_tz", "amount": "float"}


def pipeline(folder: Path, **source: Any) -> Pipeline:
    write_sources(folder, n_days=1)
    tiny = tiny_pipeline(folder)
    orders = DatasetSpec.model_validate(
        {"source": {**SHOP, **source}, "columns": COLUMNS, "event_time": "at", "key": ["id"]}
    )
    datasets = {**tiny.spec.datasets, "orders": orders}
    return replace(tiny, spec=tiny.spec.model_copy(update={"datasets": datasets}))


def shop(folder: Path, *rows: tuple[Any, ...]) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as session:
        session.execute(
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER, at TEXT, amount REAL, changed INTEGER, gone INTEGER)"
        )
        session.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
        session.commit()


def amounts(lake: Lake) -> list[tuple[int, float]]:
    rows = lake.read("tiny/raw/orders").to_pylist()
    return sorted((row["id"], row["amount"]) for row in rows)


def run(folder: Path, made: Pipeline, day: int) -> tuple[Outcome, Lake]:
    lake, engine = lake_and_engine(folder)
    return materialize_raw(StageRun(made, scope(day), lake, engine), "orders"), lake


def test_partitions_hold_every_row_once_and_a_rerun_finds_late_ones(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    shop(
        tmp_path, (1, "2024-01-01 10:00", 1.0, 0, 0), (2, "2024-01-02 10:00", 2.0, 0, 0), (3, None, 3.0, 0, 0)
    )
    first, lake = run(tmp_path, made, 0)
    assert [first.metadata[name] for name in ("n_rows", "n_rejected", "n_source_rows")] == [1, 1, 2]
    run(tmp_path, made, 1)
    again, _ = run(tmp_path, made, 0)
    assert amounts(lake) == [(1, 1.0), (2, 2.0)]
    assert again.metadata["source_sha256"] == first.metadata["source_sha256"]
    assert [row["reason"] for row in lake.read("tiny/raw_rejects/orders").to_pylist()] == [
        "at: no event time"
    ]
    shop(tmp_path, (4, "2024-01-01 23:00", 4.0, 0, 0))
    run(tmp_path, made, 0)
    assert amounts(lake) == [(1, 1.0), (2, 2.0), (4, 4.0)]


def test_what_was_read_is_shown_with_its_pace_and_its_rejects_by_reason(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    shop(tmp_path, *[(n, "2024-01-01 10:00" if n > 2 else None, 1.0, 0, 0) for n in range(6)])
    outcome, _ = run(tmp_path, made, 0)
    (shown,) = outcome.tables["rejects_by_reason"]
    assert (shown["reason"], shown["n"], shown["source"]) == ("at: no event time", 3, "orders")
    assert shown["raw_text"] == '{"id":0,"at":null,"amount":1.0}'
    rate, seconds = outcome.metadata["rows_per_s"], outcome.metadata["duration_s"]
    assert rate == pytest.approx(6 / float(str(seconds)), rel=0.2)
    assert 0 <= float(str(outcome.metadata["waited_s"])) <= float(str(seconds))


def test_the_newest_version_stays_and_a_deleted_one_leaves(tmp_path: Path) -> None:
    made = pipeline(tmp_path, version="changed", deleted="gone")
    day = "2024-01-01 10:00"
    shop(
        tmp_path,
        (1, day, 1.0, 1, 0), (1, day, 1.5, 3, 0), (1, day, 1.2, 2, 0),  # the second is the newest
        (2, day, 2.0, 1, 0), (2, day, 2.5, 2, 1),  # deleted at last
        (3, day, 3.0, 1, 1), (3, day, 3.5, 2, None),  # and back again
        (4, day, 4.0, None, 0), (4, day, 4.5, 1, 0),  # no version is the oldest
        (None, day, 5.0, 1, 0), (None, day, 6.0, 2, 0),  # nobody's version: a reject of the key, or a row, but not lost
    )  # fmt: skip
    outcome, lake = run(tmp_path, made, 0)
    rows = lake.read("tiny/raw/orders").to_pylist()
    assert sorted(row["amount"] for row in rows) == [1.5, 3.5, 4.5, 5.0, 6.0]
    assert (outcome.metadata["n_superseded"], outcome.metadata["n_deleted"]) == (5, 1)
    assert outcome.metadata["n_source_rows"] == 5


def test_what_cannot_tell_of_deletions_is_refused(tmp_path: Path) -> None:
    made = pipeline(tmp_path, deleted="amount")
    shop(tmp_path, (1, "2024-01-01 10:00", 1.0, 1, 0))
    with pytest.raises(
        DatabaseError, match=r"column 'amount' of `deleted` is of type double, but a truth value"
    ):
        run(tmp_path, made, 0)
    with pytest.raises(DatabaseError, match=r"has no column 'chnged'.*Correct `version` and `deleted`"):
        run(tmp_path, pipeline(tmp_path, version="chnged"), 0)


def test_a_deleted_row_leaves_with_its_partition_and_is_counted(tmp_path: Path) -> None:
    made = pipeline(tmp_path, deletes="compare")
    shop(
        tmp_path,
        *((n, "2024-01-01 10:00", float(n), 1, 0) for n in range(5)),
        (9, "2024-01-02 10:00", 9.0, 1, 0),
    )
    first, lake = run(tmp_path, made, 0)
    run(tmp_path, made, 1)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as session:
        session.execute("DELETE FROM orders WHERE id IN (1, 3, 9)")
        session.execute("INSERT INTO orders VALUES (7, '2024-01-01 11:00', 7, 1, 0)")
        session.commit()
    again, _ = run(tmp_path, made, 0)
    assert (first.metadata["n_removed"], again.metadata["n_removed"], again.metadata["n_rows"]) == (0, 2, 4)
    # The other partition was not read again.
    assert amounts(lake) == [(0, 0.0), (2, 2.0), (4, 4.0), (7, 7.0), (9, 9.0)]
    assert run(tmp_path, made, 1)[0].metadata["n_removed"] == 1
    assert "n_removed" not in run(tmp_path, pipeline(tmp_path), 0)[0].metadata
