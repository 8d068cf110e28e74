"""Tables are written anew as one version each; what would change a value is refused before anything is written."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.raw.contracts import SchemaError
from assets.raw.registry import read_schemas
from driftline.schema.command import HISTORY_KEYS, PLAN_KEYS, plan_as_plain, version_as_plain
from driftline.schema.history import schema_history
from driftline.schema.plan import apply_schemas, plan_schemas, told
from resources.connections import Connections
from tests.driftline.schema.killed import NEXT, NOW, WITHOUT, stopped_after
from tests.fixtures.changing import COLUMNS, changing, take_day, write_day
from tests.fixtures.keys import undocumented
from tests.fixtures.stages import connected

TABLES = ("shop/raw/sales", "shop/profiled/sales", "shop/quarantine/sales")


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Materialize two days, once: a lake can be copied."""
    folder = tmp_path_factory.mktemp("taken")
    for day in (1, 2):
        write_day(folder, day)
        take_day(changing(folder), connected(folder / "home"), day, profiled=True)
    return folder


@pytest.fixture
def at(tmp_path: Path, taken: Path) -> Connections:
    shutil.copytree(taken, tmp_path, dirs_exist_ok=True)
    return connected(tmp_path / "home")


def versions(at: Connections) -> dict[str, int]:
    return {table: at.lake.snapshot(table).version for table in TABLES}


def test_a_plan_says_what_is_written_anew_and_writes_nothing(tmp_path: Path, at: Connections) -> None:
    before = versions(at)
    plans = plan_schemas(changing(tmp_path, NEXT), at.lake, at.engine, NOW)
    assert told(plans) == (
        "sales: version 1 is registered\n"
        "  'amount' was renamed to 'price'\n  'price' was int and is float\n  'day' was date and is timestamp\n"
        f"  shop/raw/sales@{before[TABLES[0]]} is written anew (2 partitions, 6 rows): "
        "'amount' becomes 'price': int64 to double, 'day': date32[day] to timestamp[us]\n"
        f"  shop/profiled/sales@{before[TABLES[1]]} is written anew (2 partitions, 4 rows): "
        "'amount' becomes 'price': int64 to double, 'day': date32[day] to timestamp[us]\n"
        f"  shop/quarantine/sales@{before[TABLES[2]]} is written anew (2 partitions, 2 rows): "
        "'amount' becomes 'price': int64 to double, 'day': date32[day] to timestamp[us]"
    )
    assert versions(at) == before
    plain = plan_as_plain("shop", plans, {})
    assert undocumented({**plain}, PLAN_KEYS) == set()


def test_rows_keep_their_history_under_the_new_columns_and_older_versions_stay(
    tmp_path: Path, at: Connections
) -> None:
    before = {table: (version, at.lake.read(table)) for table, version in versions(at).items()}
    rejects = at.lake.snapshot("shop/raw_rejects/sales").version
    pipeline = changing(tmp_path, NEXT)
    ((plan, made),) = apply_schemas(pipeline, at.lake, at.engine, NOW)
    assert len(made) == len(plan.tables) == 3
    for table, (version, rows) in before.items():
        assert at.lake.read(table, version=version).equals(rows)
        now = at.lake.read(table).sort_by("at")
        assert now["price"].to_pylist() == [float(x) for x in rows.sort_by("at")["amount"].to_pylist()]
        assert now["day"].to_pylist() == [
            datetime(d.year, d.month, d.day) for d in rows.sort_by("at")["day"].to_pylist()
        ]
    assert at.lake.snapshot("shop/raw_rejects/sales").version == rejects
    assert (
        told(plan_schemas(pipeline, at.lake, at.engine, NOW))
        == "No changes: what is registered is what is declared."
    )
    # Runs go on, and a backfill gives the same rows.
    rows = at.lake.read(TABLES[0], partitions=["2024-03-01"])
    write_day(tmp_path, 3)
    for day in (3, 1):
        assert take_day(pipeline, at, day, profiled=True).metadata["schema_version"] == 2
    assert (
        at.lake.read(TABLES[0], partitions=["2024-03-01"])
        .select(["id", "price", "day"])
        .equals(rows.select(["id", "price", "day"]))
    )
    assert at.lake.read(TABLES[0]).column_names == ["id", "at", "price", "day"]


