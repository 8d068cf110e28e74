"""Uploads: the place of a file by its name, one load of one content, whole or not at all, and what is not taken."""

from __future__ import annotations

import gzip
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from declaration.datasets import DatasetSpec
from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from sources import uploads
from sources.uploads import Destination, Placed, UploadError, upload

GOOD = "id,at\n1,2024-01-01T10:00:00Z\n2,2024-01-02T10:00:00Z\n"


def destination(folder: Path, **source: Any) -> Destination:
    spec = DatasetSpec.model_validate(
        {
            "source": {"type": "csv", **source},
            "columns": {"id": "int", "at": "timestamp_tz"},
            "event_time": "at",
        }
    )
    days = PartitionsSpec.model_validate({"every": "day", "start": "2024-01-01"})
    return Destination("orders", spec, folder, partitioning(days))


Put = Callable[..., Placed]


@pytest.fixture
def put(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> Put:
    """Upload a text under a name to a source below a folder of its own."""

    def call(
        name: str, content: str | bytes, *, path: str = "orders/*.csv", given: str | None = None, **how: Any
    ) -> Placed:
        outside = tmp_path / "outside"
        outside.mkdir(exist_ok=True)
        file = outside / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        mode = "incremental" if "{partition}" in path else "full"
        to = destination(tmp_path / "home", path=path, mode=mode)
        return upload(file, to, connection, scratch=tmp_path / "scratch", partition=given, **how)

    return call


def test_a_file_of_a_pattern_keeps_its_name(put: Put, tmp_path: Path) -> None:
    placed = put("january.csv", GOOD)
    assert placed.place == tmp_path / "home" / "orders" / "january.csv"
    assert (placed.n_rows, placed.n_rejected, placed.is_new, placed.size_bytes) == (2, 0, True, len(GOOD))
    assert placed.place.read_text() == GOOD
    assert sorted(path.name for path in placed.place.parent.iterdir()) == ["january.csv"]
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "name", "given", "place", "partition"),
    [
        ("in/{partition}.csv", "2024-01-02.csv", None, "in/2024-01-02.csv", "2024-01-02"),
        ("in/{partition}.csv", "monday.csv", "2024-01-02", "in/2024-01-02.csv", "2024-01-02"),
        ("in/shop_{partition}*.csv", "shop_2024-01-02.csv", None, "in/shop_2024-01-02.csv", "2024-01-02"),
        ("in/shop_{partition}*.csv", "shop_2024-01-02_b.csv", None, "in/shop_2024-01-02_b.csv", "2024-01-02"),
        ("in/{partition}/*.csv", "a.csv", "2024-01-02", "in/2024-01-02/a.csv", "2024-01-02"),
        ("orders.csv", "whatever.csv", None, "orders.csv", None),
    ],
)
def test_a_file_finds_its_place(
    put: Put, tmp_path: Path, path: str, name: str, given: str | None, place: str, partition: str | None
) -> None:
    day = "id,at\n1,2024-01-02T10:00:00Z\n"
    placed = put(name, day, path=path, given=given)
    assert (placed.place, placed.partition) == (tmp_path / "home" / place, partition)


@pytest.mark.parametrize(
    ("path", "name", "given", "message"),
    [
        ("orders/*.csv", "orders.txt", None, r"reads files that are called '\*\.csv', and this one is called 'orders\.txt'"),
        ("in/{partition}.csv", "a.tsv", None, r"the name 'a\.tsv' does not say whose rows it holds, as '2024-03-01' would\. Name it with --partition"),
        ("in/{partition}/*.csv", "a.csv", None, r"does not say whose rows it holds"),
        ("in/{partition}.csv", "a.csv", "../../etc", r"--partition '\.\./\.\./etc' is no partition of 'orders': they are called as '2024-03-01' is"),
        ("in/{partition}.csv", "a.csv", "2024-1-2", r"--partition '2024-1-2' is no partition"),
        ("in/{partition}.csv", "2024-1-2.csv", None, r"does not say whose rows it holds, as '2024-03-01' would"),
        ("orders/*.csv", "a.csv", "2024-01-02", r"has no file for each partition\. Leave --partition out"),
        ("*/*.csv", "a.csv", None, r"may be several folders"),
        ("orders/*", "a.csv", None, r"also those that are being written\. End `path` with the files' ending, such as '\*\.csv'"),
        ("s3://bucket/*.csv", "a.csv", None, r"reads s3://bucket/\*\.csv: files are uploaded to sources that are files on this machine"),
        ("package:shop/a.csv", "a.csv", None, r"files are uploaded to sources that are files on this machine"),
    ],
)  # fmt: skip
def test_a_file_that_the_source_would_not_find_is_not_taken(
    put: Put, tmp_path: Path, path: str, name: str, given: str | None, message: str
) -> None:
    with pytest.raises(DriftlineError, match=message):
        put(name, GOOD, path=path, given=given)
    assert not (tmp_path / "home").exists()


