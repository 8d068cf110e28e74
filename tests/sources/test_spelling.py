"""Numbers and times of declared forms: read exactly or rejected, never as another value."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from sources.read import Counts
from tests.sources.test_csv_dialect import Table


@pytest.fixture
def table(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> Table:
    return Table(tmp_path, connection)


def column(texts: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("n", "x"), *((text, "x") for text in texts)])
    return out.getvalue()


@pytest.mark.parametrize(
    ("decimal", "thousands", "good", "bad"),
    [
        (",", None, {"1,5": 1.5, "-0,25": -0.25, " 7 ": 7.0, "1e3": 1000.0, ",5": 0.5, "2,": 2.0}, ["1.5", "1,5,5", "1_0,5", "1 000"]),
        (",", ".", {"1.234,5": 1234.5, "1.234": 1234.0, "12.345.678,25": 12345678.25, "1234,5": 1234.5}, ["0.123", "1.23", "1234.567", "1,234.5", "12.34,5"]),
        (".", ",", {"1,234.5": 1234.5, "1234": 1234.0}, ["1.234,5", "1,23", "12,34,567"]),
        (",", "\u202f", {"1\u202f234,5": 1234.5}, ["1 234,5", "1\u00a0234,5"]),
        (".", "'", {"1'234.5": 1234.5}, ["1`234.5", "'234"]),
    ],
)  # fmt: skip
def test_numbers_are_read_in_their_form_alone(
    table: Table, decimal: str, thousands: str | None, good: dict[str, float], bad: list[str]
) -> None:
    source = {"decimal": decimal, "thousands": thousands}
    assert table.read(column([*good, *bad]), {"n": "float"}, **source) == Counts(len(good), len(bad))
    assert [row[0] for row in table.rows()] == list(good.values())
    lines = [reject[1] for reject in table.rejects()]
    assert lines == [len(good) + 2 + number for number in range(len(bad))]
    assert all(f": {text}" in str(reject[2]) for text, reject in zip(bad, table.rejects(), strict=True))


def test_a_reason_names_the_form_and_the_text_as_it_is_written(table: Table) -> None:
    table.read(column(["1.5", "99999999999999999999,0", "1,5"]), {"n": "int"}, decimal=",")
    assert [reject[2] for reject in table.rejects()] == [
        "n: not a number with ',' before the fraction: 1.5",
        "n: not a whole number of 64 bits: 99999999999999999999,0",
        "n: not a whole number of 64 bits: 1,5",
    ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.decimals(-(10**12), 10**12, places=4, allow_nan=False), min_size=1, max_size=20))
def test_decimals_of_a_locale_are_exact(table: Table, values: list[Decimal]) -> None:
    german = [f"{value:,}".translate({ord(","): ".", ord("."): ","}) for value in values]
    counts = table.read(column(german), {"n": "decimal"}, decimal=",", thousands=".")
    assert counts == Counts(len(values), 0)
    assert [row[0] for row in table.rows()] == values


def test_the_first_format_that_fits_is_read(table: Table) -> None:
    texts = [
        "31.01.2024",
        "2024-02-01 10:30",
        "5 Mar 2024",
        "1.2.2024",
        "30.02.2024",
        "2024-01-31",
        "01.02.24",
        "x",
    ]
    formats = ["%d.%m.%Y", "%Y-%m-%d %H:%M", "%d %b %Y"]
    assert table.read(column(texts), {"n": "timestamp"}, formats=formats) == Counts(4, 4)
    assert [row[0] for row in table.rows()] == [
        datetime(2024, 1, 31), datetime(2024, 2, 1, 10, 30), datetime(2024, 3, 5), datetime(2024, 2, 1),
    ]  # fmt: skip
    assert [reject[1] for reject in table.rejects()] == [6, 7, 8, 9]
    assert table.rejects()[0][2] == "n: not a time in the form %d.%m.%Y, %Y-%m-%d %H:%M, %d %b %Y: 30.02.2024"


@pytest.mark.parametrize("value", [datetime(2024, 2, 29, 3, 4, 5, 67000), datetime(1999, 12, 31, 23, 59, 59)])
@pytest.mark.parametrize(
    "form",
    ["%d.%m.%Y %H:%M:%S.%f", "%Y%m%d%H%M%S%f", "%B %d, %Y %I:%M:%S.%f %p", "%a %d %b %Y %H:%M:%S.%f", "%m/%d/%y %H:%M:%S.%f", "%A, %Y-%m-%d 100%% %H:%M:%S.%f"],
)  # fmt: skip
def test_what_strftime_writes_comes_back(table: Table, value: datetime, form: str) -> None:
    assert table.read(column([value.strftime(form)]), {"n": "timestamp"}, formats=[form]) == Counts(1, 0)
    assert table.rows() == [(value,)]


def test_offsets_make_instants_and_clocks_are_read_in_the_zone(table: Table) -> None:
    texts = ["1.1.2024 10:00 +0200", "1.1.2024 10:00 Z", "1.1.2024 10:00 -05:30", "1.1.2024 10:00"]
    formats = ["%d.%m.%Y %H:%M %z", "%d.%m.%Y %H:%M"]
    assert table.read(column(texts), {"n": "timestamp_tz"}, formats=formats) == Counts(4, 0)
    hours = [(8, 0), (10, 0), (15, 30), (10, 0)]
    assert [row[0].astimezone(UTC) for row in table.rows()] == [  # type: ignore[attr-defined]  # instants
        datetime(2024, 1, 1, hour, minute, tzinfo=UTC) for hour, minute in hours
    ]
    assert table.read(column(texts), {"n": "timestamp"}, formats=formats) == Counts(1, 3)


def test_a_day_with_a_clock_or_another_weekday_is_a_reject(table: Table) -> None:
    formats = ["%d.%m.%Y %H:%M", "%a %d.%m.%Y"]
    texts = ["1.1.2024 00:00", "1.1.2024 10:00", "Mon 1.1.2024", "Tue 1.1.2024"]
    assert table.read(column(texts), {"n": "date"}, formats=formats) == Counts(2, 2)
    assert table.rows() == [(date(2024, 1, 1),)] * 2


def test_a_column_has_formats_of_its_own(table: Table) -> None:
    text = "n,x\n31.01.2024,01/31/2024\n"
    columns = {"n": "date", "x": {"type": "date", "formats": ["%m/%d/%Y"]}}
    assert table.read(text, columns, formats=["%d.%m.%Y"]) == Counts(1, 0)
    assert table.rows() == [(date(2024, 1, 31), date(2024, 1, 31))]


def test_json_texts_have_formats(table: Table) -> None:
    text = '{"n": "31.01.2024"}\n{"n": "2024-01-31"}\n'
    counts = table.read({"t.json": text.encode()}, {"n": "date"}, type="json", formats=["%d.%m.%Y"])
    assert counts == Counts(1, 1)
    assert [reject[1] for reject in table.rejects()] == [2]


def test_cells_that_are_numbers_and_times_are_read_beside_texts(table: Table) -> None:
    book = Workbook()
    for row in (("n", "day"), ("1.234,5", "31.01.2024"), (2.5, datetime(2024, 2, 1)), ("1.5", "x")):
        book.worksheets[0].append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    counts = table.read(
        {"t.xlsx": stream.getvalue()}, {"n": "float", "day": "date"}, type="excel", decimal=",", thousands=".",
        formats=["%d.%m.%Y"],
    )  # fmt: skip
    assert counts == Counts(2, 1)
    assert table.rows() == [(1234.5, date(2024, 1, 31)), (2.5, date(2024, 2, 1))]
