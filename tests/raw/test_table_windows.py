"""Delta and Iceberg tables asked for one partition: exactly its rows, at its bounds, in zones, and of rows without a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from assets.materialization import Outcome, Scope, StageRun
from assets.raw.asset import materialize_raw
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from resources.lake.lake import Lake
from tests.fixtures.tiny import lake_and_engine

CLOCK = datetime(2025, 2, 1, tzinfo=UTC)

Make = Callable[[Path, Sequence[pa.Table]], Mapping[str, object]]


def _delta(folder: Path, parts: Sequence[pa.Table]) -> Mapping[str, object]:
    for part in parts:
        write_deltalake(
            folder / "orders", part, mode="append", configuration={"delta.enableChangeDataFeed": "true"}
        )
    return {"type": "delta", "path": "orders"}


def _iceberg(folder: Path, parts: Sequence[pa.Table]) -> Mapping[str, object]:
    catalog = SqlCatalog("c", uri="sqlite://", warehouse=folder.as_uri())
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", schema=parts[0].schema, location=(folder / "orders").as_uri())
    for part in parts:
        table.append(part)
    return {"type": "iceberg", "path": "orders"}


MAKES = {"delta": _delta, "iceberg": _iceberg}


def pipeline_of(
    folder: Path,
    source: Mapping[str, object],
    kind: str,
    *,
    zone: str = "UTC",
    start: str = "2024-01-01",
    days: int = 3,
    **keys: object,
) -> Pipeline:
    end = (date.fromisoformat(start) + timedelta(days=days)).isoformat()
    declaration = {
        "description": "Orders of a table",
        "owners": ["team:tests"],
        "partitions": {"every": "day", "start": start, "end": end, "timezone": zone},
        "datasets": {
            "orders": {
                "source": {**source, "max_rejected_share": 0.9},
                "columns": {"id": "int", "at": kind, **keys},
                "event_time": "at",
                "key": ["id"],
            }
        },
        "entities": {"order": ["id"]},
    }
    return Pipeline("shop", PipelineSpec.model_validate(declaration), str(folder), {}, "hash")


def run(pipeline: Pipeline, lake_home: Path) -> tuple[Lake, list[Outcome]]:
    """Materialize all partitions."""
    lake, engine = lake_and_engine(lake_home)
    windows = partitioning(pipeline.spec.partitions).windows(until=CLOCK)
    outcomes = [
        materialize_raw(StageRun(pipeline, Scope(window, "run", CLOCK), lake, engine), "orders")
        for window in windows
    ]
    return lake, outcomes


def ids(lake: Lake) -> Mapping[str, list[int]]:
    """Return the identifiers of each partition."""
    table = "shop/raw/orders"
    return {
        key: sorted(lake.read(table, partitions=[key])["id"].to_pylist())
        for key in lake.snapshot(table).partitions
    }


def instants(*texts: str | None) -> pa.Array:
    found = [None if text is None else datetime.fromisoformat(text) for text in texts]
    return pa.array(found, pa.timestamp("us", "UTC"))


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_a_partition_takes_its_instants_exactly(make: Make, tmp_path: Path) -> None:
    times = instants(
        "2023-12-31T23:59:59.999999+00:00", "2024-01-01T00:00:00+00:00", "2024-01-01T23:59:59.999999+00:00",
        "2024-01-02T00:00:00+00:00", None, "2024-01-03T23:59:59.999999+00:00", "2024-01-04T00:00:00+00:00",
    )  # fmt: skip
    source = make(tmp_path, [pa.table({"id": pa.array(range(7), pa.int64()), "at": times})])
    lake, outcomes = run(pipeline_of(tmp_path, source, "timestamp_tz"), tmp_path / "home")
    assert ids(lake) == {"2024-01-01": [1, 2], "2024-01-02": [3], "2024-01-03": [5]}
    rejects = lake.read("shop/raw_rejects/orders").to_pylist()
    assert [row["reason"] for row in rejects] == ["at: no event time"]
    assert [outcome.metadata["n_rejected"] for outcome in outcomes] == [1, 0, 0]
    # Every row counts once: read, rejected, or of no partition.
    assert [outcome.metadata["n_out_of_range"] for outcome in outcomes] == [2, 0, 0]
    assert [outcome.metadata["n_source_rows"] for outcome in outcomes] == [3, 1, 1]


HAVANA = "America/Havana"
"""Its clocks go forward at midnight, to 1:00 on 2024-03-10, and back at 1:00, to midnight on 2024-11-03."""


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize(("start", "kind"), [
    ("2024-03-09", "timestamp"), ("2024-03-09", "timestamp_tz"), ("2024-11-02", "timestamp"), ("2024-11-02", "timestamp_tz"),
])  # fmt: skip
def test_wall_clocks_are_cut_as_a_whole_reading_cuts_them(
    make: Make, start: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = datetime.fromisoformat(start) - timedelta(hours=3)
    # A quarter of an hour apart, over the change of clocks, with the last instant before each.
    clocks = [first + timedelta(minutes=15 * n) - timedelta(microseconds=n % 2) for n in range(4 * 80)]
    rows = pa.table(
        {"id": pa.array(range(len(clocks)), pa.int64()), "at": pa.array(clocks, pa.timestamp("us"))}
    )
    source = make(tmp_path, [rows.slice(0, 100), rows.slice(100)])
    pipeline = pipeline_of(tmp_path, source, kind, zone=HAVANA, start=start)
    asked, outcomes = run(pipeline, tmp_path / "asked")
    for module in ("sources.delta", "sources.iceberg"):
        monkeypatch.setattr(f"{module}.table_window", lambda *_: None)
    whole, outcomes_of_whole = run(pipeline, tmp_path / "whole")
    assert ids(asked) == ids(whole)
    n_rows = sum(len(some) for some in ids(asked).values())
    out = [o.metadata["n_out_of_range"] for o in (outcomes[0], outcomes_of_whole[0])]
    assert out[0] == out[1] == len(clocks) - n_rows
    assert asked.read("shop/raw_rejects/orders").num_rows == 0


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", HAVANA])
def test_days_belong_to_their_partitions(make: Make, zone: str, tmp_path: Path) -> None:
    days = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 2), None, date(2024, 1, 3), date(2024, 1, 4)]
    source = make(
        tmp_path, [pa.table({"id": pa.array(range(6), pa.int64()), "at": pa.array(days, pa.date32())})]
    )
    lake, outcomes = run(pipeline_of(tmp_path, source, "date", zone=zone), tmp_path / "home")
    assert ids(lake) == {"2024-01-01": [1], "2024-01-02": [2], "2024-01-03": [4]}
    assert [outcome.metadata["n_out_of_range"] for outcome in outcomes] == [2, 0, 0]
    assert lake.read("shop/raw_rejects/orders").num_rows == 1


def test_a_version_and_its_changes_are_cut_too(tmp_path: Path) -> None:
    days = [instants(f"2024-01-0{day}T10:00:00+00:00") for day in (1, 2, 2)]
    parts = [pa.table({"id": [n], "at": at}) for n, at in enumerate(days)]
    source = _delta(tmp_path, parts)
    pinned, _ = run(pipeline_of(tmp_path, {**source, "version": 1}, "timestamp_tz"), tmp_path / "pinned")
    assert ids(pinned) == {"2024-01-01": [0], "2024-01-02": [1], "2024-01-03": []} or ids(pinned) == {
        "2024-01-01": [0], "2024-01-02": [1],
    }  # fmt: skip
    changed = pipeline_of(
        tmp_path,
        {**source, "rows": "changes", "since_version": 1},
        "timestamp_tz",
        change={"type": "string", "source": "_change_type"},
    )
    lake, _ = run(changed, tmp_path / "changes")
    assert [row["id"] for row in lake.read("shop/raw/orders").to_pylist()] == [1, 2]
    assert set(lake.read("shop/raw/orders")["change"].to_pylist()) == {"insert"}


def test_a_time_that_the_table_cannot_tell_is_read_whole(tmp_path: Path) -> None:
    texts = ["2024-01-01T10:00:00Z", "2024-01-02T10:00:00Z", "never"]
    source = _delta(tmp_path, [pa.table({"id": [0, 1, 2], "at": texts})])
    lake, outcomes = run(pipeline_of(tmp_path, source, "timestamp_tz"), tmp_path / "home")
    assert {key: found for key, found in ids(lake).items() if found} == {"2024-01-01": [0], "2024-01-02": [1]}
    assert [outcome.metadata["n_rejected"] for outcome in outcomes] == [1, 1, 1]
    assert lake.read("shop/raw_rejects/orders").num_rows == 1


def test_a_renamed_and_a_computed_event_time(tmp_path: Path) -> None:
    source = _delta(
        tmp_path,
        [
            pa.table(
                {"id": [0, 1], 'p"at': instants("2024-01-01T10:00:00+00:00", "2024-01-02T00:00:00+00:00")}
            )
        ],
    )
    renamed = pipeline_of(tmp_path, source, "timestamp_tz")
    dataset = renamed.spec.datasets["orders"]
    for number, column in enumerate(
        (
            {"type": "timestamp_tz", "source": 'p"at'},
            {"type": "timestamp_tz", "sql": '"p""at" - INTERVAL 1 SECOND'},
        )
    ):
        columns = {**dataset.columns, "at": type(dataset.column("at")).model_validate(column)}
        spec = renamed.spec.model_copy(
            update={"datasets": {"orders": dataset.model_copy(update={"columns": columns})}}
        )
        lake, _ = run(replace(renamed, spec=spec), tmp_path / f"home{number}")
        found = {key: some for key, some in ids(lake).items() if some}
        assert found == ({"2024-01-01": [0, 1]} if number else {"2024-01-01": [0], "2024-01-02": [1]})
