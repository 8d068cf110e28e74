"""Columns change as they may, and everything else is refused before a run reads or writes anything."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.raw.contracts import SchemaError
from assets.raw.registry import last_seen, read_schemas
from declaration.datasets import Compatibility
from resources.connections import Connections
from resources.lake.lake import LakeError
from sources.rejects import ReadError
from tests.fixtures.changing import COLUMNS, HEAD, changing, take_day, write_day
from tests.fixtures.stages import connected


@pytest.fixture
def at(tmp_path: Path) -> Connections:
    for day in (1, 2, 3):
        write_day(tmp_path, day)
    return connected(tmp_path / "home")


def files(at: Connections) -> Mapping[Path, int]:
    return {path: path.stat().st_size for path in Path(at.lake.root).rglob("*") if path.is_file()}


def refuse(folder: Path, at: Connections, columns: Mapping[str, Any], reason: str, **keys: Any) -> None:
    before = files(at)
    with pytest.raises((SchemaError, LakeError), match=reason):
        take_day(changing(folder, columns, **keys), at, 2)
    assert files(at) == before


def test_a_schema_is_registered_with_its_first_rows_and_when_it_changes(
    tmp_path: Path, at: Connections
) -> None:
    assert take_day(changing(tmp_path), at, 1).metadata["schema_version"] == 1
    assert take_day(changing(tmp_path), at, 2).metadata["schema_version"] == 1
    described = {**COLUMNS, "amount": {"type": "int", "description": "In cents."}}
    assert take_day(changing(tmp_path, described), at, 3).metadata["schema_version"] == 2
    first, second = read_schemas(at.lake, "shop", "sales")
    assert (first.run_id, second.run_id) == ("run-1", "run-3")
    assert first.schema == changing_schema(tmp_path, COLUMNS)
    assert second.schema.by_name["amount"].description == "In cents."
    seen = last_seen(at.lake, "shop/raw/sales")
    assert (seen[first.mark].run_id, seen[second.mark].run_id) == ("run-2", "run-3")


def changing_schema(folder: Path, columns: Mapping[str, Any]) -> object:
    from declaration.schemas import schema_of

    return schema_of(changing(folder, columns).spec.datasets["sales"])


@pytest.mark.parametrize(
    ("mode", "columns", "reason"),
    [
        ("backward", {**COLUMNS, "size": "int"}, "column 'size' cannot be read from rows of version 1"),
        ("backward", {**COLUMNS, "amount": "decimal"}, "int cannot be read as decimal"),
        (
            "forward",
            {**COLUMNS, "amount": "float"},
            "column 'amount' of version 1 cannot be read from rows of now",
        ),
        ("full_transitive", {**COLUMNS, "amount": "float"}, "and compatibility is full_transitive"),
        (
            "backward",
            {name: kind for name, kind in COLUMNS.items() if name != "day"},
            "column 'day' was removed, but was not deprecated",
        ),
    ],
)
def test_what_compatibility_refuses_is_refused_before_anything_is_read(
    tmp_path: Path, at: Connections, mode: Compatibility, columns: Mapping[str, Any], reason: str
) -> None:
    take_day(changing(tmp_path), at, 1)
    (tmp_path / "2024-03-02.csv").unlink()
    refuse(tmp_path, at, columns, reason, compatibility=mode)


def test_a_deprecated_column_may_go_when_its_day_has_come(tmp_path: Path, at: Connections) -> None:
    going = {**COLUMNS, "day": {"type": "date", "deprecated": "2024-03-02"}}
    without = {name: kind for name, kind in COLUMNS.items() if name != "day"}
    take_day(changing(tmp_path, going, compatibility="full"), at, 1)
    write_day(tmp_path, 2, "id,at,amount", "{amount}")
    with pytest.raises(SchemaError, match="is deprecated only from 2024-03-02 on"):
        take_day(
            changing(tmp_path, without, compatibility="full"), at, 2, clock=datetime(2024, 3, 1, tzinfo=UTC)
        )
    outcome = take_day(changing(tmp_path, going, compatibility="full"), at, 2)
    assert outcome.metadata["absent_columns"] == "day in 1 of 1 files"
    assert take_day(changing(tmp_path, without, compatibility="full"), at, 3).metadata["schema_version"] == 2
    assert at.lake.read("shop/raw/sales")["day"].null_count == 6


def test_a_file_of_before_its_deprecation_must_have_a_column(tmp_path: Path, at: Connections) -> None:
    write_day(tmp_path, 1, "id,at,amount", "{amount}")
    going = {**COLUMNS, "day": {"type": "date", "deprecated": "2024-03-02"}}
    with pytest.raises(ReadError, match="day"):
        take_day(changing(tmp_path, going), at, 1)


SINCE = {**COLUMNS, "size": {"type": "int", "since": "2024-03-02"}}


def test_a_column_is_null_before_its_day_and_must_be_there_after(tmp_path: Path, at: Connections) -> None:
    write_day(tmp_path, 2, f"{HEAD},size", "{amount},2024-03-{day:02},7")
    pipeline = changing(tmp_path, SINCE, compatibility="backward")
    take_day(changing(tmp_path, compatibility="backward"), at, 1)
    take_day(pipeline, at, 2)
    # Read again, the day before has the column, and it stays what it was.
    write_day(tmp_path, 1, f"{HEAD},size", "{amount},2024-03-{day:02},7")
    take_day(pipeline, at, 1)
    raw = at.lake.read("shop/raw/sales").sort_by("at")
    assert raw["size"].to_pylist() == [None] * 3 + [7] * 3
    with pytest.raises(ReadError, match="size"):
        take_day(pipeline, at, 3)


@pytest.mark.parametrize("has_it", [True, False])
def test_of_a_folder_only_files_with_rows_of_later_windows_must_have_a_column(
    tmp_path: Path, at: Connections, has_it: bool
) -> None:
    head, values = (
        (f"{HEAD},size", "{amount},2024-03-{day:02},7") if has_it else (HEAD, "{amount},2024-03-{day:02}")
    )
    write_day(tmp_path, 2, head, values)
    folder = {"source": {"type": "csv", "path": "2024-*.csv"}}
    pipeline = changing(tmp_path, SINCE, **folder)
    take_day(pipeline, at, 1)
    if has_it:
        take_day(pipeline, at, 2)
        assert at.lake.read("shop/raw/sales", partitions=["2024-03-02"])["size"].to_pylist() == [7] * 3
    else:
        with pytest.raises(
            ReadError, match=r"2024-03-02.csv has rows of partition 2024-03-02 and lacks 'size'"
        ):
            take_day(pipeline, at, 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"price": {"type": "int", "renamed_from": "amount", "source": "amount"}},
            "'amount' becomes 'price'",
        ),
        ({"price": {"type": "int", "source": "amount"}}, "'amount' becomes 'price'"),
        ({"price": {"type": "float", "source": "amount"}}, r"'amount' becomes 'price': int64 to double"),
        (
            {"amount": "int", "day": {"type": "timestamp", "widened_from": "date"}},
            r"'day': date32\[day\] to timestamp",
        ),
    ],
)
def test_rows_that_must_be_written_anew_wait_for_it(
    tmp_path: Path, at: Connections, change: Mapping[str, Any], told: str
) -> None:
    take_day(changing(tmp_path), at, 1)
    columns = {name: kind for name, kind in COLUMNS.items() if name != "amount"} | change
    refuse(tmp_path, at, columns, f"{told}.*driftline schema plan shop.*driftline schema apply shop")


def test_a_type_that_holds_not_every_value_is_refused_before_the_rejects_are_written(
    tmp_path: Path, at: Connections
) -> None:
    take_day(changing(tmp_path), at, 1)
    refuse(
        tmp_path,
        at,
        {**COLUMNS, "amount": "string"},
        "column 'amount' is int64 .* Nothing was written. Restore",
    )


def test_a_widened_type_needs_no_plan(tmp_path: Path, at: Connections) -> None:
    take_day(changing(tmp_path), at, 1)
    take_day(changing(tmp_path, {**COLUMNS, "amount": "float"}, compatibility="backward"), at, 2)
    assert at.lake.read("shop/raw/sales")["amount"].to_pylist()[:3] == [0.0, 20.0, 30.0]


def test_a_lake_without_registry_gets_version_1_with_its_next_run(tmp_path: Path, at: Connections) -> None:
    from assets.raw.registry import SCHEMAS

    take_day(changing(tmp_path), at, 1)
    folder = at.lake.table_path(SCHEMAS.of("shop"))
    folder.rename(tmp_path / "gone")
    grown = {**COLUMNS, "more": {"type": "int", "optional": True}}
    assert take_day(changing(tmp_path, grown, compatibility="full"), at, 2).metadata["schema_version"] == 1


@pytest.mark.parametrize(
    "partitions",
    [
        {"every": "month", "start": "2024-03-01"},
        {"every": "day", "start": "2024-03-01", "timezone": "Asia/Tokyo"},
    ],
    ids=["cadence", "zone"],
)
def test_another_cut_is_refused_with_the_command_that_cuts_anew(
    tmp_path: Path, at: Connections, partitions: Mapping[str, Any]
) -> None:
    take_day(changing(tmp_path), at, 1)
    other = changing(tmp_path, source={"type": "csv", "path": "2024-03-01.csv"})
    spec = type(other.spec).model_validate(
        {**other.spec.model_dump(exclude_unset=True), "partitions": partitions}
    )
    before = files(at)
    with pytest.raises(LakeError, match=r"is cut every day .* `driftline rebuild shop`"):
        take_day(type(other)("shop", spec, other.folder, {}, "hash"), at, 1)
    assert files(at) == before


def test_another_event_time_is_refused_with_the_command_that_cuts_anew(
    tmp_path: Path, at: Connections
) -> None:
    take_day(changing(tmp_path), at, 1)
    refuse(
        tmp_path,
        at,
        COLUMNS,
        r"by at\), and would now be cut .*by day\).*driftline rebuild shop",
        event_time="day",
    )