def test_a_history_tells_versions_runs_and_changes(tmp_path: Path, at: Connections) -> None:
    apply_schemas(changing(tmp_path, NEXT), at.lake, at.engine, NOW)
    first, second = schema_history(changing(tmp_path, NEXT), at.lake)
    assert (first.registered.run_id, first.seen and first.seen.run_id, first.changes) == (
        "run-1",
        "run-2",
        (),
    )
    assert second.registered.run_id == "schema apply"
    assert second.changes == (
        "'amount' was renamed to 'price'", "'price' was int and is float", "'day' was date and is timestamp",
    )  # fmt: skip
    plain = {"pipeline": "shop", "versions": [version_as_plain(first), version_as_plain(second)]}
    assert undocumented(plain, HISTORY_KEYS) == set()


@pytest.mark.parametrize(
    ("change", "keys", "reason"),
    [
        (
            {"amount": "string"},
            {},
            r"'amount': int64 to string would make other values of some. Restore .*driftline rebuild shop",
        ),
        (
            {"amount": "float"},
            {},
            r"1 values of 'amount' lie beyond 2\^53 and are no exact fractions. Restore the type `int`",
        ),
        ({"amount": "decimal"}, {"compatibility": "backward"}, "int cannot be read as decimal"),
        ({}, {"event_time": "day"}, "would now be cut .* `driftline rebuild shop`"),
    ],
    ids=["other values", "not exact", "compatibility", "cut"],
)
def test_what_is_refused_stops_everything(
    tmp_path: Path, at: Connections, change: Mapping[str, Any], keys: Mapping[str, Any], reason: str
) -> None:
    write_day(tmp_path, 3, values=f"{2**53 + 1}" + ",2024-03-{day:02}")
    write_day(tmp_path, 4)
    rows = (tmp_path / "2024-03-03.csv").read_text().splitlines()
    (tmp_path / "2024-03-03.csv").write_text("\n".join(rows[:2]) + "\n")
    take_day(changing(tmp_path), at, 3, profiled=True)
    before = versions(at)
    # A rename that could be done waits for the rest, too.
    columns = {**WITHOUT, "amount": "int", "date": {"type": "date", "source": "day"}, **change}
    if keys.get("event_time"):
        columns = {**COLUMNS}
    pipeline = changing(tmp_path, columns, **keys)
    with pytest.raises(SchemaError, match=f"nothing was written. dataset 'sales': .*{reason}"):
        apply_schemas(pipeline, at.lake, at.engine, NOW)
    assert versions(at) == before


@pytest.mark.parametrize("n_done", [0, 1, 2])
def test_an_apply_that_is_interrupted_is_finished_by_the_next(
    tmp_path: Path, at: Connections, monkeypatch: pytest.MonkeyPatch, n_done: int
) -> None:
    pipeline, before = changing(tmp_path, NEXT), versions(at)
    with monkeypatch.context() as patched:
        patched.setattr("resources.lake.commits._commit", stopped_after(n_done))
        with pytest.raises(KeyboardInterrupt):
            apply_schemas(pipeline, at.lake, at.engine, NOW)
    check_halfway(tmp_path, at, n_done)
    check_finished(tmp_path, at, before)


@pytest.mark.slow
def test_an_apply_that_is_killed_is_finished_by_the_next(tmp_path: Path, at: Connections) -> None:
    before = versions(at)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.driftline.schema.killed", str(tmp_path), "1"], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    check_halfway(tmp_path, at, 1)
    check_finished(tmp_path, at, before)


def check_halfway(folder: Path, at: Connections, n_done: int) -> None:
    """Fail unless so many tables are as they shall be, the others as they were, and runs wait for the rest."""
    names = [at.lake.read(table).column_names for table in TABLES]
    assert ["price" in columns for columns in names] == [True] * n_done + [False] * (len(TABLES) - n_done)
    assert all(("price" in columns) != ("amount" in columns) for columns in names)
    with pytest.raises(SchemaError, match="driftline schema apply shop"):
        take_day(changing(folder, NEXT), at, 2)


def check_finished(folder: Path, at: Connections, before: Mapping[str, int]) -> None:
    """Fail unless the next apply does what is left, once."""
    apply_schemas(changing(folder, NEXT), at.lake, at.engine, NOW)
    # One version that says the table may have wall clocks, one with the rows.
    assert versions(at) == {table: version + 2 for table, version in before.items()}
    assert [len(at.lake.read(table)) for table in TABLES] == [6, 4, 2]
    assert at.lake.read(TABLES[1])["day"].to_pylist()[0] == datetime(2024, 3, 1)
    assert [version.number for version in read_schemas(at.lake, "shop", "sales")] == [1, 2]


