"""Files that are still coming: age, markers, and what a run and a look of the sensor do about them."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from declaration.sources.text import CsvSourceSpec
from sources.arrival import ArrivalError, arrived
from sources.file_types import look_at_files
from sources.files import SourceError, arrived_files
from sources.source_type import WHOLE, Asked

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def source(**keys: object) -> CsvSourceSpec:
    return CsvSourceSpec.model_validate({"type": "csv", "path": "in/*.csv", **keys})


def put(folder: Path, name: str, *, age: timedelta, text: str = "id\n1\n") -> Path:
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    written = (NOW - age).timestamp()
    os.utime(path, (written, written))
    return path


def names(folder: Path, **keys: object) -> list[str]:
    return [path.name for path in arrived_files(source(**keys), folder=folder, clock=NOW)[0]]


@pytest.mark.parametrize(("age_s", "is_read"), [(59, False), (60, True), (61, True), (0, False)])
def test_a_file_is_whole_once_it_has_settled(tmp_path: Path, age_s: int, is_read: bool) -> None:
    put(tmp_path, "a.csv", age=timedelta(hours=1))
    put(tmp_path, "b.csv", age=timedelta(seconds=age_s))
    if is_read:
        assert names(tmp_path, settle="1m") == ["a.csv", "b.csv"]
    else:
        with pytest.raises(
            SourceError, match=r"b.csv is not whole yet: it was written \d+ s ago.*run it again"
        ):
            names(tmp_path, settle="1m")
    # Without a declaration a run reads what is there.
    assert names(tmp_path) == ["a.csv", "b.csv"]


def test_a_file_without_its_marker_is_left_out_and_told_of(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        put(tmp_path, name, age=MINUTE)
    put(tmp_path, "a.csv.done", age=MINUTE, text="")
    files, found = arrived_files(source(marker="{name}.done"), folder=tmp_path, clock=NOW)
    assert [path.name for path in files] == ["a.csv"]
    assert [Path(name).name for name in found.unmarked] == ["b.csv"]
    (tmp_path / "in" / "a.csv.done").unlink()
    with pytest.raises(SourceError, match=r"of a.csv, b.csv no marker is there"):
        names(tmp_path, marker="{name}.done")


@pytest.mark.parametrize(
    ("marker", "made"), [("_SUCCESS", "_SUCCESS"), ("{stem}.ok", "a.ok"), ("done-{name}", "done-a.csv")]
)
def test_a_marker_is_no_file_of_the_source(tmp_path: Path, marker: str, made: str) -> None:
    put(tmp_path, "a.csv", age=MINUTE)
    put(tmp_path, made, age=MINUTE, text="")
    assert names(tmp_path, path="in/*", marker=marker) == ["a.csv"]


def test_a_marker_vouches_for_what_was_there_before_it(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", age=timedelta(seconds=10))
    put(tmp_path, "_SUCCESS", age=timedelta(seconds=20), text="")
    with pytest.raises(SourceError, match=r"after its marker _SUCCESS.*which is to be written anew"):
        names(tmp_path, marker="_SUCCESS")
    put(tmp_path, "_SUCCESS", age=timedelta(seconds=10), text="")
    assert names(tmp_path, marker="_SUCCESS") == ["a.csv"]


def test_each_folder_has_its_own_marker(tmp_path: Path) -> None:
    for day in ("day=1", "day=2"):
        put(tmp_path / day, "a.csv", age=MINUTE)
    put(tmp_path / "day=2", "_SUCCESS", age=MINUTE, text="")
    files, found = arrived_files(source(path="*/in/*.csv", marker="_SUCCESS"), folder=tmp_path, clock=NOW)
    assert [path.parts[-3] for path in files] == ["day=2"]
    assert len(found.unmarked) == 1


def test_a_partition_whose_file_is_coming_is_not_empty(tmp_path: Path) -> None:
    keys = {"path": "in/{partition}.csv", "mode": "incremental", "missing": "empty", "settle": "5m"}
    put(tmp_path, "2024-04-30.csv", age=MINUTE)
    with pytest.raises(SourceError, match="is not whole yet"):
        arrived_files(source(**keys), folder=tmp_path, partition="2024-04-30", clock=NOW)
    assert arrived_files(source(**keys), folder=tmp_path, partition="2024-04-29", clock=NOW)[0] == ()


def test_a_look_leaves_out_what_is_coming_and_says_so(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", age=timedelta(hours=1))
    before = look_at_files(source(), Asked(tmp_path, tmp_path, clock=NOW))
    assert (set(before.marks), before.waiting, before.unsettled) == ({WHOLE}, {}, frozenset())
    put(tmp_path, "b.csv", age=timedelta(seconds=3))
    coming = look_at_files(source(), Asked(tmp_path, tmp_path, clock=NOW))
    assert (list(coming.waiting), coming.unsettled) == (["in/b.csv"], {WHOLE})
    assert coming.marks == before.marks
    # A marker is proof enough: nothing waits for the clock then.
    put(tmp_path, "b.csv.done", age=timedelta(seconds=3))
    put(tmp_path, "a.csv.done", age=timedelta(seconds=3))
    assert look_at_files(source(marker="{name}.done"), Asked(tmp_path, tmp_path, clock=NOW)).waiting == {}


def test_a_look_knows_partitions_apart(tmp_path: Path) -> None:
    keys = {"path": "in/{partition}.csv", "mode": "incremental"}
    put(tmp_path, "2024-04-29.csv", age=MINUTE)
    put(tmp_path, "2024-04-30.csv", age=timedelta(seconds=1))
    look = look_at_files(source(**keys), Asked(tmp_path, tmp_path, clock=NOW))
    assert (list(look.marks), look.unsettled) == (["2024-04-29"], {"2024-04-30"})


def test_a_file_from_the_future_by_its_time_is_judged_by_its_change(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", age=timedelta(days=-3650))
    later = datetime.fromtimestamp(path.stat().st_ctime, UTC) + MINUTE
    files, _ = arrived_files(source(settle="1m"), folder=tmp_path, clock=later)
    assert [file.name for file in files] == ["a.csv"]


def test_an_object_from_the_future_waits_and_says_why() -> None:
    found = arrived(
        {"a.csv": NOW + MINUTE}, marker=None, settle=MINUTE, clock=NOW, marker_written=lambda _: (False, None)
    )
    with pytest.raises(ArrivalError, match="which is still to come by this machine's clock"):
        found.require_settled("s3://bucket/a.csv")


@pytest.mark.parametrize(
    "marker", ["{name}", "sub/_SUCCESS", "{day}.done", "{name}{stem}", "..", "{name}.{name}"]
)
def test_a_marker_that_is_none_is_refused(marker: str) -> None:
    faults = dict(source(marker=marker).contradictions())
    assert "a marker is the name of one other file beside" in faults["marker"]


def test_a_marker_beside_an_inbox_is_refused() -> None:
    assert "inbox" in dict(source(marker="_SUCCESS", inbox="box").contradictions())["marker"]
