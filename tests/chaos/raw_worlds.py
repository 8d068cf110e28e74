"""Sources of every type with the same rows, in two states, and the raw stage that reads one of their days."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.materialization import Scope, StageRun
from assets.raw.asset import materialize_raw
from assets.raw.uploads import record_upload
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake

START = datetime(2024, 1, 1, tzinfo=UTC)
N_DAYS, ROWS_A_DAY = 3, 6
NOW = datetime(2024, 2, 1, tzinfo=UTC)

Row = tuple[int, datetime, float]


def rows(state: int) -> list[Row]:
    """Return the rows of a state: in the second, each day has a row changed, one gone, and two more."""
    found = []
    for day in range(N_DAYS):
        for number in range(ROWS_A_DAY + (2 if state else 0)):
            if state and number == 1:
                continue
            at = START + timedelta(days=day, hours=number)
            found.append((day * 100 + number, at, number + (0.5 if state and number == 0 else 0.25)))
    return found


def of_day(state: int, day: int) -> list[Row]:
    """Return the rows of one day."""
    return [row for row in rows(state) if row[1].date() == (START + timedelta(days=day)).date()]


@dataclass(frozen=True)
class RawWorld:
    """A source type, and how its source is put into a state.

    Attributes
    ----------
    source
        Its block; `{url}` stands for the address of the API.
    put
        Writes a state's rows, given the folder.
    has_rejects
        Whether one line of it cannot be read.
    """

    source: Mapping[str, object]
    put: Callable[[Path, int], None]
    has_rejects: bool = False


def _texts(state: int) -> list[str]:
    return [f"{key},{at.isoformat()},{value}\n" for key, at, value in rows(state)]


def _put_csv(folder: Path, state: int) -> None:
    _replaced(folder / "rows.csv", "id,at,x\n" + "".join(_texts(state)) + "bad,2024-01-01,1\n")


def _put_days(folder: Path, state: int) -> None:
    for day in range(N_DAYS):
        lines = [f"{key},{at.isoformat()},{value}\n" for key, at, value in of_day(state, day)]
        _replaced(folder / "days" / f"{_day(day)}.csv", "id,at,x\n" + "".join(lines) + "bad,2024-01-01,1\n")


def _put_json(folder: Path, state: int) -> None:
    lines = [json.dumps({"id": key, "at": at.isoformat(), "x": value}) for key, at, value in rows(state)]
    _replaced(folder / "rows.jsonl", "\n".join([*lines, '{"id": "bad", "at": "2024-01-01", "x": 1}', ""]))


def _replaced(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(text)
    draft.replace(path)


def _table(state: int) -> Any:
    import pyarrow as pa

    found = rows(state)
    times = pa.array([at for _, at, _ in found], pa.timestamp("us", "UTC"))
    return pa.table({"id": [key for key, _, _ in found], "at": times, "x": [value for _, _, value in found]})


def _put_parquet(folder: Path, state: int) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_table(state), folder / ".rows.parquet")
    (folder / ".rows.parquet").replace(folder / "rows.parquet")


def _put_sqlite(folder: Path, state: int) -> None:
    with sqlite3.connect(folder / "rows.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, at TEXT, x REAL)")
        database.execute("DELETE FROM orders")
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)",
            [(key, at.strftime("%Y-%m-%d %H:%M:%S"), value) for key, at, value in rows(state)],
        )


def _put_versions(folder: Path, state: int) -> None:
    """Append what changed, as a table does that keeps every version of a row."""
    with sqlite3.connect(folder / "rows.db") as database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER, v INTEGER, at TEXT, x REAL, gone INTEGER)"
        )
        now, before = {row[0]: row for row in rows(state)}, {row[0]: row for row in rows(0)} if state else {}
        new = [(*row, 0) for key, row in now.items() if before.get(key) != row]
        gone = [(*row, 1) for key, row in before.items() if key not in now]
        database.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
            [
                (key, state, at.strftime("%Y-%m-%d %H:%M:%S"), value, is_gone)
                for key, at, value, is_gone in new + gone
            ],
        )


def _put_delta(folder: Path, state: int) -> None:
    from deltalake import write_deltalake

    write_deltalake(folder / "orders", _table(state), mode="overwrite")


def _put_iceberg(folder: Path, state: int) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("c", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=folder.as_uri())
    catalog.create_namespace_if_not_exists("n")
    table = catalog.create_table_if_not_exists(
        "n.t", schema=_table(0).schema, location=(folder / "orders").as_uri()
    )
    (table.overwrite if state else table.append)(_table(state))


def _put_avro(folder: Path, state: int) -> None:
    import fastavro

    schema = {
        "type": "record", "name": "r",
        "fields": [
            {"name": "id", "type": "long"}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "x", "type": "double"},
        ],
    }  # fmt: skip
    with (folder / ".rows.avro").open("wb") as stream:
        fastavro.writer(stream, schema, [{"id": key, "at": at, "x": value} for key, at, value in rows(state)])
    (folder / ".rows.avro").replace(folder / "rows.avro")


def _put_python(folder: Path, state: int) -> None:
    listed = [(key, at.isoformat(), value) for key, at, value in rows(state)]
    _replaced(
        folder / "fetch.py",
        f"from datetime import datetime\nimport pyarrow as pa\nROWS = {listed!r}\n"
        "def read(start, end):\n"
        "    found = [(k, datetime.fromisoformat(a), x) for k, a, x in ROWS]\n"
        "    found = [row for row in found if start is None or start <= row[1] < end]\n"
        "    times = pa.array([row[1] for row in found], pa.timestamp('us', 'UTC'))\n"
        "    return pa.table({'id': pa.array([r[0] for r in found], pa.int64()), 'at': times, "
        "'x': pa.array([r[2] for r in found], pa.float64())})\n",
    )


def _put_api(folder: Path, state: int) -> None:
    listed = [{"id": key, "at": at.isoformat(), "x": value} for key, at, value in rows(state)]
    _replaced(folder / "api.json", json.dumps(listed))


def _put_uploads(folder: Path, state: int) -> None:
    for day in range(N_DAYS):
        lines = [f"{key},{at.isoformat()},{value}\n" for key, at, value in of_day(state, day)]
        _replaced(folder / "given" / f"{_day(day)}.csv", "id,at,x\n" + "".join(lines))


DAYS = {"type": "csv", "path": "days/{partition}.csv", "mode": "incremental", "max_rejected_share": 0.5}

WORLDS: Mapping[str, RawWorld] = {
    "csv": RawWorld({"type": "csv", "path": "rows.csv", "max_rejected_share": 0.5}, _put_csv, True),
    "csv of partitions": RawWorld(DAYS, _put_days, True),
    "json": RawWorld({"type": "json", "path": "rows.jsonl", "max_rejected_share": 0.5}, _put_json, True),
    "parquet": RawWorld({"type": "parquet", "path": "rows.parquet"}, _put_parquet),
    "sql": RawWorld({"type": "sql", "url": "sqlite:///rows.db", "table": "orders"}, _put_sqlite),
    "sql of versions": RawWorld(
        {"type": "sql", "url": "sqlite:///rows.db", "table": "orders", "version": "v", "deleted": "gone"},
        _put_versions,
    ),
    "delta": RawWorld({"type": "delta", "path": "orders"}, _put_delta),
    "iceberg": RawWorld({"type": "iceberg", "path": "orders"}, _put_iceberg),
    "avro": RawWorld({"type": "avro", "path": "rows.avro"}, _put_avro),
    "python": RawWorld({"type": "python", "path": "fetch.py"}, _put_python),
    "rest": RawWorld(
        {"type": "rest", "url": "{url}/orders", "params": {"since": "{start}", "until": "{end}"}}, _put_api
    ),
    "upload": RawWorld({**DAYS, "max_rejected_share": 0.0}, _put_uploads),
}
"""By the name of what is killed."""


def _day(day: int) -> str:
    return (START + timedelta(days=day)).strftime("%Y-%m-%d")


def pipeline_of(home: Path, world: str, url: str = "") -> Pipeline:
    """Return the pipeline of a world: its rows by day, and, where they are one file, whole as well."""
    source = {
        key: value.replace("{url}", url) if isinstance(value, str) else value
        for key, value in WORLDS[world].source.items()
    }
    columns = {"id": "int", "at": "timestamp_tz", "x": "float"}
    datasets = {"orders": {"source": source, "columns": columns, "event_time": "at", "key": ["id"]}}
    if source.get("mode") != "incremental" and source["type"] != "rest":
        datasets["all"] = {"source": datasets["orders"]["source"], "columns": columns, "key": ["id"]}
    declaration = {
        "description": "Rows that are killed again and again",
        "owners": ["team:tests"],
        "partitions": {"every": "day", "start": "2024-01-01", "end": "2024-01-04"},
        "datasets": datasets,
        "entities": {"order": ["id"]},
    }
    return Pipeline("killed", PipelineSpec.model_validate(declaration), str(home / "source"), {}, "hash")


def _lake(home: Path) -> tuple[Lake, Engine]:
    lake = Lake(root=str(home / "lake"))
    return lake, Engine(spill_directory=str(home / "spill"), directories=[lake.root], threads=1)


def put(home: Path, world: str, state: int) -> None:
    """Put the source into a state."""
    (home / "source").mkdir(parents=True, exist_ok=True)
    WORLDS[world].put(home / "source", state)


def datasets_of(world: str, url: str) -> Sequence[str]:
    """Name the datasets of a world."""
    return list(pipeline_of(Path("/"), world, url).spec.datasets)


def read(home: Path, world: str, url: str, dataset: str, day: int) -> None:
    """Run the raw stage of a day, as a refresh does; of uploads, upload its file first."""
    pipeline = pipeline_of(home, world, url)
    lake, engine = _lake(home)
    if world == "upload":
        _upload(home, pipeline, lake, engine, day)
    window: Window | None = None
    if dataset == "orders":
        window = partitioning(pipeline.spec.partitions).window(_day(day))
    materialize_raw(StageRun(pipeline, Scope(window, f"run-{day}", NOW), lake, engine), dataset)


def _upload(home: Path, pipeline: Pipeline, lake: Lake, engine: Engine, day: int) -> None:
    from sources.uploads import Destination, upload

    dataset = pipeline.spec.datasets["orders"]
    destination = Destination("orders", dataset, home / "source", partitioning(pipeline.spec.partitions))
    (home / "source" / "days").mkdir(exist_ok=True)
    file = home / "source" / "given" / f"{_day(day)}.csv"
    with engine.connect() as connection:
        placed = upload(
            file,
            destination,
            connection,
            scratch=Path(engine.spill_directory),
            partition=_day(day),
            replaces=True,
        )
    record_upload(lake, pipeline.name, "orders", file.name, placed, person="somebody", at=NOW)


def faults(home: Path, world: str, state: int, dataset: str) -> list[str]:
    """List what is wrong of a home whose every day was run to its end, against the rows that its source holds."""
    lake, _ = _lake(home)
    found = [f"{dataset}: {text}" for text in _wrong_rows(lake, world, state, dataset)]
    left = sorted(path.name for path in (home / "spill").iterdir())
    found += [f"scratch is left: {left}"] if left else []
    if world == "upload":
        placed = sorted(path.name for path in (home / "source" / "days").iterdir())
        if placed != [f"{_day(day)}.csv" for day in range(N_DAYS)]:
            found.append(f"files: {placed}")
        uploads = Counter(row["sha256"] for row in lake.read("killed/uploads").to_pylist())
        if set(uploads.values()) != {1} or len(uploads) != N_DAYS * (state + 1):
            found.append(f"uploads: {dict(uploads)}")
    return found


def _wrong_rows(lake: Lake, world: str, state: int, dataset: str) -> list[str]:
    table = f"killed/raw/{dataset}"
    there = sorted((row["id"], row["at"], row["x"]) for row in lake.read(table).to_pylist())
    found = [] if there == sorted(rows(state)) else [f"{len(there)} rows, not {len(rows(state))}: {there}"]
    n_rejects = {"csv of partitions": N_DAYS}.get(world, 1) if WORLDS[world].has_rejects else 0
    rejects = lake.read(f"killed/raw_rejects/{dataset}").num_rows
    if rejects != n_rejects:
        found.append(f"{rejects} rejects, not {n_rejects}")
    return found + _halves(lake, table)


def _halves(lake: Lake, table: str) -> list[str]:
    """List versions in which a day has other rows than those of one of both states: nobody may ever have seen such a one."""
    sound = [[], *(sorted(of_day(state, day)) for state in (0, 1) for day in range(N_DAYS))]
    found = []
    for version in range(lake.snapshot(table).version + 1):
        days: dict[object, list[Row]] = {}
        for row in lake.read(table, version=version).to_pylist():
            days.setdefault(row["at"].date(), []).append((row["id"], row["at"], row["x"]))
        found += [
            f"version {version}: half of {day}" for day, some in days.items() if sorted(some) not in sound
        ]
    return found
