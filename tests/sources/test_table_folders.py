"""Files of a table that only its log can read are refused, wherever below the table's folder they lie."""

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from declaration.sources.spec import SourceSpec
from declaration.sources.typed import ParquetSourceSpec
from sources.files import SourceError, source_files
from sources.python_file import rows_as_parquet


def parquet(path: str) -> SourceSpec:
    return ParquetSourceSpec(type="parquet", path=path)


def orders(folder: Path, **how: object) -> Path:
    """Write a Delta table of which one file no longer counts."""
    for ids in ([8, 9], [1, 2, 3]):
        rows = pa.table({"id": ids, "year": [2024] * len(ids)})
        write_deltalake(str(folder), rows, mode="overwrite", **how)  # type: ignore[call-overload]  # partition_by
    return folder


@pytest.mark.parametrize("path", ["orders/*.parquet", "*/*.parquet", "**/*.parquet"])
@pytest.mark.parametrize("is_absolute", [True, False])
def test_a_delta_table_is_refused_by_name(tmp_path: Path, path: str, is_absolute: bool) -> None:
    orders(tmp_path / "orders")
    given = f"{tmp_path}/{path}" if is_absolute else path
    says = r"part-.*\.parquet belongs to the Delta table .*orders, which has '_delta_log'.*Export a snapshot.*`type: delta`"
    with pytest.raises(SourceError, match=says):
        source_files(parquet(given), folder=tmp_path)


@pytest.mark.parametrize("path", ["orders/*/*.parquet", "orders/year=2024/*.parquet", "{one}"])
def test_a_partition_of_a_delta_table_is_refused(tmp_path: Path, path: str) -> None:
    one = next(orders(tmp_path / "orders", partition_by=["year"]).glob("*/*.parquet"))
    for given in (path.replace("{one}", str(one)), path.replace("{one}", str(one.relative_to(tmp_path)))):
        with pytest.raises(SourceError, match=r"belongs to the Delta table .*/orders,"):
            source_files(parquet(given), folder=tmp_path)


@pytest.mark.parametrize(
    ("kind", "log"),
    [
        ("Iceberg", "metadata/00001-0b2c.metadata.json"),
        ("Iceberg", "metadata/v3.metadata.json"),
        ("Hudi", ".hoodie/hoodie.properties"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, kind: str, log: str) -> None:
    for file in (tmp_path / "t" / log, tmp_path / "t" / "data" / "day=1" / "a.parquet"):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    with pytest.raises(SourceError, match=f"a.parquet belongs to the {kind} table"):
        source_files(parquet("t/data/*/*.parquet"), folder=tmp_path)


def test_what_only_looks_like_a_table_is_read(tmp_path: Path) -> None:
    for name in ("metadata/notes.json", "other/_delta_log/0.json", "a.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert source_files(parquet("*.parquet"), folder=tmp_path) == (tmp_path / "a.parquet",)


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_a_table_in_an_object_store_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    base = f"{scheme}://{tmp_path}/lake" if scheme == "file" else "memory://refused"
    store, root = fsspec.url_to_fs(base)
    for name in ("orders/_delta_log/0.json", "orders/year=1/a.parquet", "plain/year=1/a.parquet"):
        store.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        store.pipe(f"{root}/{name}", b"x")
    for path in ("orders/*/*.parquet", "*/year=1/a.parquet", "orders/year=1/a.parquet"):
        with pytest.raises(SourceError, match=r"belongs to the Delta table .*orders, which"):
            source_files(parquet(f"{base}/{path}"), folder=tmp_path)
    (copy,) = source_files(parquet(f"{base}/plain/*/*.parquet"), folder=tmp_path)
    assert copy.read_bytes() == b"x"


def test_the_way_out_reads_the_rows_that_count(tmp_path: Path) -> None:
    table = orders(tmp_path / "orders")
    DeltaTable(str(table)).delete("id = 2")
    code = tmp_path / "orders.py"
    code.write_text(
        "import pyarrow as pa\nfrom deltalake import DeltaTable\n\n\ndef read(start, end):\n"
        f"    return pa.table(DeltaTable({str(table)!r}).scan())\n"
    )
    (made,) = rows_as_parquet(code, None, None, folder=tmp_path)
    assert sorted(pq.read_table(made)["id"].to_pylist()) == [1, 3]
