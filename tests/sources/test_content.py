"""A file that is written to while it is read is refused before anything of it is kept, whatever its times say."""

import gzip
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.materialization import StageRun
from assets.raw import asset
from assets.raw.asset import materialize_raw
from declaration.datasets import DatasetSpec
from declaration.pipeline import Pipeline
from resources.engine.duckdb import Engine
from sources.content import UNSETTLED_NS, content_of
from sources.files import SourceError
from sources.rejects import ReadError
from tests.fixtures.tiny import lake_and_engine, scope, tiny_pipeline

Change = Callable[[], object]


def written_meanwhile(folder: Path, change: Change) -> Engine:
    """Return an engine whose connection is opened after a source was hashed: then somebody else writes to it."""

    class WrittenMeanwhile(Engine):
        @contextmanager
        def connect(self, *, reads: Iterable[Path] = ()) -> Iterator[duckdb.DuckDBPyConnection]:
            change()
            with super().connect(reads=reads) as connection:
                yield connection

    return WrittenMeanwhile(spill_directory=str(folder / "spill"), threads=1)


def machines(folder: Path, kind: str, path: str) -> Pipeline:
    """Return the tiny pipeline with its reference table in a file of a kind."""
    pipeline = tiny_pipeline(folder)
    spec = DatasetSpec.model_validate(
        {"source": {"type": kind, "path": path}, "columns": {"machine": "string", "age": "int"}}
    )
    datasets = {**pipeline.spec.datasets, "machines": spec}
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))


def write(path: Path, ages: list[int]) -> None:
    names = [f"m{number}" for number in range(len(ages))]
    text = "machine,age\n" + "".join(f"{name},{age}\n" for name, age in zip(names, ages, strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"machine": names, "age": ages}), path)
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(f'{{"machine": "{name}", "age": {age}}}\n' for name, age in zip(names, ages, strict=True))
        )
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("machines.csv", text)
    else:
        path.write_text(text)


KINDS = [
    ("csv", "m.csv"),
    ("csv", "m.csv.gz"),
    ("csv", "m.csv.zip"),
    ("parquet", "m.parquet"),
    ("json", "m.jsonl"),
]


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    write(path, [1, 2])
    pipeline = machines(tmp_path, kind, name)
    lake, engine = lake_and_engine(tmp_path)
    growing = written_meanwhile(tmp_path, lambda: write(path, [1, 2, 3]))
    with pytest.raises(
        SourceError, match=rf"{name} changed while it was read \(.* Nothing was written: run it again"
    ):
        materialize_raw(StageRun(pipeline, scope(None), lake, growing), "machines")
    assert not lake.has("tiny/raw/machines")
    assert not lake.has("tiny/raw_rejects/machines")
    materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
    assert lake.read("tiny/raw/machines")["age"].to_pylist() == [1, 2, 3]


def test_typed_files_that_change_between_their_two_readings_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a typed file are counted, then read once more when they are written."""
    path = tmp_path / "m.parquet"
    write(path, [1, 2])
    pipeline = machines(tmp_path, "parquet", "m.parquet")
    lake, engine = lake_and_engine(tmp_path)
    counted = asset.read_files

    def then_written(*arguments: Any, **options: Any) -> object:
        counts = counted(*arguments, **options)
        monkeypatch.setattr(asset, "write_rejects", lambda *_: write(path, [1, 2, 3]))
        return counts

    monkeypatch.setattr(asset, "read_files", then_written)
    with pytest.raises(SourceError, match=r"m\.parquet changed while it was read"):
        materialize_raw(StageRun(pipeline, scope(None), lake, engine), "machines")
    assert not lake.has("tiny/raw/machines")


def test_damage_that_the_first_reading_cannot_see_is_named(tmp_path: Path) -> None:
    """Texts are not looked at before they are written: nothing can be wrong with one but its bytes."""
    path = tmp_path / "m.parquet"
    rows = pa.table({"machine": [f"name of {number:05}" for number in range(9)], "age": range(9)})
    pq.write_table(rows, path, compression="none", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"name of 00004", b"\xff\xfe\xfd of 00004"))
    lake, engine = lake_and_engine(tmp_path)
    with pytest.raises(
        ReadError, match=r"dataset 'machines': m\.parquet cannot be read as declared: .*(utf|UTF)"
    ):
        materialize_raw(
            StageRun(machines(tmp_path, "parquet", "m.parquet"), scope(None), lake, engine), "machines"
        )
    assert not lake.has("tiny/raw/machines")


def test_a_rewrite_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    write(path, [1, 2])

    def rewrite() -> None:
        then = path.stat()
        write(path, [1, 9])
        os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))

    lake, _ = lake_and_engine(tmp_path)
    with pytest.raises(SourceError, match="changed while it was read"):
        materialize_raw(
            StageRun(
                machines(tmp_path, "csv", "m.csv"), scope(None), lake, written_meanwhile(tmp_path, rewrite)
            ),
            "machines",
        )
    assert not lake.has("tiny/raw/machines")


def test_a_file_that_goes_away_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    write(path, [1, 2])
    lake, _ = lake_and_engine(tmp_path)
    gone = written_meanwhile(tmp_path, path.unlink)
    with pytest.raises(SourceError, match=r"m.csv changed while it was read \(it is gone\)"):
        materialize_raw(StageRun(machines(tmp_path, "csv", "m.csv"), scope(None), lake, gone), "machines")


def test_a_file_that_is_only_touched_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    write(path, [1, 2])
    lake, _ = lake_and_engine(tmp_path)
    touched = written_meanwhile(tmp_path, lambda: os.utime(path))
    materialize_raw(StageRun(machines(tmp_path, "csv", "m.csv"), scope(None), lake, touched), "machines")
    assert lake.read("tiny/raw/machines")["age"].to_pylist() == [1, 2]


@pytest.mark.parametrize("is_settled", [True, False])
def test_only_files_that_were_written_just_now_are_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_settled: bool
) -> None:
    path = tmp_path / "m.csv"
    write(path, [1])
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + 2 * UNSETTLED_NS * is_settled)
    content = content_of([path])
    n_opened = 0
    opened = Path.open

    def counting(self: Path, *given: object) -> object:
        nonlocal n_opened
        n_opened += 1
        return opened(self, *given)  # type: ignore[call-overload]  # passed on as given

    monkeypatch.setattr(Path, "open", counting)
    content.require_unchanged()
    assert n_opened == (0 if is_settled else 1)


def test_a_renamed_key_folder_is_other_content(tmp_path: Path) -> None:
    folder = tmp_path / "year=2023"
    folder.mkdir()
    write(folder / "m.csv", [1])
    before = content_of([folder / "m.csv"]).fingerprint
    folder.rename(tmp_path / "year=2024")
    assert content_of([tmp_path / "year=2024" / "m.csv"]).fingerprint != before
