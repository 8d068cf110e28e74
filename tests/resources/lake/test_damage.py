"""A damaged lake is refused with the file, the cause and the repair; it never gives other rows in silence."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from feature_repo.table_damage import sha256_of
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake, LakeDamageError, scan
from tests.fixtures.damage import cut, empty

TABLE = "p/raw/x"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(spill_directory=str(tmp_path / "spill"), directories=[str(tmp_path / "lake")])


def some(n: int) -> pa.Table:
    return pa.table({"x": list(range(n)), "s": [f"text {i * 7919 % 1000}" for i in range(n)]})


def log_of(lake: Lake) -> list[Path]:
    return sorted((lake.table_path(TABLE) / "_delta_log").glob("*.json"))


def filled(lake: Lake, n: int = 4) -> None:
    for number in range(n):
        lake.write(TABLE, some(number + 1), partition=f"k{number}")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def first_action_alone(path: Path) -> None:
    """Leave whole JSON, as where a page of the disk was lost: the file's rows would be gone."""
    path.write_text(path.read_text().splitlines()[0] + "\n")


DAMAGES = {
    "empty": empty,
    "cut": cut,
    "zeros": zeros,
    "fewer actions": first_action_alone,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("n", [1, 4, 12], ids=lambda n: f"{n} commits")
def test_a_damaged_last_commit_is_refused_by_readers_and_writers(
    lake: Lake, damage: Callable[[Path], object], n: int
) -> None:
    filled(lake, n)
    newest = log_of(lake)[-1]
    damage(newest)
    named = rf"table 'p/raw/x' is damaged: .*{newest.name if n > 1 or damage is not Path.unlink else '_delta_log'}"
    for refused in (
        lambda: lake.snapshot(TABLE),
        lambda: lake.read(TABLE),
        lambda: lake.commit_of(TABLE),
        lambda: lake.write(TABLE, some(1), partition="new"),
    ):
        with pytest.raises(LakeDamageError, match=named + r".*driftline verify.*recover\.md"):
            refused()


def test_a_commit_that_a_checkpoint_holds_too_is_compared_with_what_was_written(lake: Lake) -> None:
    filled(lake, 11)
    first_action_alone(log_of(lake)[-1])
    with pytest.raises(LakeDamageError, match="the newest commit is not as it was written"):
        lake.snapshot(TABLE)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_hole_in_the_log_is_refused(lake: Lake, missing: int) -> None:
    filled(lake)
    log_of(lake)[missing].unlink()
    with pytest.raises(
        LakeDamageError, match=rf"{missing:020}\.json: the log has version 3 and lacks {missing}"
    ):
        lake.read(TABLE)


def test_commits_that_a_checkpoint_holds_may_be_gone(lake: Lake) -> None:
    filled(lake, 12)
    for path in log_of(lake)[:10]:
        path.unlink()
    assert lake.snapshot(TABLE).n_rows == sum(range(13))


def test_a_log_that_others_wrote_is_judged_by_itself(lake: Lake) -> None:
    path = lake.table_path(TABLE)
    for _ in range(2):
        write_deltalake(str(path), some(1), mode="append")
    assert lake.snapshot(TABLE).n_rows == 2
    cut(log_of(lake)[-1])
    with pytest.raises(LakeDamageError, match="the newest commit is cut off or garbled"):
        lake.snapshot(TABLE)
    empty(log_of(lake)[-1])
    with pytest.raises(LakeDamageError, match="the commit is empty, as after a power cut"):
        lake.snapshot(TABLE)


def test_others_may_write_after_us_and_we_after_them(lake: Lake) -> None:
    lake.append("p/history", some(1))
    write_deltalake(str(lake.table_path("p/history")), some(2), mode="append")
    assert lake.snapshot("p/history").n_rows == 3
    assert lake.append("p/history", some(3)).n_rows == 6


def test_a_writer_that_was_killed_before_the_mark_was_set_leaves_a_whole_table(lake: Lake) -> None:
    filled(lake, 2)
    mark = (lake.table_path(TABLE) / "_last_commit").read_text()
    filled(lake, 3)
    (lake.table_path(TABLE) / "_last_commit").write_text(mark)
    assert lake.snapshot(TABLE).version == 4
    filled(lake, 1)


def test_a_backup_of_the_whole_folder_is_the_table_of_then(lake: Lake, tmp_path: Path) -> None:
    filled(lake, 2)
    shutil.copytree(lake.table_path(TABLE), tmp_path / "backup")
    filled(lake, 4)
    shutil.rmtree(lake.table_path(TABLE))
    shutil.copytree(tmp_path / "backup", lake.table_path(TABLE))
    assert lake.snapshot(TABLE).n_rows == 3
    filled(lake, 4)
    assert lake.snapshot(TABLE).n_rows == 10


def test_files_have_the_hash_of_their_commit(lake: Lake) -> None:
    filled(lake, 3)
    lake.write(TABLE, pa.table({"x": [0.5]}), partition="k9")  # rewrites the others
    lake.compact(TABLE, above=1)
    hashes = lake.file_hashes(TABLE)
    assert sorted(hashes) == sorted(lake.snapshot(TABLE).paths())
    assert all(sha256_of(path) == digest for path, digest in hashes.items())
    assert set(lake.file_hashes(TABLE, 1)).isdisjoint(hashes)
    added = {
        file["path"]
        for file in pa.table(DeltaTable(str(lake.table_path(TABLE))).get_add_actions()).to_pylist()
    }
    assert all(any(digest in name for name in added) for digest in hashes.values() if digest)


def test_files_of_others_have_none(lake: Lake) -> None:
    write_deltalake(str(lake.table_path(TABLE)), some(1))
    assert list(lake.file_hashes(TABLE).values()) == [None]


def test_tables_are_listed(lake: Lake) -> None:
    assert lake.tables() == ()
    lake.append("p/ledger", some(1))
    filled(lake, 1)
    assert lake.tables() == ("p/ledger", TABLE)


def flipped(path: Path, generator: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink], ids=["cut", "empty", "gone"])
def test_a_damaged_file_is_named_with_its_partition(
    lake: Lake, engine: Engine, damage: Callable[[Path], object]
) -> None:
    filled(lake, 3)
    snapshot = lake.snapshot(TABLE)
    damage(Path(snapshot.files["k1"][0]))
    said = (
        rf"table 'p/raw/x', partition 'k1' is damaged: {snapshot.files['k1'][0]}: .* "
        r"Restore the file from a backup, or materialize partition 'k1' again"
    )
    with pytest.raises(LakeDamageError, match=said), engine.connect() as connection:
        connection.sql(f"SELECT sum(x) FROM {scan(snapshot)}").fetchall()
    with pytest.raises(LakeDamageError, match=said):
        lake.read(TABLE)


