"""Logs, files and materializations: what is damaged is named, and mended where that was promised."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest

from driftline.verify.finding import Finding
from driftline.verify.logs import set_back
from feature_repo.table_damage import fault_of
from pipelines.graph.compile import build_pipeline
from pipelines.triggers.run_requests import parts_of
from tests.driftline.verify.world import N_DAYS, Home, flip_one_bit


def test_a_whole_installation_has_no_findings(home: Home) -> None:
    assert home.findings() == []
    assert home.repair() == []


def test_one_flipped_bit_in_any_data_file_is_found(own: Home) -> None:
    files, bits = own.data_files(), random.Random(11)
    assert len(files) > 30
    for file in files:
        flip_one_bit(file, bits)
    found = own.findings()
    (of_ledger,) = (file for file in files if file.parent.name == "ledger")
    named = {one.where.partition(", partition")[0] for one in found if one.kind == "file"}
    assert named == {str(file) for file in files if file != of_ledger}
    assert [str(of_ledger) in one.what for one in found if one.kind == "ledger"] == [True]
    assert all("its bytes are not those that were written" in one.what for one in found if one.kind == "file")
    assert any(
        "`dagster asset materialize -m pipelines.definitions --select tiny/raw/raw_readings --partition 2024-01-02`"
        in one.repair
        for one in found
    )


def test_every_flip_in_one_file_is_found(home: Home) -> None:
    file, bits = home.data_files()[0], random.Random(5)
    sound = file.read_bytes()
    for _ in range(180):
        flip_one_bit(file, bits)
        assert fault_of(str(file)) == "its bytes are not those that were written"
        file.write_bytes(sound)
    assert fault_of(str(file)) is None


def test_a_deleted_file_is_named_with_the_run_that_makes_it_again(home: Home) -> None:
    lake = home.connections.lake
    (path,) = lake.snapshot("tiny/labels").paths(["2024-01-02"])
    Path(path).unlink()
    (found,) = home.findings()
    assert found.where == f"{path}, partition 2024-01-02"
    assert found.what == "the file is gone"
    assert "--select tiny/labels --partition 2024-01-02`" in found.repair
    materialize(home, "labels", "2024-01-02")
    assert home.findings() == []


def test_a_damaged_file_of_an_earlier_version_is_set_aside(home: Home) -> None:
    (path,) = home.connections.lake.snapshot("tiny/labels").paths(["2024-01-02"])
    materialize(home, "labels", "2024-01-02")
    flip_one_bit(Path(path), random.Random(1))
    (found,) = home.findings()
    assert (found.kind, found.where) == ("earlier version", path)
    assert home.repair() == []
    assert Path(f"{path}.damaged").exists()


def materialize(home: Home, *stages: str) -> None:
    """Carry out what a finding asks for: stages of a partition, whose key is the last argument."""
    *paths, partition = stages
    definitions = dg.Definitions.merge(
        build_pipeline(home.pipeline),
        dg.Definitions(resources=home.connections.as_resources(), executor=dg.in_process_executor),
    )
    asked = dg.RunRequest(asset_selection=[dg.AssetKey(["tiny", *path.split("/")]) for path in paths])
    with home.instance() as instance:
        for part in parts_of(asked):
            done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=part.asset_selection,
                partition_key=None if partition == "None" else partition,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            assert done.success


def asked_for(found: Sequence[Finding]) -> Mapping[str, Sequence[str]]:
    """Return the assets that findings ask to be made again, by partition, in their order."""
    asked: dict[str, list[str]] = {}
    for one in found:
        words = one.repair.rstrip("`.").split()
        asset = words[words.index("--select") + 1].removeprefix("tiny/")
        asked.setdefault(
            words[words.index("--partition") + 1] if "--partition" in words else "None", []
        ).append(asset)
    return asked


def truncated(commit: Path) -> None:
    commit.write_bytes(b"")


def cut(commit: Path) -> None:
    commit.write_bytes(commit.read_bytes()[:-30])


@pytest.mark.parametrize("damage", [truncated, cut, Path.unlink])
def test_the_last_commit_of_every_table_is_missed(own: Home, damage: object) -> None:
    tables = own.tables()
    for table in tables:
        damage(own.last_commit(table))  # type: ignore[operator]  # one of the three
    found = own.findings()
    named = {one.where for one in found if one.kind == "log"}
    assert named == {str(own.connections.lake.table_path(table)) for table in tables}
    assert len(found) >= len(tables)


@pytest.mark.slow
def test_after_losing_every_last_commit_repair_and_the_runs_it_names_make_all_whole(own: Home) -> None:
    before = {table: own.connections.lake.snapshot(table).rows_by_partition for table in own.tables()}
    decided = own.connections.lake.read("tiny/ledger").to_pylist()
    for table in own.tables():
        own.last_commit(table).unlink()
    left = own.repair()
    # What is served is later than what is left.
    assert {one.kind for one in left} == {"materialization", "online"}
    for partition, assets in asked_for([one for one in left if one.kind == "materialization"]).items():
        materialize(own, *assets, partition)
    assert own.repair() == []
    assert own.findings() == []
    # The model was asked for once more, and is the one that serves.
    ledger = own.connections.lake.read("tiny/ledger").sort_by("sequence").to_pylist()
    assert ledger[:1] == decided
    assert [row["champion_after"] for row in ledger] == [1, 1]
    after = {table: own.connections.lake.snapshot(table).rows_by_partition for table in own.tables()}
    assert {**after, "tiny/ledger": before["tiny/ledger"]} == before


def test_a_version_number_that_another_run_took_is_not_the_one_that_was_told_of(own: Home) -> None:
    """The last day's commit is lost, and a run of another day gets its number."""
    folder = own.connections.lake.table_path("tiny/labels")
    own.last_commit("tiny/labels").unlink()
    set_back(folder)
    materialize(own, "labels", "2024-01-01")
    (found,) = own.findings()
    assert found.where == "tiny/labels, partition 2024-01-03"
    assert found.what == "version 2 of table 'tiny/labels' was written, and is another run's now"
    materialize(own, "labels", "2024-01-03")
    assert own.findings() == []


