"""URL-like sources: copied once for each state, refused with their repair; S3 by a real client needs a store, HTTP does not."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from declaration.sources.text import CsvSourceSpec
from sources.file_types import look_at_files, marks_of_files
from sources.files import SourceError, arrived_files, source_files
from sources.folder_keys import folder_keys
from sources.object_store import KEPT_S, ObjectError
from sources.object_store import local_copies as copies_and_arrived
from sources.source_type import Asked
from tests.pipelines.scaffolding.scaffolded import scaffold, scaffold_url


def local_copies(url: str) -> tuple[Path, ...]:
    return copies_and_arrived(url)[0]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


@contextmanager
def served(folder: Path, handler: type[_Quiet] = _Quiet) -> Iterator[str]:
    """Serve a folder on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_object_is_copied_once_for_each_state() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/orders/a.csv", b"id\n1\n")
    first = local_copies("memory://orders/a.csv")[0]
    assert first.read_bytes() == b"id\n1\n"
    assert local_copies("memory://orders/a.csv")[0] == first
    store.pipe("/orders/a.csv", b"id\n1\n2\n")
    second = local_copies("memory://orders/a.csv")[0]
    assert second.read_bytes() == b"id\n1\n2\n"
    # What is out of date is not kept.
    assert not first.exists()


def test_a_pattern_is_read_in_order_of_names() -> None:
    store = fsspec.filesystem("memory")
    for name in ("c", "b"):
        store.pipe(f"/many/{name}.csv", name.encode())
    found = source_files(CsvSourceSpec(type="csv", path="memory://many/*.csv"), folder=Path("/nowhere"))
    assert [path.name for path in found] == ["b.csv", "c.csv"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/a.csv", "'ftp' is not read. Known schemes: file, memory, s3"),
        ("memory://nothing/here.csv", "cannot be read: FileNotFoundError"),
        ("memory://nothing/*.csv", "nothing is there. Correct the pattern"),
        ("gs://bucket/a.csv", "gcsfs.*Install it\\."),
    ],
)
def test_what_cannot_be_reached_says_why(url: str, says: str) -> None:
    with pytest.raises(ObjectError, match=says):
        local_copies(url)
    with pytest.raises(SourceError):
        source_files(CsvSourceSpec(type="csv", path=url), folder=Path("/nowhere"))


