"""Kinds of texts and the types that they are read in: what is no quantity stays text, what is unclear is asked for."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from declaration.pipeline import Pipeline
from pipelines.scaffolding.declaration import decisions
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.forms import NULL_TEXTS
from tests.pipelines.scaffolding.read_back import rejects_and_rows
from tests.pipelines.scaffolding.scaffolded import scaffold

N = 40
DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(N)]


def write(file: Path, columns: dict[str, Sequence[object]]) -> Path:
    rows = list(zip(*columns.values(), strict=True))
    if file.suffix == ".csv":
        with file.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([list(columns), *rows])
    elif file.suffix == ".xlsx":
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in [list(columns), *rows]:
            book.active.append(row)
        book.save(file)
    else:
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        file.write_text("\n".join(json.dumps(each, default=str) for each in objects))
    return file


def asked(folder: Path) -> str:
    """Return the decisions that a declaration asks for, in one line."""
    return " | ".join(text for _, text in decisions((folder / "defs.yaml").read_text(encoding="utf-8")))


def column(pipeline: Pipeline, name: str) -> tuple[str, list[object]]:
    """Return a column's declared type and its values as the raw room reads them; no row may be rejected."""
    dataset = next(iter(pipeline.spec.datasets.values()))
    n_rejected, rows = rejects_and_rows(pipeline, [name])
    assert n_rejected == 0
    return dataset.column(name).type, [row[0] for row in rows]


CODES = {
    "twenty digits": [str(94001108988250225790 + i) for i in range(N)],
    "telephones": [f"+4917612345{i:03d}" for i in range(N)],
    "dialling codes": [f"+{i + 1}" for i in range(N)],
    "like exponents": [f"{i + 10}E{i % 5}" for i in range(N)],
    "leading zeros": [f"{i:05d}" for i in range(N)],
    "hexadecimal": [f"0x{i:02d}" for i in range(N)],
    "underscores": [f"1_{i:03d}" for i in range(N)],
    "a brand called infinity": [["infinity", "Infinity"][i % 2] for i in range(N)],
    "words that the engine takes for times": [["epoch", "now"][i % 2] for i in range(N)],
}


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_codes_stay_the_text_that_they_are(ending: str, tmp_path: Path) -> None:
    pipeline = scaffold(write(tmp_path / f"table.{ending}", {**CODES, "sent_on": DAYS}), tmp_path / "found")
    n_rejected, rows = rejects_and_rows(pipeline, list(CODES))
    assert n_rejected == 0
    found = dict(zip(CODES, map(list, zip(*rows, strict=True)), strict=True))
    assert found == CODES
    assert {name: pipeline.spec.datasets["table"].column(name).type for name in CODES} == dict.fromkeys(
        CODES, "string"
    )


@pytest.mark.parametrize("kind", [pa.decimal128(20, 0), pa.uint64(), pa.decimal128(38, 0)])
def test_long_numbers_of_parquet_keep_their_digits(kind: pa.DataType, tmp_path: Path) -> None:
    values = [9400110898825022579 + i for i in range(N)]
    pq.write_table(
        pa.table({"tracking": pa.array(values, kind), "sent_on": DAYS}), tmp_path / "parcels.parquet"
    )
    pipeline = scaffold(tmp_path / "parcels.parquet", tmp_path / "found")
    assert column(pipeline, "tracking") == ("string", [str(value) for value in values])
    assert pipeline.spec.datasets["parcels"].key == ("tracking",)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_long_ids_are_the_key(ending: str, tmp_path: Path) -> None:
    """Also where JSON writes them as numbers."""
    ids = [12345678901234567000 + i for i in range(N)]
    file = write(tmp_path / f"parcels.{ending}", {"tracking": ids, "sent_on": DAYS, "weight": range(N)})
    assert scaffold(file, tmp_path / "found").spec.datasets["parcels"].key == ("tracking",)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "json"])