def test_a_table_that_is_gone_is_missed(own: Home) -> None:
    shutil.rmtree(own.connections.lake.table_path("tiny/features/recent"))
    found = own.findings()
    assert [one.where for one in found] == [
        f"tiny/features/recent, partition 2024-01-0{day}" for day in range(1, N_DAYS + 1)
    ]
    assert "the table is not there" in found[0].what


def test_a_hole_in_the_log_needs_a_backup(own: Home) -> None:
    commit = own.last_commit("tiny/labels")
    commit.with_name(commit.name.replace("2.json", "1.json")).unlink()
    (found,) = own.repair()
    assert found.kind == "log"
    assert "lacks 1" in found.what
    assert found.repair.startswith("Restore the table's folder from a backup, or move it away")


def test_a_checkpoint_that_says_otherwise_than_its_commits_is_dropped(own: Home) -> None:
    from deltalake import DeltaTable

    folder = own.connections.lake.table_path("tiny/labels")
    DeltaTable(str(folder)).create_checkpoint()
    assert own.findings() == []
    (checkpoint,) = (folder / "_delta_log").glob("*.checkpoint.parquet")
    for commit in (folder / "_delta_log").glob("*1.json"):
        # As if the checkpoint had been made of another history.
        commit.write_text("\n".join(line for line in commit.read_text().splitlines() if '"add"' not in line))
    (found,) = own.findings()
    assert found.what == "the checkpoint of table 'tiny/labels' names other files than its commits"
    assert [one.kind for one in own.repair()] == []
    assert not checkpoint.exists()


def test_what_killed_writers_left_is_deleted_when_it_is_old(home: Home) -> None:
    folder = home.connections.lake.table_path("tiny/labels")
    (path,) = home.connections.lake.snapshot("tiny/labels").paths(["2024-01-02"])
    left = [
        folder / "part-0123.tmp",
        folder / "_last_commit.0123",
        Path(path).with_name("part-0-unnamed.parquet"),
    ]
    for file in left:
        file.write_bytes(b"half")
    assert home.findings() == []
    for file in left:
        os.utime(file, (time.time() - 7_200,) * 2)
    assert [one.kind for one in home.findings()] == ["leftover"] * 3
    assert home.repair() == []
    assert not any(file.exists() for file in left)
    assert Path(path).exists()


def test_without_dagsters_storage_it_is_said(own: Home) -> None:
    shutil.rmtree(own.path / "dagster")
    (own.path / "dagster").mkdir()
    (found,) = own.findings()
    assert found.what == "the lake has its tables, and Dagster knows none of its materializations"
    assert "driftline replay tiny" in found.repair
