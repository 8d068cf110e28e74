"""Inputs that once went wrong, through the whole product: each is right now, or is refused by name.

They lie beside the project and stay there; what each is about is tested without them in the room that it belongs to.
"""

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from declaration.rooms import HOUSE
from driftline.history import Month, history
from driftline.predict.reading import rows_from
from driftline.replay.runs import ReplayError
from pipelines.loading.read import read
from resources.connections import Connections
from serving.predictor import open_serving
from tests.fixtures.replaying import replay_all
from tests.fixtures.stages import connected
from tests.pipelines.scaffolding.scaffolded import scaffold

CASES = HOUSE.parent / "shared" / "cases"

pytestmark = [
    pytest.mark.long,
    pytest.mark.shared_data,
    pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine"),
]


class Case:
    """A copy of one case, with a home of its own."""

    def __init__(self, name: str, root: Path) -> None:
        self.folder = root / name
        self.home = root / "home"
        self.home.mkdir()
        shutil.copytree(CASES / name, self.folder)

    @property
    def pipeline(self) -> Pipeline:
        return read(self.folder)

    @property
    def connections(self) -> Connections:
        return connected(self.home)

    def replay(self, *, first: int = 0, last: int | None = None) -> int:
        return replay_all(self.pipeline, self.home, first=first, last=last)

    def change(self) -> None:
        """Put the changed declaration in the place of the first."""
        (self.folder / "defs_after.yaml").replace(self.folder / "defs.yaml")

    def rows(self, stage: str = "raw", dataset: str = "rows") -> list[Mapping[str, Any]]:
        """Return the rows of a table by their id."""
        table = self.pipeline.table(stage, dataset)
        if not self.connections.lake.has(table):
            return []
        rows: list[Mapping[str, Any]] = self.connections.lake.read(table).to_pylist()
        return sorted(rows, key=lambda row: row.get("id", 0))

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows()]

    def days(self) -> list[Month]:
        return list(history(self.pipeline, self.connections))


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    name: str = request.param
    return Case(name, tmp_path)


def named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [name], indirect=True)


@named("header_quote")
def test_a_header_with_a_stray_quote(case: Case) -> None:
    try:
        case.replay()
    except ReplayError as error:
        assert "disks.csv" in str(error)  # noqa: PT017  # one of two right ends
        assert "line 1" in str(error)  # noqa: PT017
        assert case.rows() == []
    else:
        assert len(case.rows()) == 60


@named("retyped_column")
def test_a_retyped_column_is_widened_and_never_cast(case: Case) -> None:
    case.replay(last=1)
    case.change()
    case.replay(first=1)
    assert case.column("load") == [3, 3.7, -0.4]


@named("one_source_two_types")
def test_each_declared_name_has_its_own_type(case: Case) -> None:
    case.replay()
    assert case.column("code") == ["007", "0010", "42"]
    assert case.column("code_number") == [7, 10, 42]
    assert case.column("seen_at")[0] == datetime(2024, 1, 1, 10, 30)
    assert case.column("seen_on") == [date(2024, 1, day) for day in (1, 2, 3)]


@named("two_digit_years")
def test_two_digit_years_are_rejects(case: Case) -> None:
    case.replay()
    assert {row["id"]: row["seen_on"] for row in case.rows()} == {1: date(2024, 1, 1), 4: date(2024, 1, 3)}
    rejects = case.rows("raw_rejects")
    assert len(rejects) == 2
    assert all("seen_on" in row["reason"] for row in rejects)


@named("whole_numbers_beyond_2_53")
def test_fractions_are_no_whole_numbers(case: Case) -> None:
    case.replay()
    kept = case.column("n")
    expected = [int(value) for value in map(Decimal, _values(case.folder / "n.csv", "n")) if value % 1 == 0]
    assert kept == expected
    assert 9007199254740993 in kept
    assert len(case.rows("raw_rejects")) == 3


@named("decimal_digits")
def test_decimals_keep_every_digit_or_are_rejects(case: Case) -> None:
    case.replay()
    texts = _values(case.folder / "v.csv", "v")
    assert all(Decimal(texts[row["id"] - 1]) == row["v"] for row in case.rows())
    assert len(case.rows()) + len(case.rows("raw_rejects")) == len(texts)


@named("delta_folder")
def test_removed_rows_of_a_delta_table_do_not_come_back(case: Case) -> None:
    try:
        case.replay()
    except ReplayError as error:
        assert "_delta_log" in str(error)  # noqa: PT017
        assert case.rows() == []
    else:
        assert case.column("id") == [1, 2, 3]


@named("hive_folder")
def test_columns_stand_in_the_names_of_folders(case: Case) -> None:
    case.replay()
    assert sorted(set(case.column("year"))) == [2023, 2024]


