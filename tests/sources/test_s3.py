"""Sources in a real S3-compatible server, SeaweedFS on loopback: what is fetched, what changes, what waits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from declaration.sources.text import CsvSourceSpec
from declaration.sources.typed import ParquetSourceSpec
from sources.file_types import look_at_files, marks_of_files
from sources.files import SourceError, arrived_files, source_files
from sources.folder_keys import folder_keys
from sources.source_type import Asked
from tests.fixtures.counting_proxy import CountingProxy, counting_proxy
from tests.fixtures.reading import connection
from tests.fixtures.s3_server import BUCKET, s3_server
from tests.sources.reading_source import whole

__all__ = ["connection"]

pytestmark = [pytest.mark.slow, pytest.mark.server]

NOWHERE = Path("/nowhere")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3_server(tmp_path_factory.mktemp("s3")) as variables:
        yield variables


@pytest.fixture(autouse=True)
def proxy(server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingProxy]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    port = urlsplit(server["AWS_ENDPOINT_URL"]).port
    assert port is not None
    with counting_proxy(port) as standing:
        for name, value in {**server, "AWS_ENDPOINT_URL": standing.url}.items():
            monkeypatch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield standing
        fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Give each test objects of its own."""
    return f"{BUCKET}/{request.node.name.split('[')[0]}"


def store() -> Any:
    return fsspec.filesystem("s3")


def csv(path: str, **keys: object) -> CsvSourceSpec:
    return CsvSourceSpec.model_validate({"type": "csv", "path": f"s3://{path}", **keys})


def test_a_pattern_is_read_in_order_of_names(prefix: str) -> None:
    for name in ("b.csv", "a.csv", "c.txt", "sub/d.csv"):
        store().pipe(f"{prefix}/{name}", name.encode())
    found = source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)
    assert [path.read_text() for path in found] == ["a.csv", "b.csv"]
    found = source_files(csv(f"{prefix}/**/*.csv"), folder=NOWHERE)
    assert [path.name for path in found] == ["a.csv", "b.csv", "d.csv"]


def test_one_changed_object_of_twenty_is_fetched_again(proxy: CountingProxy, prefix: str) -> None:
    for number in range(20):
        store().pipe(f"{prefix}/{number:02}.csv", f"id\n{number}\n".encode())
    source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)
    assert len(proxy.fetched(f"/{prefix}")) == 20
    store().pipe(f"{prefix}/07.csv", b"id\n8\n")
    proxy.requests.clear()
    found = source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)
    assert proxy.fetched(f"/{prefix}") == {f"/{prefix}/07.csv": 1}
    assert [path.read_text() for path in found][6:9] == ["id\n6\n", "id\n8\n", "id\n8\n"]
    proxy.requests.clear()
    source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)
    # A listing tells the state of all: no object is asked for.
    assert not any(path.endswith(".csv") for _, path in proxy.requests)


def test_parquet_keeps_the_values_of_its_folders(prefix: str, tmp_path: Path) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        pq.write_table(pa.table({"x": [day]}), tmp_path / "x.parquet")
        store().put_file(str(tmp_path / "x.parquet"), f"{prefix}/day={day}/x.parquet")
    source = ParquetSourceSpec(type="parquet", path=f"s3://{prefix}/day=*/x.parquet")
    found = source_files(source, folder=NOWHERE)
    assert [folder_keys(path)[-1] for path in found] == [("day", "2024-01-01"), ("day", "2024-01-02")]
    assert [pq.read_table(path)["x"].to_pylist() for path in map(pa.OSFile, map(str, found))] == [
        ["2024-01-01"],
        ["2024-01-02"],
    ]


def test_late_objects_find_their_partitions(proxy: CountingProxy, prefix: str) -> None:
    source = csv(f"{prefix}/day={{partition}}/part-*.csv", mode="incremental")
    for key in ("2024-01-01", "2024-01-02"):
        store().pipe(f"{prefix}/day={key}/part-0.csv", b"id\n1\n")
    before = marks_of_files(source, Asked(NOWHERE, NOWHERE))
    proxy.requests.clear()
    store().pipe(f"{prefix}/day=2024-01-01/part-1.csv", b"id\n2\n")
    store().pipe(f"{prefix}/day=2024-01-05/part-0.csv", b"id\n2\n")
    after = marks_of_files(source, Asked(NOWHERE, NOWHERE))
    changed = {key for key, mark in after.items() if before.get(key) != mark}
    assert changed == {"2024-01-01", "2024-01-05"}
    assert not proxy.fetched(f"/{prefix}")
    found = source_files(source, folder=NOWHERE, partition="2024-01-01")
    assert [path.name for path in found] == ["part-0.csv", "part-1.csv"]


