"""Places that scores are written to: one suite for folders, Delta tables, SQLite and Postgres."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text

from benchmarks.online_servers import PostgresServer
from declaration.environment import FromEnvironment
from declaration.predictions import ScoreTargetSpec
from resources.lake.lake import Lake
from resources.score_targets.errors import ScoreTargetError
from resources.score_targets.targets import ScoreTargets
from tests.fixtures.servers import NEEDS_SERVER

SCHEMA = pa.schema(
    [
        ("row_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("model_version", pa.int32()),
        ("score", pa.float64()),
        ("scores", pa.list_(pa.float64())),
        ('odd "name"', pa.string()),
    ]
)
AT = datetime(2024, 1, 1, 12, tzinfo=UTC)
VARIABLE = "SCORES_URL"
REPOSITORY = Path(__file__).resolve().parents[3]


def batch(ids: Sequence[str], score: float) -> pa.RecordBatch:
    n = len(ids)
    columns = [list(ids), [AT] * n, [7] * n, [score] * n, [[score, 1 - score]] * n, ['it\'s; "DROP"'] * n]
    return pa.record_batch(columns, schema=SCHEMA)


def reader(*batches: pa.RecordBatch) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(SCHEMA, batches)


class Place:
    """A place with a way to read it back: (partition, row id, score), sorted."""

    def __init__(
        self, spec: ScoreTargetSpec, read: Callable[[], list[tuple[Any, ...]]], targets: ScoreTargets
    ) -> None:
        self.spec, self.read, self.targets = spec, read, targets

    def write(self, partition: str, rows: pa.RecordBatchReader, pipeline: str = "shop") -> str:
        return self.targets.write(
            self.spec, rows, pipeline=pipeline, partition=partition, commit={"pipeline": pipeline}
        )


def _sql_place(url: str, table: str, targets: ScoreTargets, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(VARIABLE, url)
    engine = create_engine(url)

    def read() -> list[tuple[Any, ...]]:
        with engine.connect() as connection:
            rows = connection.execute(text(f"SELECT partition, row_id, score FROM {table} ORDER BY 1, 2"))
            return [tuple(row) for row in rows]

    return Place(ScoreTargetSpec(type="sql", url=FromEnvironment(env=VARIABLE), table=table), read, targets)


@pytest.fixture(params=["parquet", "delta", "sqlite", pytest.param("postgres", marks=NEEDS_SERVER)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    targets = ScoreTargets(folder=str(tmp_path / "scores"), lake_root=str(tmp_path / "lake"))
    if request.param == "sqlite":
        yield _sql_place(f"sqlite:///{tmp_path}/scores.db", "scores", targets, monkeypatch)
        return
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = f"postgresql+psycopg2://postgres@/postgres?host={server.settings['host']}"
        with create_engine(url).begin() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS analytics CASCADE"))
            connection.execute(text("CREATE SCHEMA analytics"))
        yield _sql_place(url, "analytics.scores", targets, monkeypatch)
        return

    def read() -> list[tuple[Any, ...]]:
        if request.param == "parquet":
            source, key = (
                f"read_parquet('{tmp_path}/scores/out/*/*.parquet', hive_partitioning = true)",
                "partition",
            )
        else:
            beside = Lake(root=str(tmp_path / "scores"))
            rows = [(key, beside.read("out", partitions=[key])) for key in beside.snapshot("out").partitions]
            return sorted(
                (key, row["row_id"], row["score"]) for key, table in rows for row in table.to_pylist()
            )
        found = duckdb.sql(f"SELECT {key}::VARCHAR, row_id, score FROM {source} ORDER BY ALL").fetchall()
        return [tuple(row) for row in found]

    yield Place(ScoreTargetSpec(type=request.param, path="out"), read, targets)


def test_a_partition_that_is_written_again_takes_the_place_of_the_one_before(place: Place) -> None:
    place.write("2024-01-01", reader(batch(["a", "b"], 0.25), batch(["c"], 0.5)))
    place.write("2024-02-01", reader(batch(["d"], 0.75)))
    where = place.write("2024-01-01", reader(batch(["a"], 0.125)))
    assert place.read() == [("2024-01-01", "a", 0.125), ("2024-02-01", "d", 0.75)]
    assert "://" not in where


def test_the_same_partition_twice_is_the_same(place: Place) -> None:
    for _ in range(2):
        place.write("2024-01-01", reader(batch(["a", "b"], 0.25)))
    assert place.read() == [("2024-01-01", "a", 0.25), ("2024-01-01", "b", 0.25)]


def test_what_fails_in_the_midst_leaves_the_partition_as_it_was(place: Place) -> None:
    place.write("2024-01-01", reader(batch(["a"], 0.25)))

    def failing() -> Iterator[pa.RecordBatch]:
        yield batch(["a", "b"], 0.5)
        raise ValueError("the disk is gone")

    with pytest.raises(ValueError, match="the disk is gone"):
        place.write("2024-01-01", pa.RecordBatchReader.from_batches(SCHEMA, failing()))
    assert place.read() == [("2024-01-01", "a", 0.25)]


def test_a_partition_without_rows_empties_its_place(place: Place) -> None:
    place.write("2024-01-01", reader(batch(["a"], 0.25)))
    place.write("2024-02-01", reader(batch(["b"], 0.25)))
    place.write("2024-01-01", reader())
    assert place.read() == [("2024-02-01", "b", 0.25)]


def test_a_key_with_signs_of_a_path_stays_in_its_place(place: Place) -> None:
    place.write("../2024-01-01T06:00", reader(batch(["a"], 0.25)))
    assert place.read() == [("../2024-01-01T06:00", "a", 0.25)]


def test_two_pipelines_do_not_take_each_others_rows(place: Place) -> None:
    place.write("2024-01-01", reader(batch(["a"], 0.25)))
    if place.spec.type == "delta":
        with pytest.raises(
            ScoreTargetError, match=r"was written by the pipeline 'shop'. Give predictions.write_to a path"
        ):
            place.write("2024-01-01", reader(batch(["b"], 0.5)), pipeline="other")
        return
    place.write("2024-01-01", reader(batch(["b"], 0.5)), pipeline="other")
    place.write("2024-01-01", reader(batch(["c"], 0.75)))
    assert sorted(row[1] for row in place.read()) == ["b", "c"]


def test_a_table_that_lacks_columns_says_how_to_add_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = ScoreTargets(folder=str(tmp_path), lake_root=str(tmp_path / "lake"))
    place = _sql_place(f"sqlite:///{tmp_path}/scores.db", "scores", targets, monkeypatch)
    narrow = batch(["a"], 0.25).select(["row_id", "score"])
    place.write("p", pa.RecordBatchReader.from_batches(narrow.schema, [narrow]))
    with pytest.raises(
        ScoreTargetError, match=r'ALTER TABLE scores ADD COLUMN "odd ""name""" VARCHAR\(255\)$'
    ):
        place.write("p", reader(batch(["a"], 0.5)))
    assert place.read() == [("p", "a", 0.25)]