@named("column_added_later")
def test_a_column_that_comes_later_can_be_declared(case: Case) -> None:
    with pytest.raises(ReplayError, match=r"channel.*optional"):
        case.replay()
    declared = yaml.safe_load((case.folder / "defs.yaml").read_text())
    columns = declared["attributes"]["datasets"]["rows"]["columns"]
    columns["channel"] = {"type": "string", "optional": True}
    (case.folder / "defs.yaml").write_text(yaml.safe_dump(declared))
    case.replay()
    assert case.column("channel") == [None, None, "web"]


@named("partitions_recut")
def test_no_row_stands_in_two_partitions(case: Case) -> None:
    case.replay()
    n_rows = len(case.rows())
    case.change()
    with pytest.raises(ReplayError, match="cut"):
        case.replay()
    assert len(case.rows()) == n_rows


@named("unseen_class")
def test_rows_of_a_class_that_the_model_never_saw_are_wrong(case: Case) -> None:
    case.replay()
    days = case.days()
    assert [day.realised for day in days[2:4]] == [pytest.approx(0.542, abs=5e-4), pytest.approx(0.564, abs=5e-4)]  # fmt: skip
    assert any(day.is_retrain_requested for day in days[2:])


@named("empty_day")
def test_a_day_without_rows_is_judged_for_its_champion(case: Case) -> None:
    case.replay()
    empty = [day for day in case.days() if day.n_rows == 0]
    assert len(empty) == 1
    assert not empty[0].is_retrain_requested
    assert "Insufficient data" in empty[0].explanation
    assert "version 1 serves" in empty[0].explanation
    assert "No model serves" not in empty[0].explanation


@named("first_day_one_class")
def test_one_class_alone_waits_for_labels(case: Case) -> None:
    assert case.replay() >= 1
    days = case.days()
    assert days[0].model_version is None
    assert days[-1].model_version == 1


@named("ask_naive_time")
def test_naive_times_are_the_partitions_wall_clock_when_rows_are_asked(case: Case) -> None:
    case.replay()
    content = (case.folder / "question.csv").read_bytes()
    now = datetime(2024, 1, 2, 4, 20, tzinfo=UTC)
    with open_serving(case.pipeline, case.connections) as serving:
        features = serving.features(rows_from(content, "csv", "question.csv"), now)
    learned = case.connections.lake.read(case.pipeline.table("labels")).to_pylist()
    first = min(learned, key=lambda row: row["event_timestamp"])
    assert features.table["request__hour"].to_pylist() == [first["request__hour"]] == [5]


def _values(file: Path, column: str) -> list[str]:
    header, *lines = file.read_text().splitlines()
    return [line.split(",")[header.split(",").index(column)] for line in lines]


@pytest.mark.parametrize("file", ["parcels.csv", "parcels.json"])
def test_long_identifiers_are_texts(file: str, tmp_path: Path) -> None:
    pipeline = scaffold(CASES / "scaffold_long_ids" / file, tmp_path / "trial")
    dataset = next(iter(pipeline.spec.datasets.values()))
    assert dataset.column("tracking").type == "string"
    assert dataset.key == ("tracking",)


def test_a_missing_word_of_one_column_is_a_value_of_another(tmp_path: Path) -> None:
    file = CASES / "scaffold_na_country" / "shipments.csv"
    pipeline = scaffold(file, tmp_path / "trial")
    (name,) = pipeline.spec.datasets
    replay_all(pipeline, tmp_path)
    rows = connected(tmp_path).lake.read(pipeline.table("raw", name))
    assert rows["country"].to_pylist().count("NA") == 20
    assert rows["weight"].null_count == 9


def test_thousands_are_whole_or_asked(tmp_path: Path) -> None:
    pipeline = scaffold(CASES / "scaffold_thousands" / "umsatz.csv", tmp_path / "trial")
    text = (tmp_path / "trial" / "defs.yaml").read_text()
    dataset = next(iter(pipeline.spec.datasets.values()))
    is_asked = any("pieces" in line and "decide:" in line for line in text.splitlines())
    assert is_asked or dataset.column("pieces").sql is not None


def test_two_digit_years_are_found(tmp_path: Path) -> None:
    pipeline = scaffold(CASES / "scaffold_two_digit_years" / "sales.csv", tmp_path / "trial")
    assert "%m/%d/%y" in (tmp_path / "trial" / "defs.yaml").read_text()
    assert str(pipeline.spec.partitions.start).startswith("2024-01-01")


@pytest.mark.parametrize("file", ["damaged.parquet", "long_name.csv"])
def test_what_cannot_be_scaffolded_is_one_sentence(file: str, tmp_path: Path) -> None:
    with pytest.raises(DriftlineError) as raised:
        scaffold(CASES / "scaffold_unreadable" / file, tmp_path / "trial")
    assert file in str(raised.value)
    assert len(str(raised.value)) < 1_000