def test_a_word_is_a_value_in_one_column_and_missing_in_another(ending: str, tmp_path: Path) -> None:
    # A workbook keeps Excel's own errors as errors, not as texts: they are missing everywhere.
    words = [word for word in NULL_TEXTS if not (ending == "xlsx" and word.startswith("#"))]
    columns: dict[str, Sequence[object]] = {"id": range(N)}
    names = {f"country_{place}": word for place, word in enumerate(words)}
    for place, word in enumerate(words):
        columns[f"country_{place}"] = [word if i % 3 == 0 else ["DE", "FR"][i % 2] for i in range(N)]
        columns[f"weight_{place}"] = [word if i % 7 == 0 else f"{i}.5" for i in range(N)]
    pipeline = scaffold(write(tmp_path / f"table.{ending}", columns), tmp_path / "found")
    dataset = pipeline.spec.datasets["table"]
    n_rejected, rows = rejects_and_rows(pipeline, list(columns))
    assert n_rejected == 0
    found = dict(zip(columns, zip(*rows, strict=True), strict=True))
    questions = asked(tmp_path / "found")
    for name, word in names.items():
        assert list(found[name]) == columns[name]
        assert f"{name}: {word!r} (14 rows) kept as text" in questions
        weight = name.replace("country", "weight")
        assert dataset.column(weight).type == "float"
        assert found[weight].count(None) == 6


def test_a_word_that_is_missing_wherever_it_stands_is_said_once(tmp_path: Path) -> None:
    values = [["NA", "1.5", "2.5"][i % 3] for i in range(N)]
    pipeline = scaffold(write(tmp_path / "t.csv", {"a": values, "b": values[::-1]}), tmp_path / "found")
    assert pipeline.spec.datasets["t"].source.null_values == ("", "NA")
    assert pipeline.spec.datasets["t"].column("a").null_values is None


TWO_DIGITS = (
    "%m/%d/%y", "%d.%m.%y", "%y-%m-%d", "%d/%m/%y", "%d.%m.%y %H:%M", "%m/%d/%y %H:%M:%S", "%d-%b-%y", "%m/%d/%Y",
    "%d.%m.%Y %H:%M", "%m/%d/%y %I:%M %p",
)  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_years_of_two_digits_are_of_this_century(ending: str, tmp_path: Path) -> None:
    """Python's strftime and strptime are the oracle."""
    times = [datetime(2023, 12, 20, 13, 45) + timedelta(days=i) for i in range(N)]
    texts = {form: [time.strftime(form) for time in times] for form in TWO_DIGITS}
    columns = {f"t{place}": texts[form] for place, form in enumerate(TWO_DIGITS)}
    pipeline = scaffold(write(tmp_path / f"sales.{ending}", {"id": range(N), **columns}), tmp_path / "f")
    n_rejected, rows = rejects_and_rows(pipeline, list(columns))
    assert n_rejected == 0
    for form, found in zip(TWO_DIGITS, zip(*rows, strict=True), strict=True):
        expected = [datetime.strptime(text, form) for text in texts[form]]  # noqa: DTZ007  # wall clocks
        assert [datetime.fromisoformat(str(value)).replace(tzinfo=None) for value in found] == expected, form
    assert pipeline.spec.partitions.start.year == 2023


@pytest.mark.parametrize("form", ["%d.%m.%y", "%y-%m-%d", "%m/%d/%y"])
def test_small_dates_that_could_be_either_are_asked_for(form: str, tmp_path: Path) -> None:
    texts = [datetime(2009, i % 9 + 1, i % 8 + 1).strftime(form) for i in range(N)]
    scaffold(write(tmp_path / "t.csv", {"sold": texts}), tmp_path / "found")
    assert "Which is it?" in asked(tmp_path / "found")


def test_a_later_year_of_two_digits_is_a_reject_and_no_first_century(tmp_path: Path) -> None:
    texts = [day.strftime("%m/%d/%Y") for day in DAYS]
    file = write(tmp_path / "t.csv", {"id": range(N), "sold": texts})
    pipeline = scaffold(file, tmp_path / "found")
    write(file, {"id": range(N + 1), "sold": [*texts, "01/31/24"]})
    assert rejects_and_rows(pipeline, ["sold"])[0] == 1