def test_the_same_content_again_is_one_load(put: Put) -> None:
    first = put("january.csv", GOOD)
    again, renamed = put("january.csv", GOOD), put("copy of january.csv", GOOD)
    assert (again.is_new, renamed.is_new) == (False, False)
    assert first.place == again.place == renamed.place
    assert len(list(first.place.parent.iterdir())) == 1


def test_other_content_takes_no_place_unless_asked(put: Put) -> None:
    first = put("january.csv", GOOD)
    other = GOOD.replace("2,", "3,")
    with pytest.raises(UploadError, match=r"january\.csv is there already, with other content\. .*--replace"):
        put("january.csv", other)
    assert first.place.read_text() == GOOD
    assert put("january.csv", other, replaces=True).is_new
    assert first.place.read_text() == other


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"\x00\xff\xfePK\x03\x04" * 50, r"a\.csv"),
        ("a.csv", "name,at\nx,2024-01-01\n", r"has no column 'id'"),
        ("a.csv", "id,at\nx,2024-01-01\n", r"a\.csv: 1 of 1 rows cannot be read \(100\.00%, max_rejected_share is 1\.00%\)\. For example"),
        ("a.csv", "", r"a\.csv|orders"),
        ("a.csv", "id,at\n1,2024-01-01\n".encode("utf-16"), r"a\.csv"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_not_taken(
    put: Put, tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    if isinstance(content, bytes) and content.startswith((b"\xff\xfe", b"\xfe\xff")):
        # A byte order mark says what it is.
        assert put(name, content).n_rows == 1
        return
    with pytest.raises(DriftlineError, match=message):
        put(name, content)
    assert not (tmp_path / "home" / "orders").exists()


def test_a_bomb_is_not_unpacked(put: Put, tmp_path: Path) -> None:
    bomb = tmp_path / "a.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 300_000_000)
    with pytest.raises(DriftlineError, match=r"a\.zip: 'a\.csv' would unpack to 300,000,000 bytes"):
        put("a.zip", bomb.read_bytes(), path="orders/*.zip")


def test_packed_files_are_checked_unpacked(put: Put) -> None:
    assert put("a.csv.gz", gzip.compress(GOOD.encode()), path="orders/*.csv.gz").n_rows == 2


def test_a_process_that_ends_in_between_leaves_no_half(
    put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        """The process is gone."""

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    for step in ("link", "fsync"):
        with monkeypatch.context() as patched:
            patched.setattr(os, step, killed)
            with pytest.raises(KilledError):
                put("january.csv", GOOD)
        assert list((tmp_path / "home" / "orders").iterdir()) == []
    # A part that a killed process left behind is nobody's file.
    (tmp_path / "home" / "orders" / f".january.csv.00000000{uploads.PART}").write_text(GOOD[:10])
    assert put("january.csv", GOOD).is_new


def test_of_two_that_come_at_once_one_is_taken(tmp_path: Path) -> None:
    files = []
    for number in range(8):
        files.append(tmp_path / str(number) / "january.csv")
        files[-1].parent.mkdir()
        files[-1].write_text(GOOD.replace("2,", f"{number + 5},"))
    begin, outcomes = threading.Barrier(len(files)), []

    def one(file: Path) -> None:
        with duckdb.connect() as connection:
            begin.wait()
            try:
                to = destination(tmp_path / "home", path="orders/*.csv")
                outcomes.append(upload(file, to, connection, scratch=tmp_path / "scratch").is_new)
            except UploadError:
                outcomes.append(False)

    threads = [threading.Thread(target=one, args=[file]) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
    (placed,) = (tmp_path / "home" / "orders").iterdir()
    assert placed.read_text() in {file.read_text() for file in files}


def test_a_source_that_waits_for_markers_takes_no_upload(tmp_path: Path) -> None:
    to = destination(tmp_path, path="orders/*.csv", marker="{name}.done")
    with pytest.raises(
        UploadError, match=r"reads files that have a marker \(\{name\}\.done\), and an upload has none"
    ):
        to.place("a.csv", None)