def test_a_damaged_file_is_not_rewritten_in_a_wider_type(lake: Lake) -> None:
    filled(lake, 3)
    snapshot = lake.snapshot(TABLE)
    cut(Path(snapshot.files["k1"][0]))
    with pytest.raises(LakeDamageError, match="partition 'k1' is damaged"):
        lake.write(TABLE, pa.table({"x": [0.5]}), partition="k9")
    assert lake.snapshot(TABLE) == snapshot


def test_a_flipped_bit_is_never_a_bare_error_of_the_reader(lake: Lake, engine: Engine) -> None:
    path = Path(lake.write(TABLE, some(200), partition="k").paths()[0])
    sound, whole = lake.read(TABLE), path.read_bytes()
    generator = random.Random(7)
    snapshot = lake.snapshot(TABLE)
    n_refused = 0
    for _ in range(120):
        flipped(path, generator)
        try:
            assert lake.read(TABLE).equals(sound), "a page with a wrong checksum was read"
        except LakeDamageError:
            n_refused += 1
        try:
            with engine.connect() as connection:
                connection.sql(f"SELECT * FROM {scan(snapshot)}").fetchall()
        except LakeDamageError:
            pass
        path.write_bytes(whole)
    assert n_refused > 60


def test_an_error_that_no_file_causes_stays_what_it_is(lake: Lake, engine: Engine) -> None:
    import duckdb

    filled(lake, 1)
    with pytest.raises(duckdb.Error, match="text"), engine.connect() as connection:
        connection.sql(f"SELECT CAST(s AS INTEGER) FROM {scan(lake.snapshot(TABLE))}").fetchall()


def test_nothing_of_the_rows_is_left_in_the_log(lake: Lake) -> None:
    """Statistics would keep the least and greatest name after its row was deleted and its file vacuumed."""
    secret = "Wilhelmine Achterberg"
    rows = pa.table(
        {"name": [secret] * 3, "born": pa.array([-(10**9)] * 3, pa.int64()), "x": [0.12345678] * 3}
    )
    for number in range(12):
        lake.write(TABLE, rows, partition=f"k{number}")
    for number in range(12):
        lake.write(TABLE, rows.slice(0, 0), partition=f"k{number}")
    lake.compact(TABLE, above=-1)
    delta = DeltaTable(str(lake.table_path(TABLE)))
    delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    for path in lake.table_path(TABLE).rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(text in content for text in (secret.encode(), b"1000000000", b"0.12345678")), path
    assert not list(lake.table_path(TABLE).rglob("part-*"))
    assert list(lake.table_path(TABLE).rglob("*.checkpoint.parquet"))