def test_two_names_of_one_column_become_one(tmp_path: Path, at: Connections) -> None:
    renamed = {**WITHOUT, "day": "date", "price": {"type": "int", "sql": "amount"}}
    # Declared at first as a column of its own, beside the one that it follows.
    take_day(changing(tmp_path, renamed | {"amount": "int"}), at, 2, profiled=True)
    pipeline = changing(
        tmp_path,
        {**WITHOUT, "day": "date", "price": {"type": "int", "source": "amount", "renamed_from": "amount"}},
    )
    with pytest.raises(Exception, match="rows have a value under the old name of column 'price' and another"):
        apply_schemas(pipeline, at.lake, at.engine, NOW)
    take_day(changing(tmp_path, renamed), at, 2, profiled=True)
    apply_schemas(pipeline, at.lake, at.engine, NOW)
    rows = at.lake.read(TABLES[0]).sort_by("at")
    assert rows.column_names == ["id", "at", "price", "day"]
    assert rows["price"].to_pylist() == [0, 20, 30, 0, 40, 50]
    assert rows["day"].to_pylist()[0] == date(2024, 3, 1)


LESS = {name: kind for name, kind in COLUMNS.items() if name != "amount"}


def test_a_removed_column_goes_from_the_tables_in_one_version_each(tmp_path: Path, at: Connections) -> None:
    before = {table: (version, at.lake.read(table)) for table, version in versions(at).items()}
    pipeline = changing(tmp_path, LESS)
    ((plan, made),) = apply_schemas(pipeline, at.lake, at.engine, NOW)
    assert plan.changes == ("'amount' was removed",)
    assert [table.texts for table in plan.tables] == [["'amount' is left out"]] * 3
    for (table, (version, rows)), number in zip(before.items(), made, strict=True):
        assert number == version + 1 == at.lake.snapshot(table).version
        assert at.lake.read(table, version=version).equals(rows)
        assert at.lake.read(table).equals(rows.drop_columns(["amount"]))
    assert told(plan_schemas(pipeline, at.lake, at.engine, NOW)).startswith("No changes")
    assert not any(made for _, made in apply_schemas(pipeline, at.lake, at.engine, NOW))
    # Runs and backfills go on, and do not bring it back.
    write_day(tmp_path, 3)
    for day in (3, 1):
        assert take_day(pipeline, at, day, profiled=True).metadata["schema_version"] == 2
    assert all("amount" not in at.lake.read(table).column_names for table in TABLES)
    # What was declared again is another column: the rows of before have no value in it.
    for day in (1, 2, 3):
        take_day(changing(tmp_path), at, day, profiled=True)
    assert at.lake.read(TABLES[0])["amount"].null_count == 0


def test_a_run_leaves_a_removed_column_and_the_plan_still_names_it(tmp_path: Path, at: Connections) -> None:
    pipeline = changing(tmp_path, LESS)
    write_day(tmp_path, 3)
    # Not refused: nothing of it is in the way of new rows.
    assert take_day(pipeline, at, 3, profiled=True).metadata["schema_version"] == 2
    assert at.lake.read(TABLES[0])["amount"].null_count == 3
    (plan,) = plan_schemas(pipeline, at.lake, at.engine, NOW)
    assert plan.changes == ()
    assert "shop/raw/sales" in told([plan])
    assert "'amount' is left out" in told([plan])
    assert "the next run would do it too" not in told([plan])
    apply_schemas(pipeline, at.lake, at.engine, NOW)
    assert all("amount" not in at.lake.read(table).column_names for table in TABLES)
    numbers = [version.number for version in read_schemas(at.lake, "shop", "sales")]
    assert numbers == [1, 2]


def test_columns_that_nobody_declared_stay(tmp_path: Path, at: Connections) -> None:
    own = {table: set(at.lake.snapshot(table).schema.names) - set(COLUMNS) for table in TABLES}
    assert own[TABLES[2]]
    apply_schemas(changing(tmp_path, LESS), at.lake, at.engine, NOW)
    assert {table: set(at.lake.snapshot(table).schema.names) - set(LESS) for table in TABLES} == own


def test_a_removal_and_a_renaming_at_once_keep_what_was_renamed(tmp_path: Path, at: Connections) -> None:
    rows = at.lake.read(TABLES[0])
    columns = {**{name: COLUMNS[name] for name in ("id", "at")}, "price": {"type": "int", "source": "amount"}}
    apply_schemas(changing(tmp_path, columns), at.lake, at.engine, NOW)
    now = at.lake.read(TABLES[0])
    assert now.column_names == ["id", "at", "price"]
    assert now["price"].to_pylist() == rows["amount"].to_pylist()


def test_a_removal_that_compatibility_refuses_removes_nothing(tmp_path: Path, at: Connections) -> None:
    before = versions(at)
    with pytest.raises(SchemaError, match="column 'amount' was removed, but was not deprecated"):
        apply_schemas(changing(tmp_path, LESS, compatibility="backward"), at.lake, at.engine, NOW)
    assert versions(at) == before
