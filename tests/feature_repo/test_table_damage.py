"""A damaged table is refused by name where Feast's sources are opened and read; it never gives other rows in silence."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from feature_repo.asof_engine import EngineSettings, engine
from feature_repo.snapshots import stored_rows
from feature_repo.table_damage import TableDamageError
from resources.lake.lake import Lake
from tests.fixtures.damage import cut, empty


def rows(first: int) -> pa.Table:
    return pa.table({"machine": list(range(first, first + 300)), "value": [f"text {n}" for n in range(300)]})


def by_the_lake(root: Path) -> Path:
    lake = Lake(root=str(root))
    for number in range(3):
        lake.write("p/features/v", rows(number), partition=f"k{number}")
    return lake.table_path("p/features/v")


def by_others(root: Path) -> Path:
    for number in range(3):
        write_deltalake(root, rows(number), mode="append")
    return root


WRITERS = {"the lake's": by_the_lake, "another writer's": by_others}


def read(path: Path, *wanted: str) -> pa.Table:
    """Read a source as the store does."""
    stored = stored_rows(str(path), wanted=wanted or None)
    with engine(EngineSettings(threads=1), [stored]) as connection:
        columns = ", ".join(wanted or stored.schema.names)
        return connection.sql(f"SELECT {columns} FROM {stored.relation}").to_arrow_table()


def garbled(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


LOG_DAMAGES: Mapping[str, Callable[[Path], None]] = {"empty": empty, "cut": cut, "zeros": garbled}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("damage", LOG_DAMAGES.values(), ids=LOG_DAMAGES)
def test_a_damaged_last_commit_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], damage: Callable[[Path], None]
) -> None:
    table = write(tmp_path)
    assert read(table).num_rows == 900
    newest = sorted((table / "_delta_log").glob("*.json"))[-1]
    damage(newest)
    with pytest.raises(TableDamageError, match=rf"{table} is damaged: .*{newest.name}: .*driftline verify"):
        read(table)


@pytest.mark.parametrize(("write", "gone"), [(by_the_lake, 2), (by_the_lake, 1), (by_others, 1)])
def test_a_commit_that_is_gone_is_noticed(tmp_path: Path, write: Callable[[Path], Path], gone: int) -> None:
    table = write(tmp_path)
    (table / "_delta_log" / f"{gone:020}.json").unlink()
    with pytest.raises(TableDamageError, match=rf"{table} is damaged: .*{gone:020}\.json"):
        read(table)


@pytest.mark.parametrize(
    ("write", "wanted"),
    [(by_the_lake, ()), (by_the_lake, ("machine",)), (by_others, ())],
    ids=["the lake's, through Arrow", "the lake's", "another writer's"],
)
@pytest.mark.parametrize("damage", [empty, cut, garbled, Path.unlink], ids=["empty", "cut", "zeros", "gone"])
def test_a_damaged_file_is_named(
    tmp_path: Path,
    write: Callable[[Path], Path],
    damage: Callable[[Path], None],
    wanted: tuple[str, ...],
) -> None:
    table = write(tmp_path)
    file = next(path for path in sorted(table.rglob("*.parquet")))
    damage(file)
    with pytest.raises(TableDamageError, match=rf"is damaged: {file}: .*Restore .*\(noticed as: "):
        read(table, *wanted)


@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("damage", [empty, cut, garbled], ids=["empty", "cut", "zeros"])
def test_a_damaged_file_that_no_log_names_is_named(
    tmp_path: Path, damage: Callable[[Path], None], is_folder: bool
) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(rows(0), file)
    damage(file)
    with pytest.raises(TableDamageError, match=rf"is damaged: {file}: "):
        read(tmp_path if is_folder else file)


def test_an_error_that_no_file_causes_stays_what_it_is(tmp_path: Path) -> None:
    import duckdb

    stored = stored_rows(str(by_the_lake(tmp_path)))
    with (
        pytest.raises(duckdb.ConversionException, match="text 0"),
        engine(EngineSettings(threads=1), [stored]) as connection,
    ):
        connection.sql(f"SELECT CAST(value AS INTEGER) FROM {stored.relation}").to_arrow_table()