EPOCHS = {"created_at": 1, "event_time": 10**3, "ts": 10**6, "timestamp": 10**9}
"""Names of numbers since 1970, and how many make a second."""


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_numbers_since_1970_are_instants(ending: str, tmp_path: Path) -> None:
    numbers = {
        name: [(1_700_000_000 + 86_400 * i) * unit + (unit // 4) for i in range(N)]
        for name, unit in EPOCHS.items()
    }
    file = tmp_path / f"table.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table({"id": range(N), **numbers}), file)
    else:
        write(file, {"id": range(N), **numbers})
    pipeline = scaffold(file, tmp_path / "found")
    start = datetime(1970, 1, 1, tzinfo=UTC)
    for name, unit in EPOCHS.items():
        expected = [start + timedelta(microseconds=number * 10**6 // unit) for number in numbers[name]]
        assert column(pipeline, name) == ("timestamp_tz", expected)
    assert asked(tmp_path / "found").count("since 1970") == 4


def test_fractions_of_seconds_since_1970_are_exact(tmp_path: Path) -> None:
    texts = [f"{1_700_000_000 + i}.123457" for i in range(N)]
    file = write(tmp_path / "t.csv", {"id": range(N), "created_at": texts})
    start = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [start + timedelta(seconds=1_700_000_000 + i, microseconds=123_457) for i in range(N)]
    assert column(scaffold(file, tmp_path / "found"), "created_at") == ("timestamp_tz", expected)


def test_numbers_that_could_be_times_are_asked_for_where_the_name_says_nothing(tmp_path: Path) -> None:
    numbers = [1_700_000_000_000 + 86_400_000 * i for i in range(N)]
    scaffold(write(tmp_path / "t.csv", {"id": range(N), "value": numbers}), tmp_path / "found")
    assert "could be milliseconds since 1970" in asked(tmp_path / "found")


@pytest.mark.parametrize("clock", [False, True])
def test_excels_days_are_dates(clock: bool, tmp_path: Path) -> None:
    """45,292 is 2024-01-01, as Excel and openpyxl count."""
    numbers = [45_292 + i + (0.5 if clock else 0) for i in range(N)]
    file = write(tmp_path / "t.csv", {"id": range(N), "order_date": numbers})
    _, found = column(scaffold(file, tmp_path / "found"), "order_date")
    assert found == [openpyxl.utils.datetime.from_excel(number).replace(tzinfo=UTC) for number in numbers]
    assert "Excel's days" in asked(tmp_path / "found")


GROUPED = [
    pytest.param(";", ["0,50", "1,50"], ["1.000", "2.037"], [1000, 2037], id="beside-decimal-commas"),
    pytest.param(";", ["0,50", "1,50"], ["2.000", "3.000"], [2000, 3000], id="whole-thousands-alone"),
    pytest.param(";", ["0,50", "1,50"], ["950", "2.037"], [950, 2037], id="some-below-a-thousand"),
    pytest.param(";", ["a", "b"], ["1.234.567", "2.000.000"], [1234567, 2000000], id="millions"),
    pytest.param(",", ["0.5", "1.25"], ["1,000", "2,037"], [1000, 2037], id="american"),
    pytest.param(",", ["0.5", "1.25"], ["1,000.5", "37"], [1000.5, 37.0], id="american-with-fractions"),
    pytest.param(";", ["0,5", "1,25"], ["1.000,5", "37"], [1000.5, 37.0], id="european-with-fractions"),
    pytest.param(",", ["0.5", "1.25"], ["1.037", "2.000"], [1.037, 2.0], id="beside-decimal-points"),
]


@pytest.mark.parametrize(("separator", "others", "values", "expected"), GROUPED)
def test_points_and_commas_between_thousands(
    separator: str, others: list[str], values: list[str], expected: list[float], tmp_path: Path
) -> None:
    rows = [["id", "fee", "pieces"], *[[i, others[i % 2], values[i % 2]] for i in range(N)]]
    with (tmp_path / "umsatz.csv").open("w", newline="") as stream:
        csv.writer(stream, delimiter=separator).writerows(rows)
    _, found = column(scaffold(tmp_path / "umsatz.csv", tmp_path / "found"), "pieces")
    assert found == [expected[i % 2] for i in range(N)]


@pytest.mark.parametrize(("separator", "value"), [(",", "1.037"), (",", "2.000"), (";", "2.000")])
def test_thousands_or_fractions_that_nothing_tells_apart_are_asked_for(
    separator: str, value: str, tmp_path: Path
) -> None:
    rows = [f"{i}{separator}{value}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join([f"id{separator}pieces", *rows]))
    scaffold(tmp_path / "t.csv", tmp_path / "found")
    assert "pieces: read" in asked(tmp_path / "found")


ODD = [
    pytest.param([*map(str, DAYS), "infinity"], "date", "'infinity' in 1 rows is outside", id="infinity"),
    pytest.param([*map(str, DAYS), "99999-01-01"], "date", "'99999-01-01' in 1 rows", id="year-99999"),
    pytest.param([*[f"{day} 10:00" for day in DAYS], "-infinity"], "timestamp", "outside", id="clocks"),
    pytest.param([*map(str, range(N)), "inf"], "float", "1 values are infinite", id="infinite-numbers"),
    pytest.param([*map(str, range(N)), "1e999"], "string", "kept as text", id="too-large"),
    pytest.param([*map(str, range(N)), "nan"], "int", "", id="not-a-number"),
]


@pytest.mark.parametrize(("values", "kind", "question"), ODD)
def test_what_lies_beyond_a_type_is_asked_for_and_rejects_no_row(
    values: list[str], kind: str, question: str, tmp_path: Path
) -> None:
    pipeline = scaffold(
        write(tmp_path / "t.csv", {"id": range(len(values)), "value": values}), tmp_path / "found"
    )
    assert column(pipeline, "value")[0] == kind
    assert question in asked(tmp_path / "found")


def test_what_is_missing_among_times_stays_a_number_elsewhere(tmp_path: Path) -> None:
    columns = {"until": [*map(str, DAYS), "infinity"], "ratio": [*map(str, range(N)), "infinity"]}
    pipeline = scaffold(write(tmp_path / "t.csv", columns), tmp_path / "found")
    assert column(pipeline, "until")[1][-1] is None
    assert column(pipeline, "ratio")[1][-1] == float("inf")


def test_decimals_of_parquet_keep_their_digits(tmp_path: Path) -> None:
    values = [Decimal(i) / 8 for i in range(N)]
    pq.write_table(pa.table({"price": pa.array(values, pa.decimal128(12, 3))}), tmp_path / "t.parquet")
    assert column(scaffold(tmp_path / "t.parquet", tmp_path / "found"), "price") == ("decimal", values)


SHAPES = [
    pytest.param("150,4,setosa\n5.1,3.5,a\n4.9,3.0,b\n", "looks like values ('150', '4', 'setosa')", id="no-header"),
    pytest.param("Chins Situps\n5 162\n2 110\n", "whose values spaces part", id="spaces"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "question"), SHAPES)
def test_a_file_that_is_no_table_with_a_header_is_asked_for(text: str, question: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    scaffold(tmp_path / "t.csv", tmp_path / "found")
    assert question in asked(tmp_path / "found")


def test_a_file_that_mostly_does_not_fit_its_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("exported today\na,b\n1,2\nremark\n3,4\nremark\n")
    with pytest.raises(ScaffoldError, match="3 of 5 lines do not fit the header's 1 columns"):
        scaffold(tmp_path / "t.csv", tmp_path / "found")


MOSTLY = [
    pytest.param([*[f"{i}.5" for i in range(N)], "unknown"], "40 of 41 values are numbers", id="numbers"),
    pytest.param([*map(str, DAYS), "never"], "40 of 41 values are times", id="days"),
    pytest.param([*[f"1/{i + 1}/24" for i in range(28)], "still"], "dates of another form", id="slashes"),
    pytest.param([*[f"{i},5" for i in range(N)], "n.n."], "decimal commas", id="commas"),
]


@pytest.mark.parametrize(("values", "question"), MOSTLY)
def test_a_text_that_is_mostly_something_else_is_asked_for(
    values: list[str], question: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "t.csv", {"id": range(len(values)), "value": values})
    pipeline = scaffold(file, tmp_path / "found")
    assert column(pipeline, "value") == ("string", values)
    assert question in asked(tmp_path / "found")


def test_years_of_two_digits_that_lie_ahead_are_asked_for(tmp_path: Path) -> None:
    """40 is 2040, by POSIX's rule, though comic books of May 1940 are meant."""
    texts = [f"{month}-40" for month in ("May", "Jun", "Jul")]
    scaffold(write(tmp_path / "t.csv", {"first": texts}), tmp_path / "found")
    assert "the latest as 2040. Is that right?" in asked(tmp_path / "found")
