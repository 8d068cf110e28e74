"""Inboxes: files that no longer grow are uploaded, what is not taken is set aside with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from assets.raw.uploads import UPLOADS
from declaration.pipeline import Pipeline
from pipelines.triggers.inbox import REFUSED, take_in
from tests.fixtures.tiny import lake_and_engine, tiny_pipeline

NOW = datetime(2024, 2, 1, tzinfo=UTC)
ROWS = "machine,age\nm1,3\nm2,4\n"


def with_inbox(folder: Path) -> Pipeline:
    pipeline = tiny_pipeline(folder)
    machines = pipeline.spec.datasets["machines"]
    source = machines.source.model_copy(update={"path": "machines/*.csv", "inbox": "inbox"})
    datasets = {**pipeline.spec.datasets, "machines": machines.model_copy(update={"source": source})}
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))


def test_a_file_is_taken_once_it_no_longer_grows(tmp_path: Path) -> None:
    pipeline, (lake, engine) = with_inbox(tmp_path), lake_and_engine(tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "new.csv").write_text(ROWS[:15])
    seen = take_in(pipeline, {}, lake, engine, NOW)
    assert list(seen) == [str(inbox / "new.csv")]
    (inbox / "new.csv").write_text(ROWS)
    seen = take_in(pipeline, seen, lake, engine, NOW)
    assert not (tmp_path / "machines").exists()
    assert take_in(pipeline, seen, lake, engine, NOW) == {}
    assert (tmp_path / "machines" / "new.csv").read_text() == ROWS
    assert list(inbox.iterdir()) == []
    (row,) = lake.read(UPLOADS.of("tiny")).to_pylist()
    assert (row["dataset"], row["file"], row["n_rows"], row["at"]) == ("machines", "new.csv", 2, NOW)
    assert row["person"]


def test_what_is_not_taken_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    pipeline, (lake, engine) = with_inbox(tmp_path), lake_and_engine(tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for _ in range(2):
        (inbox / "bad.csv").write_text("name\nx\n")
        seen = take_in(pipeline, {}, lake, engine, NOW)
        assert take_in(pipeline, seen, lake, engine, NOW) == {}
    names = sorted(path.name for path in (inbox / REFUSED).iterdir())
    assert names == ["bad.csv", "bad.csv.1", "bad.csv.1.reason.txt", "bad.csv.reason.txt"]
    assert "has no column 'machine'" in (inbox / REFUSED / "bad.csv.reason.txt").read_text()
    assert not lake.has(UPLOADS.of("tiny"))


def test_a_folder_that_is_not_there_ends_nothing(tmp_path: Path) -> None:
    lake, engine = lake_and_engine(tmp_path)
    assert take_in(with_inbox(tmp_path), {}, lake, engine, NOW) == {}
