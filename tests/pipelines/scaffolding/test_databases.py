"""A declaration of a table: types from the database, the key from its rows, and no password."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from benchmarks.online_servers import PostgresServer
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.scaffolder import scaffold_source
from sources import sql_source
from sources.files import SourceError
from tests.sources.databases.test_sqlite_file import shop


def scaffolded(url: str, folder: Path) -> str:
    options = ScaffoldOptions(source=url, target="late")
    files = scaffold_source(options, folder=folder / "shop", start=folder, type_name="driftline.MLPipeline")
    return files["defs.yaml"]


@pytest.fixture
def _variable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(sql_source.VARIABLE, "")
    yield
    assert os.environ[sql_source.VARIABLE].startswith("postgresql://")


@pytest.mark.usefixtures("_variable")
def test_a_table_of_a_server_is_declared_without_its_url(postgres: PostgresServer, tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg")
    pytest.importorskip("adbc_driver_postgresql", reason="the extra postgres-source is not installed")
    host = quote(str(postgres.settings["host"]), safe="")
    with psycopg.connect(f"postgresql://postgres@/postgres?host={host}", autocommit=True) as session:
        session.execute("DROP TABLE IF EXISTS scaffold_orders")
        session.execute(
            "CREATE TABLE scaffold_orders AS SELECT i AS id, timestamptz '2024-01-01Z' + i * interval '37 min' AS placed_at, "
            "(i * 1.01)::numeric(12, 2) AS price, 'c' || (i % 20) AS customer, i % 3 = 0 AS late FROM generate_series(1, 2000) i"
        )
    text = scaffolded(f"postgresql://postgres:top-secret@{host}/postgres/scaffold_orders", tmp_path)
    assert "source: {type: sql, url: {env: WAREHOUSE_URL}, table: scaffold_orders}" in text
    assert "decide: is the variable set wherever this runs?" in text
    assert "top-secret" not in text
    for line in (
        "id: int",
        "placed_at: timestamp_tz",
        "price: decimal",
        "late: boolean",
        "event_time: placed_at",
        "key: [id]",
    ):
        assert line in text
    assert "    scaffold_orders:\n" in text


@pytest.mark.parametrize(
    ("url", "database", "table"),
    [
        ("postgresql://u:p@h/shop/orders", "postgresql://u:p@h/shop", "orders"),
        ("postgresql://u@h/shop/sales.orders?sslrootcert=/etc/ca.pem", "postgresql://u@h/shop?sslrootcert=/etc/ca.pem", "sales.orders"),
        ("postgresql://u@/shop/orders?host=/var/run/postgresql", "postgresql://u@/shop?host=/var/run/postgresql", "orders"),
        ("mysql://u@h:3306/shop/late%20orders", "mysql://u@h:3306/shop", "late orders"),
    ],
)  # fmt: skip
def test_options_of_a_url_are_no_part_of_the_table(
    url: str, database: str, table: str, tmp_path: Path
) -> None:
    of_url = sql_source.SQL_SOURCE.of_url
    assert of_url is not None
    block, variables = of_url(url, tmp_path) or (None, {})
    assert block is not None
    assert block.table == table
    assert variables == {sql_source.VARIABLE: database}


@pytest.mark.parametrize(
    "url",
    ["sqlite:///shop.db", "sqlite:///{folder}/shop.db", "postgresql://u@h/shop", "postgresql://u@h:5432/", "mysql://h/?charset=a/b"],
)  # fmt: skip
def test_a_url_without_a_table_is_refused_with_an_example(url: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"names no table\. Write it after the database, as in"):
        scaffolded(url.format(folder=tmp_path), tmp_path)


def test_a_table_of_a_file_is_declared_with_its_path(tmp_path: Path) -> None:
    rows = [(n, f"c{n % 20}", n % 3 == 0) for n in range(1000)]
    shop(tmp_path, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, late INTEGER)", rows=rows)
    text = scaffolded("sqlite:///shop.db/orders", tmp_path)
    assert f'source: {{type: sql, url: "sqlite:///{tmp_path}/shop.db", table: orders}}' in text
    assert "    orders:\n" in text
    assert "key: [id]" in text