def test_a_file_url_and_http_are_scaffolded(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("id,x\n" + "".join(f"{i},{i % 7}\n" for i in range(40)))
    pipeline = scaffold(tmp_path / "orders.csv", tmp_path / "plain")
    with served(tmp_path) as address:
        for number, url in enumerate((f"file://{tmp_path}/orders.csv", f"{address}/orders.csv")):
            found = scaffold_url(url, tmp_path / f"found{number}")
            assert found.spec.datasets["orders"].source.path == url
            assert found.spec.datasets["orders"].columns == pipeline.spec.datasets["orders"].columns


class _Changing(_Quiet):
    """A server whose file is written to once it has been sent; what it tells of it is optional."""

    tells = True
    after = b""
    is_sent = False

    def do_GET(self) -> None:
        super().do_GET()
        if self.after and not type(self).is_sent:
            type(self).is_sent = True
            Path(self.translate_path(self.path)).write_bytes(self.after)

    def send_header(self, keyword: str, value: str) -> None:
        if self.tells or keyword != "Last-Modified":
            super().send_header(keyword, value)


@pytest.mark.parametrize("tells", [True, False])
def test_a_page_that_changed_is_copied_again(tmp_path: Path, tells: bool) -> None:
    kind = type("Told", (_Changing,), {"tells": tells})
    path = tmp_path / "a.csv"
    with served(tmp_path, kind) as address:
        for number, text in enumerate(("id\n1\n", "id\n2\n")):
            path.write_text(text)
            os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
            assert local_copies(f"{address}/a.csv")[0].read_text() == text


def test_an_object_that_changes_while_it_is_copied_is_refused(tmp_path: Path) -> None:
    kind = type("Growing", (_Changing,), {"after": b"id\n1\n2\n"})
    (tmp_path / "a.csv").write_text("id\n1\n")
    with served(tmp_path, kind) as address:
        with pytest.raises(ObjectError, match=r"a.csv changed while it was copied. Run it again"):
            local_copies(f"{address}/a.csv")
        assert local_copies(f"{address}/a.csv")[0].read_text() == "id\n1\n2\n"


def test_the_folders_of_a_copy_keep_their_keys() -> None:
    store = fsspec.filesystem("memory")
    for year in ("2023", "2024"):
        store.pipe(f"/keyed/year={year}/a.csv", b"id\n1\n")
    copies = local_copies("memory://keyed/*/a.csv")
    assert [folder_keys(copy) for copy in copies] == [[("year", "2023")], [("year", "2024")]]
    assert local_copies("memory://keyed/*/a.csv") == copies


def test_one_changed_page_of_twenty_is_fetched_again(tmp_path: Path) -> None:
    fetched: list[str] = []

    class Counting(_Quiet):
        def do_GET(self) -> None:
            fetched.append(self.path)
            super().do_GET()

    folder = tmp_path / "out"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.csv").write_text(f"id\n{number}\n")
    with served(tmp_path, Counting) as address:
        assert len(local_copies(f"{address}/out/*.csv")) == 20
        assert sum(path.endswith(".csv") for path in fetched) == 20
        fetched.clear()
        (folder / "07.csv").write_text("id\n77\n")
        found = local_copies(f"{address}/out/*.csv")
        assert [path for path in fetched if path.endswith(".csv")] == ["/out/07.csv"]
        assert [path.read_text() for path in found][6:9] == ["id\n6\n", "id\n77\n", "id\n8\n"]


def test_pages_find_their_partitions_and_wait_for_their_markers(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for key in ("2024-01-01", "2024-01-02"):
        (folder / f"{key}.csv").write_text("id\n1\n")
    (folder / "2024-01-01.csv.done").touch()
    with served(tmp_path) as address:
        keys = {"type": "csv", "path": f"{address}/out/{{partition}}.csv", "mode": "incremental"}
        source = CsvSourceSpec.model_validate(keys)
        assert set(marks_of_files(source, Asked(tmp_path, tmp_path))) == {"2024-01-01", "2024-01-02"}
        marked = CsvSourceSpec.model_validate({**keys, "marker": "{name}.done"})
        look = look_at_files(marked, Asked(tmp_path, tmp_path, clock=datetime.now(UTC)))
        assert set(look.marks) == {"2024-01-01"}
        assert list(look.waiting) == [f"{address}/out/2024-01-02.csv"]
        # Written just now, and unmarked: a look without a marker waits a minute.
        assert look_at_files(source, Asked(tmp_path, tmp_path, clock=datetime.now(UTC))).unsettled == set(
            look.marks
        ) | {"2024-01-02"}
        with pytest.raises(SourceError, match="no marker is there"):
            source_files(marked, folder=tmp_path, partition="2024-01-02")


def test_a_server_that_tells_no_times_cannot_be_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    with served(tmp_path, type("Silent", (_Changing,), {"tells": False})) as address:
        source = CsvSourceSpec.model_validate({"type": "csv", "path": f"{address}/a.csv", "settle": "1m"})
        with pytest.raises(SourceError, match=r"does not tell when a\.csv was written.*Declare a `marker`"):
            arrived_files(source, folder=tmp_path, clock=datetime.now(UTC))


def test_copies_that_nobody_asks_for_are_removed_in_the_end() -> None:
    store = fsspec.filesystem("memory")
    for name in ("old", "new"):
        store.pipe(f"/kept/{name}.csv", b"id\n1\n")
    old = local_copies("memory://kept/old.csv")[0]
    root = old.parents[1]
    long_ago = time.time() - KEPT_S - 60
    os.utime(root, (long_ago, long_ago))
    new = local_copies("memory://kept/new.csv")[0]
    assert (root.exists(), new.exists()) == (False, True)
