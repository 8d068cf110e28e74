"""A partition without its file is empty where that is declared, and a wrong path is a wrong path all the same."""

from dataclasses import replace
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.materialization import StageRun
from assets.raw.asset import materialize_raw
from declaration.pipeline import Pipeline
from declaration.sources.text import CsvSourceSpec
from driftline.preview.rehearsal import rehearsed
from pipelines.graph.stores import DagsterStores
from resources.deployment import deployment
from resources.lake.lake import Lake
from sources.files import SourceError, source_files
from sources.rejects import ReadError
from sources.types import SOURCE_TYPES
from tests.fixtures.tiny import day_window, lake_and_engine, scope, tiny_pipeline, write_sources


def daily(folder: Path, kind: str, path: str, **source: object) -> Pipeline:
    """Return the tiny pipeline with a file for each day."""
    pipeline = tiny_pipeline(folder)
    readings = pipeline.spec.datasets["readings"]
    found = SOURCE_TYPES[kind].keys.model_validate(
        {"type": kind, "path": path, "mode": "incremental", **source}
    )
    datasets = {**pipeline.spec.datasets, "readings": readings.model_copy(update={"source": found})}
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))


def write(path: Path, day: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    at = f"2024-01-{day + 1:02}T12:00:00Z"
    row = {"id": day, "machine": "m1", "taken_at": at, "heat": 1.5, "load": 0.5, "failed": True}
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    elif path.suffix == ".jsonl":
        path.write_text(str(row).replace("'", '"').replace("True", "true") + "\n")
    else:
        path.write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")


PATHS = [
    ("csv", "{partition}.csv"),
    ("csv", "{partition}/*.csv"),
    ("json", "d/{partition}.jsonl"),
    ("parquet", "d/day={partition}/a.parquet"),
]


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize(("kind", "path"), PATHS)
def test_a_day_without_its_file_is_an_empty_partition(
    tmp_path: Path, kind: str, path: str, is_absolute: bool
) -> None:
    write(tmp_path / path.replace("{partition}", "2024-01-01").replace("*", "a"), 0)
    pipeline = daily(tmp_path, kind, f"{tmp_path}/{path}" if is_absolute else path, missing="empty")
    lake, engine = lake_and_engine(tmp_path)
    found = [materialize_raw(StageRun(pipeline, scope(day), lake, engine), "readings") for day in (1, 0)]
    assert [outcome.metadata["n_rows"] for outcome in found] == [0, 1]
    assert found[0].metadata["note"] == "no file is there for this partition; source.missing is 'empty'"
    assert "note" not in found[1].metadata
    assert lake.read("tiny/raw/readings")["id"].to_pylist() == [0]


@pytest.mark.parametrize(("kind", "path"), PATHS)
def test_a_day_without_its_file_fails_by_default(tmp_path: Path, kind: str, path: str) -> None:
    write(tmp_path / path.replace("{partition}", "2024-01-01").replace("*", "a"), 0)
    lake, engine = lake_and_engine(tmp_path)
    with pytest.raises(
        SourceError, match=r"no such file below .* for partition 2024-01-02. .*declare `missing: empty`"
    ):
        materialize_raw(StageRun(daily(tmp_path, kind, path), scope(1), lake, engine), "readings")


@pytest.mark.parametrize(
    "path", ["nowhere/{partition}.csv", "{partition}.txt", "d/{partition}/a.csv", "/nowhere/{partition}.csv"]
)
def test_a_path_at_which_no_day_has_a_file_is_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path / "d" / "2024-01-01.csv", 0)
    source = CsvSourceSpec(type="csv", path=path, mode="incremental", missing="empty")
    with pytest.raises(SourceError, match=r"for partition 2024-01-02, nor for any other: the path is wrong"):
        source_files(source, folder=tmp_path, partition="2024-01-02")


def test_a_folder_or_a_dead_link_is_no_missing_file(tmp_path: Path) -> None:
    write(tmp_path / "2024-01-01.csv", 0)
    (tmp_path / "2024-01-02.csv").mkdir()
    (tmp_path / "2024-01-03.csv").symlink_to(tmp_path / "gone.csv")
    source = CsvSourceSpec(type="csv", path="{partition}.csv", mode="incremental", missing="empty")
    for day, says in ((2, "is a folder"), (3, "is a link that leads nowhere")):
        with pytest.raises(SourceError, match=says):
            source_files(source, folder=tmp_path, partition=f"2024-01-0{day}")


def test_an_object_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fsspec.filesystem("memory").pipe("/days/2024-01-01.csv", b"id\n1\n")
    for path in ("memory://days/{partition}.csv", "memory://days/{partition}*.csv"):
        source = CsvSourceSpec(type="csv", path=path, mode="incremental", missing="empty")
        assert len(source_files(source, folder=tmp_path, partition="2024-01-01")) == 1
        assert source_files(source, folder=tmp_path, partition="2024-01-02") == ()
        with pytest.raises(SourceError, match=r"FileNotFound|nothing is there"):
            source_files(
                source.model_copy(update={"missing": "fail"}), folder=tmp_path, partition="2024-01-02"
            )
        elsewhere = source.model_copy(update={"path": path.replace("days", "nights")})
        with pytest.raises(SourceError, match=r"FileNotFound|nothing is there"):
            source_files(elsewhere, folder=tmp_path, partition="2024-01-02")


def test_rows_are_not_lost_with_their_file(tmp_path: Path) -> None:
    for day in (0, 1):
        write(tmp_path / f"2024-01-0{day + 1}.csv", day)
    pipeline = daily(tmp_path, "csv", "{partition}.csv", missing="empty")
    lake, engine = lake_and_engine(tmp_path)
    materialize_raw(StageRun(pipeline, scope(1), lake, engine), "readings")
    (tmp_path / "2024-01-02.csv").unlink()
    with pytest.raises(
        ReadError, match=r"partition 2024-01-02 holds 1 rows, but its file is gone. Restore the file"
    ):
        materialize_raw(StageRun(pipeline, scope(1), lake, engine), "readings")
    assert lake.read("tiny/raw/readings")["id"].to_pylist() == [1]
    (tmp_path / "2024-01-02.csv").write_text("id,machine,taken_at,heat,load,failed\n")
    materialize_raw(StageRun(pipeline, scope(1), lake, engine), "readings")
    assert lake.snapshot("tiny/raw/readings").n_rows == 0


@pytest.mark.parametrize("days", [(0, 1, 2), (1, 0, 2)])
def test_what_follows_raw_goes_on_over_an_empty_day(tmp_path: Path, days: tuple[int, ...]) -> None:
    write_sources(tmp_path, n_days=0)
    for day in (0, 2):
        write(tmp_path / f"2024-01-0{day + 1}.csv", day)
    pipeline = daily(tmp_path, "csv", "{partition}.csv", missing="empty")
    installed = deployment({"DRIFTLINE_HOME": str(tmp_path / "home")})
    windows = [day_window(day) for day in days]
    stores = DagsterStores(Lake(root=str(installed.lake_root)))
    with rehearsed(
        pipeline, windows, installed, stores=stores, clock=scope(0).clock, show=lambda _: None
    ) as found:
        assert [(stage.path, stage.error) for stage in found.errors] == []
        assert {stage.path[0] for stage in found.findings} == {"raw", "profiled", "features", "labels"}
        assert found.rows is not None
        assert found.rows.num_rows == 2