def test_an_object_that_changes_between_listing_and_reading_is_refused(
    server: dict[str, str], proxy: CountingProxy, prefix: str
) -> None:
    store().pipe(f"{prefix}/a.csv", b"id\n1\n")
    direct = fsspec.filesystem(
        "s3",
        client_kwargs={"endpoint_url": server["AWS_ENDPOINT_URL"], "region_name": server["AWS_REGION"]},
        skip_instance_cache=True,
    )
    changed: list[str] = []

    def change(method: str, path: str) -> None:
        if method == "GET" and path == f"/{prefix}/a.csv" and not changed:
            changed.append(path)
            direct.pipe(f"{prefix}/a.csv", b"id\n1\n2\n")

    proxy.before = change
    with pytest.raises(SourceError, match=r"a\.csv changed while it was copied\. Run it again"):
        source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)
    assert changed
    (found,) = source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)
    assert found.read_text() == "id\n1\n2\n"


def test_an_upload_in_parts_is_seen_whole_or_not_at_all(proxy: CountingProxy, prefix: str) -> None:
    store().pipe(f"{prefix}/a.csv", b"id\n1\n")
    with store().open(f"{prefix}/b.csv", "wb", block_size=5 << 20) as coming:
        coming.write(b"x" * (6 << 20))
        coming.flush()
        # A part of it is on the server.
        assert any(method == "PUT" for method, path in proxy.requests if path == f"/{prefix}/b.csv")
        look = look_at_files(csv(f"{prefix}/*.csv"), Asked(NOWHERE, NOWHERE, clock=datetime.now(UTC)))
        assert (look.waiting, look.unsettled) == ({}, frozenset())
        assert [path.name for path in source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)] == ["a.csv"]
    assert len(source_files(csv(f"{prefix}/*.csv"), folder=NOWHERE)) == 2


def test_settle_and_markers_hold_in_a_store(prefix: str) -> None:
    for name in ("a", "b"):
        store().pipe(f"{prefix}/{name}.csv", b"id\n1\n")
    store().pipe(f"{prefix}/a.csv.done", b"")
    now = datetime.now(UTC)
    files, found = arrived_files(csv(f"{prefix}/*", marker="{name}.done"), folder=NOWHERE, clock=now)
    assert ([path.name for path in files], found.unmarked) == (["a.csv"], (f"{prefix}/b.csv",))
    young = csv(f"{prefix}/*.csv", settle="5m")
    with pytest.raises(SourceError, match=r"a\.csv is not whole yet: it was written"):
        arrived_files(young, folder=NOWHERE, clock=now)
    assert len(arrived_files(young, folder=NOWHERE, clock=now + timedelta(minutes=6))[0]) == 2


def test_a_delta_table_is_read_at_its_version(
    server: dict[str, str],
    prefix: str,
    tmp_path: Path,
    connection: duckdb.DuckDBPyConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # delta-rs holds the interpreter's lock while it asks, in which the proxy's threads would wait for it.
    monkeypatch.setenv("AWS_ENDPOINT_URL", server["AWS_ENDPOINT_URL"])
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    place = f"s3://{prefix}/orders"
    # Without a service that locks, a commit that finds its number taken must fail.
    options = {"aws_conditional_put": "etag"}
    for ids in ([1, 2], [3]):
        write_deltalake(place, pa.table({"id": ids}), mode="append", storage_options=options)
    newest = whole(connection, tmp_path, type="delta", path=place)
    assert newest["id"].to_pylist() == [1, 2, 3]
    first = whole(connection, tmp_path, type="delta", path=place, version=0)
    assert first["id"].to_pylist() == [1, 2]
    with pytest.raises(SourceError, match="belongs to the Delta table"):
        source_files(ParquetSourceSpec(type="parquet", path=f"{place}/*.parquet"), folder=NOWHERE)


def test_a_bucket_and_a_key_that_are_wrong_say_so(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="cannot be read: FileNotFoundError"):
        source_files(csv("no-such-bucket/a.csv"), folder=NOWHERE)
    with pytest.raises(SourceError, match=r"nothing is there|cannot be read"):
        source_files(csv(f"{prefix}/none/*.csv"), folder=NOWHERE)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(SourceError, match="cannot be read: PermissionError") as refused:
        source_files(csv(f"{prefix}/a.csv"), folder=NOWHERE)
    assert "another" not in str(refused.value)