@pytest.mark.parametrize("url", ["hunter2", "nonesuch://hunter2@x/y"])
def test_a_url_that_is_none_is_not_shown(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = ScoreTargets(folder=str(tmp_path), lake_root=str(tmp_path / "lake"))
    spec = ScoreTargetSpec(type="sql", url=FromEnvironment(env=VARIABLE), table="scores")
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(ScoreTargetError, match=f"variable {VARIABLE} does not hold the URL") as caught:
        targets.write(spec, reader(), pipeline="shop", partition="p", commit={})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ScoreTargetError, match=f"variable {VARIABLE} is not set"):
        targets.write(spec, reader(), pipeline="shop", partition="p", commit={})


def test_a_database_that_refuses_shows_neither_rows_nor_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = ScoreTargets(folder=str(tmp_path), lake_root=str(tmp_path / "lake"))
    place = _sql_place(f"sqlite:///{tmp_path}/scores.db", "scores", targets, monkeypatch)
    with pytest.raises(
        ScoreTargetError, match=f"table scores of the database in {VARIABLE}: UNIQUE"
    ) as caught:
        place.write("p", reader(batch(["secret row", "secret row"], 0.5)))
    assert "secret row" not in str(caught.value)
    assert "secret row" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../out", "leads out of"),
        (".", "leads out of"),
        ("{home}/lake/shop", "where the lake"),
        ("{home}", "where the lake"),
    ],
)
def test_paths_that_lead_out_or_into_the_lake_are_refused(path: str, said: str, tmp_path: Path) -> None:
    targets = ScoreTargets(folder=str(tmp_path / "scores"), lake_root=str(tmp_path / "lake"))
    spec = ScoreTargetSpec(type="parquet", path=path.format(home=tmp_path))
    with pytest.raises(ScoreTargetError, match=said):
        targets.write(spec, reader(), pipeline="shop", partition="p", commit={})


KILLED = """
import os, sys
from tests.resources.score_targets.test_targets import SCHEMA, batch
import pyarrow as pa
from declaration.predictions import ScoreTargetSpec
from resources.score_targets.targets import ScoreTargets

def rows():
    yield batch([f"x{number}" for number in range(20_000)], 0.5)
    os.kill(os.getpid(), 9)

spec = ScoreTargetSpec.model_validate_json(sys.argv[1])
targets = ScoreTargets(folder=sys.argv[2] + "/scores", lake_root=sys.argv[2] + "/lake")
stream = pa.RecordBatchReader.from_batches(SCHEMA, rows())
targets.write(spec, stream, pipeline="shop", partition="2024-01-01", commit={"pipeline": "shop"})
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_the_partition_as_it_was(place: Place, tmp_path: Path) -> None:
    place.write("2024-01-01", reader(batch(["a"], 0.25)))
    command = [sys.executable, "-c", KILLED, place.spec.model_dump_json(), str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, timeout=60)
    assert done.returncode == -9, done.stderr
    assert place.read() == [("2024-01-01", "a", 0.25)]
    place.write("2024-01-01", reader(batch(["b"], 0.5)))
    assert place.read() == [("2024-01-01", "b", 0.5)]
