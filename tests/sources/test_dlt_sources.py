"""dlt's own sources as datasets: what a `read(start, end)` returns is iterated, in the sources that dlt ships."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import pytest

from declaration.datasets import DatasetSpec
from declaration.partitioning import partitioning
from sources.files import SourceError
from sources.opening import opened, readable
from sources.read import READ_TABLE, read_files
from tests.fixtures.apis import Answer, Asking, serving
from tests.fixtures.databases import days

pytest.importorskip("dlt", reason="the extra rest is not installed")


def rows(folder: Path, code: str, columns: dict[str, Any], key: str | None = None) -> list[tuple[Any, ...]]:
    """Read a file of code as the raw stage reads it."""
    (folder / "made.py").write_text(dedent(code))
    spec = DatasetSpec.model_validate({"source": {"type": "python", "path": "made.py"}, "columns": columns})
    window = partitioning(days()).window(key) if key else None
    with (
        opened(spec.source, folder=folder, scratch=folder / "scratch", dataset=spec, asked=window) as now,
        duckdb.connect() as connection,
        readable(connection, now.files, spec, folder / "scratch") as plain,
    ):
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        counts = read_files(connection, plain, spec, name="made", timezone="UTC")
        assert counts.n_rejected == 0
        return connection.sql(f"SELECT * FROM {READ_TABLE}").fetchall()


def test_a_rest_api_is_read_page_by_page(tmp_path: Path) -> None:
    code = """\
        from dlt.sources.rest_api import rest_api_source

        def read(start, end):
            paging = {{"type": "page_number", "base_page": 1, "total_path": None}}
            return rest_api_source({{
                "client": {{"base_url": "{url}", "paginator": paging}},
                "resources": [{{"name": "orders", "endpoint": {{"path": "orders", "data_selector": "data", "params": {{"since": start.isoformat()}}}}}}],
            }})
        """

    def serve(asking: Asking) -> Answer:
        page = int(asking.params["page"])
        found = [
            {"id": 2 * page + n, "at": "2024-01-05T10:00:00Z", "address": {"city": "ü"}} for n in range(2)
        ]
        return Answer({"data": found if page < 4 else []})

    columns = {"id": "int", "at": "timestamp_tz", "address": "string"}
    with serving(serve) as api:
        found = rows(tmp_path, code.format(url=api.url), columns, "2024-01-05")
        assert {asking.params["since"] for asking in api.asked} == {"2024-01-05T00:00:00+00:00"}
    at = datetime(2024, 1, 5, 10, tzinfo=UTC)
    assert found == [(n, at, '{"city": "ü"}') for n in range(2, 8)]


@pytest.mark.parametrize("backend", ["sqlalchemy", "pyarrow"])
def test_a_table_of_a_database_is_read(backend: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as session:
        session.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(10, 2), day DATE)")
        session.executemany("INSERT INTO orders VALUES (?, ?, '2024-02-29')", [(n, 1.5) for n in range(5)])
        session.commit()
    code = f"""\
        from dlt.sources.sql_database import sql_table

        def read(start, end):
            return sql_table("sqlite:///{tmp_path}/shop.db", table="orders", backend="{backend}", chunk_size=2)
        """
    found = rows(tmp_path, code, {"id": "int", "amount": "decimal", "day": "date"})
    assert found == [(n, Decimal("1.5"), date(2024, 2, 29)) for n in range(5)]


def test_files_of_a_folder_are_read(tmp_path: Path) -> None:
    for n in range(2):
        (tmp_path / f"{n}.jsonl").write_text(f'{{"id": {n}}}\n{{"id": {n + 10}, "note": "x"}}\n')
    code = f"""\
        from dlt.sources.filesystem import readers

        def read(start, end):
            return readers("file://{tmp_path}", file_glob="*.jsonl").read_jsonl()
        """
    assert sorted(rows(tmp_path, code, {"id": "int", "note": "string"})) == [
        (0, None), (1, None), (10, "x"), (11, "x"),
    ]  # fmt: skip


def test_a_resource_of_ones_own_is_read(tmp_path: Path) -> None:
    code = """\
        import dlt

        @dlt.resource
        def orders(since):
            yield {"id": 1, "at": since}
            yield [{"id": 2}, {"id": 3, "tags": ["a"]}]

        def read(start, end):
            return orders(start).add_map(lambda row: {**row, "id": row["id"] * 10})
        """
    found = rows(tmp_path, code, {"id": "int", "at": "timestamp_tz", "tags": "string"}, "2024-01-05")
    assert found == [(10, datetime(2024, 1, 5, tzinfo=UTC), None), (20, None, None), (30, None, '["a"]')]


def test_an_iterable_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    assert (
        rows(tmp_path, "def read(start, end):\n    return iter(())\n", {"id": "int", "note": "string"}) == []
    )


def test_a_source_of_several_resources_is_refused_by_name(tmp_path: Path) -> None:
    code = """\
        import dlt

        @dlt.source
        def shop():
            return [dlt.resource([{"id": 1}], name=name) for name in ("orders", "people")]

        def read(start, end):
            return shop()
        """
    with pytest.raises(
        SourceError,
        match=r"made\.py: 'read' gave a dlt source of the resources 'orders', 'people'.*resources\['…'\]",
    ):
        rows(tmp_path, code, {"id": "int"})
    assert rows(
        tmp_path, code.replace("return shop()", "return shop().with_resources('people')"), {"id": "int"}
    ) == [(1,)]
