"""Each change of columns is one version, however many runs find it at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

from assets.raw.registry import SCHEMAS, read_schemas, register
from declaration.schemas import Schema, SchemaColumn
from resources.lake.lake import Lake
from tests.fixtures.changing import changing

NOW = datetime(2024, 4, 1, tzinfo=UTC)
FULL = Schema(
    (
        SchemaColumn("id", "int", is_nullable=False, source="Id", description="Place."),
        SchemaColumn(
            "price", "timestamp", is_optional=True, since=date(2024, 3, 1), deprecated=date(2024, 6, 1),
            renamed_from="amount", widened_from="date",
        ),
    )
)  # fmt: skip


def test_what_is_registered_is_read_as_it_was(tmp_path: Path) -> None:
    lake, pipeline = Lake(root=str(tmp_path / "lake")), changing(tmp_path)
    assert read_schemas(lake, "shop", "sales") == ()
    assert register(lake, pipeline, "sales", FULL, run_id="r", clock=NOW) == 1
    assert register(lake, pipeline, "others", FULL, run_id="r", clock=NOW) == 1
    (found,) = read_schemas(lake, "shop", "sales")
    assert (found.schema, found.schema.hash, found.first_seen, found.run_id) == (FULL, FULL.hash, NOW, "r")


def test_columns_that_come_back_are_a_version_of_their_own(tmp_path: Path) -> None:
    lake, pipeline = Lake(root=str(tmp_path / "lake")), changing(tmp_path)
    other = Schema(FULL.columns[:1])
    made = [register(lake, pipeline, "sales", s, run_id="r", clock=NOW) for s in (FULL, FULL, other, FULL)]
    assert made == [1, 1, 2, 3]


def test_runs_that_find_a_change_at_once_register_it_once(tmp_path: Path) -> None:
    lake, pipeline = Lake(root=str(tmp_path / "lake")), changing(tmp_path)

    def registered(number: int) -> int:
        return register(lake, pipeline, "sales", FULL, run_id=f"run-{number}", clock=NOW)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(registered, range(8))) == {1}
    assert lake.read(SCHEMAS.of("shop")).num_rows == len(FULL.columns)
