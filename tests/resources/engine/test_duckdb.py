"""The engine reaches the lake, the source and its spill, whatever SQL is declared."""

from pathlib import Path

import duckdb
import pytest

from declaration.sql import quote_literal
from resources.engine.duckdb import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    for folder in ("lake", "elsewhere", "lake2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text("a\n1\n")
        duckdb.sql("SELECT 1 AS a").write_parquet(str(tmp_path / folder / "rows.parquet"))
    (tmp_path / "lake" / "out").symlink_to(tmp_path / "elsewhere")
    return Engine(spill_directory=str(tmp_path / "spill"), directories=[str(tmp_path / "lake")], threads=1)


def rows_of(folder: Path) -> str:
    return f"SELECT a FROM read_parquet([{quote_literal(str(folder / 'rows.parquet'))}])"


def test_the_lake_and_what_is_named_are_read(engine: Engine, tmp_path: Path) -> None:
    with engine.connect(reads=[tmp_path / "elsewhere" / "rows.csv"]) as connection:
        assert connection.sql(rows_of(tmp_path / "lake")).fetchall() == [(1,)]
        named = quote_literal(str(tmp_path / "elsewhere" / "rows.csv"))
        assert connection.sql(f"SELECT a FROM read_csv({named})").fetchall() == [(1,)]
        with pytest.raises(duckdb.PermissionException):
            connection.sql(rows_of(tmp_path / "elsewhere")).fetchall()


@pytest.mark.parametrize("name", ["a b", "it's", "ä😀", "x[1]", "a*", "a?b", "a,b", '"q"', "#1", "50%"])
def test_sources_of_any_name_are_read(tmp_path: Path, name: str) -> None:
    from sources.rejects import listed

    folder = tmp_path / name
    folder.mkdir()
    for file in (folder / f"{name}.csv", tmp_path / f"{name}-2.csv"):
        file.write_text("a\n1\n")
        with Engine(spill_directory=str(tmp_path / "spill")).connect(reads=[file]) as connection:
            assert connection.sql(f"SELECT a FROM read_csv([{listed([file])}])").fetchall() == [(1,)]


def test_a_linked_lake_and_source_are_read(engine: Engine, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "lake")
    linked = engine.model_copy(update={"directories": [str(link)]})
    source = tmp_path / "source.csv"
    source.symlink_to(tmp_path / "elsewhere" / "rows.csv")
    with linked.connect(reads=[source]) as connection:
        assert connection.sql(rows_of(link)).fetchall() == [(1,)]
        assert connection.sql(f"SELECT a FROM read_csv({quote_literal(str(source))})").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_parquet('{root}/elsewhere/rows.parquet')",
        "SELECT * FROM '{root}/elsewhere/rows.csv'",
        "SELECT * FROM read_csv('{root}/lake/../elsewhere/rows.csv')",
        "SELECT * FROM read_csv('{root}/lake2/rows.csv')",
        "SELECT * FROM read_csv('{root}/lake/out/rows.csv')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_blob('/etc/host*')",
        "SELECT * FROM glob('{root}/elsewhere/*')",
        "SELECT * FROM parquet_metadata('{root}/elsewhere/rows.parquet')",
        "SELECT * FROM sniff_csv('{root}/elsewhere/rows.csv')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/rows.csv')",
        "SELECT * FROM read_parquet('s3://bucket/rows.parquet')",
        "COPY (SELECT 1) TO '{root}/elsewhere/made.csv'",
        "EXPORT DATABASE '{root}/elsewhere/made'",
        "ATTACH '{root}/elsewhere/made.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/hostname']",
        "SET temp_directory = '{root}/elsewhere'",
        "RESET enable_external_access",
    ],
)
def test_nothing_else_is_reached(engine: Engine, tmp_path: Path, statement: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with engine.connect() as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(root=tmp_path)).fetchall()
    assert sorted(path for path in tmp_path.rglob("*") if "spill" not in path.parts) == before


def test_what_does_not_fit_is_spilled(tmp_path: Path) -> None:
    engine = Engine(spill_directory=str(tmp_path / "spill"), memory_limit="60MB", threads=1)
    with engine.connect() as connection:
        found = connection.sql(
            "SELECT count(*), max(r) FROM (SELECT r, row_number() OVER (ORDER BY hash(r)) FROM range(4000000) t(r))"
        ).fetchall()
    assert found == [(4_000_000, 3_999_999)]


def test_cursors_are_in_utc_and_confined(engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection, connection.cursor() as cursor:
        assert cursor.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        with pytest.raises(duckdb.PermissionException):
            cursor.sql(rows_of(tmp_path / "elsewhere")).fetchall()
