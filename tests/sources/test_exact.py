"""Values are kept exactly, or rejected with column and value: by Python's own decimals, dates and zones."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from declaration.datasets import DatasetSpec
from sources.local_times import LocalTimes
from sources.read import READ_TABLE, changed_clocks, read_files
from sources.rejects import REJECTS_TABLE

ZONE = ZoneInfo("America/New_York")
KINDS = ("int", "decimal", "float", "boolean", "date", "timestamp", "timestamp_tz")
REJECT = object()

Found = Mapping[str, Any]
"""For each row's name its value, or the reject's reason."""


class Reason(str):
    """Why a row was rejected."""

    __slots__ = ()


def dataset(kind: str, columns: Mapping[str, object]) -> DatasetSpec:
    source = {"type": kind, "path": "x", "max_rejected_share": 1}
    return DatasetSpec.model_validate({"source": source, "columns": {"row": "string", **columns}})


def found_in(files: Sequence[Path], spec: DatasetSpec, n_rows: int) -> Found:
    """Read files of one value a row: each row's value or reason, by its name."""
    with duckdb.connect() as connection:
        counts = read_files(connection, files, spec, name="rows", timezone=str(ZONE))
        rows = connection.sql(f"SELECT * FROM {READ_TABLE}").to_arrow_table().to_pylist()
        rejects = connection.sql(f"SELECT raw_text, reason FROM {REJECTS_TABLE}").fetchall()
    assert counts.n_read + counts.n_rejected == len(rows) + len(rejects) == n_rows
    found: dict[str, Any] = {}
    for row in rows:
        name = row.pop("row")
        found[name] = next((value for value in row.values() if value is not None), None)
    for raw, reason in rejects:
        found[re.search(r"row\d+", raw).group()] = Reason(reason)  # type: ignore[union-attr]
    assert len(found) == n_rows
    return found


def read_texts(folder: Path, texts: Sequence[tuple[str, str]], kind: str) -> Found:
    """Write one row for each type and text, with nothing in the other columns."""
    rows = [{"row": f"row{n}", of: text} for n, (of, text) in enumerate(texts)]
    path = folder / f"a.{kind}"
    if kind == "parquet":
        schema = pa.schema([(name, pa.string()) for name in ("row", *KINDS)])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    elif kind == "json":
        path.write_text("".join(json.dumps(dict.fromkeys(KINDS) | row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ("row", *KINDS), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return found_in([path], dataset(kind, {name: name for name in KINDS}), len(rows))


def oracle(kind: str, text: str) -> Any:
    """Return what a text means, by Python; REJECT where it is no such value exactly."""
    if kind == "boolean":
        return {"true": True, "t": True, "yes": True, "y": True, "1": True}.get(
            text.lower(),
            {"false": False, "f": False, "no": False, "n": False, "0": False}.get(text.lower(), REJECT),
        )
    if kind in ("int", "decimal", "float"):
        return number(kind, text)
    return time(kind, text)


def number(kind: str, text: str) -> Any:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return REJECT
    if kind == "float":
        return (
            float(text)
            if value.is_nan() or value.is_infinite() or abs(float(text)) != float("inf")
            else REJECT
        )
    if not value.is_finite() or value.adjusted() > 60:
        return REJECT
    if kind == "int":
        return int(value) if value == value.to_integral_value() and -(2**63) <= value < 2**63 else REJECT
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    significant = "".join(map(str, digits)).rstrip("0")
    scale = -exponent - (len(digits) - len(significant)) if significant else 0
    return value if scale <= 9 and abs(value) < 10**29 else REJECT


TIME = re.compile(
    r"(\d+)[-/](\d{1,2})[-/](\d{1,2})(?:[ T](\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::\d\d)?| PM)?)?"
)


def time(kind: str, text: str) -> Any:
    match = TIME.fullmatch(text)
    if match is None or len(match[1]) != 4 or match[8] == " PM":
        return REJECT
    fraction = (match[7] or "").ljust(6, "0")
    if fraction[6:].strip("0"):
        return REJECT
    try:
        day = date(int(match[1]), int(match[2]), int(match[3]))
        clock = datetime(
            day.year,
            day.month,
            day.day,
            int(match[4] or 0),
            int(match[5] or 0),
            int(match[6] or 0),
            int(fraction[:6]),
        )
    except ValueError:
        return REJECT
    instant = clock.replace(tzinfo=offset(match[8]) if match[8] else ZONE, fold=1)
    if kind == "date":
        return (
            day if instant.astimezone(ZONE) == datetime(day.year, day.month, day.day, tzinfo=ZONE) else REJECT
        )
    if kind == "timestamp":
        return REJECT if match[8] else clock
    # A clock that the zone leaves out is read with the offset from before: Python's first fold.
    there = instant.astimezone(UTC).astimezone(ZONE)
    if not match[8] and there.replace(tzinfo=None) != clock:
        instant = instant.replace(fold=0)
    return instant.astimezone(UTC)


def offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    hours, _, minutes = text[1:].partition(":")
    return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes or 0)))


NUMBERS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,12})?(e[+-]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"[0-9]{0,2}\.[0-9]{1,25}", fullmatch=True),
    st.from_regex(r"90071992547409[89][0-9](\.[05]0{0,3})?", fullmatch=True),
    st.integers(-(2**64), 2**64).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["1e400", "-1e400", "1e-400", "inf", "NaN", "0x10", "1,5", "2.5x", "-0.0", "25e-1", "2.50e1", "x"]
    ),
)
TIMES = st.builds(
    "{}{}{}".format,
    st.builds(
        "{1}{0}{2:02}{0}{3:02}".format,
        st.sampled_from("-/"),
        st.one_of(
            st.integers(1970, 2037), st.sampled_from(["24", "01", "9", "024", "0024", "12024", "1899"])
        ),
        st.integers(0, 13),
        st.integers(0, 32),
    ),
    st.one_of(
        st.just(""),
        st.sampled_from(
            [" 00:00", "T00:00:00", " 00:00:00.000", " 02:30:00", " 01:30:00", "T05:00:00Z", " 04:00:00+00"]
        ),
        st.builds(
            " {:02}:{:02}:{:02}".format, st.integers(0, 25), st.integers(0, 60), st.integers(0, 60)
        ).filter(lambda clock: not clock.startswith(" 24")),
        st.from_regex(r"[T ]1[0-9]:30:0[0-9]\.[0-9]{1,9}", fullmatch=True),
    ),
    st.sampled_from(["", "", "", "Z", "+02:00", "-05:30", " PM"]),
).filter(lambda text: ":" in text or text[-1].isdigit())
TRUTHS = st.sampled_from(
    ["true", "False", "t", "F", "yes", "No", "y", "1", "0", "2", "0.5", "1.0", "on", "-1"]
)
TEXTS = st.one_of(
    st.tuples(st.sampled_from(["int", "decimal", "float"]), NUMBERS),
    st.tuples(st.sampled_from(["date", "timestamp", "timestamp_tz"]), TIMES),
    st.tuples(st.just("boolean"), TRUTHS),
)


def is_as_meant(kind: str, text: str, value: Any) -> bool:
    """Tell whether a text became what it means, or a reject that names column and text."""
    meant = oracle(kind, text)
    if meant is REJECT:
        if not isinstance(value, Reason) or kind not in value:
            return False
        # Of a year beyond 9999 the row is kept beside the reason, where it has such a day.
        is_beyond = re.match(r"\d{5}", text) is not None and "between the years" in value
        return is_beyond or text.strip() in value or is_same_number(text, value)
    if isinstance(meant, float) and meant != meant:
        return bool(value != value)
    if isinstance(meant, datetime) and meant.tzinfo and meant.year < 1900:
        return isinstance(value, datetime)
    return type(value) is type(meant) and bool(value == meant)


def is_same_number(text: str, reason: str) -> bool:
    """Tell whether a reason ends with the number, spelt otherwise: the reader's own numbers have no plus."""
    try:
        return Decimal(text) == Decimal(reason.rpartition(": ")[2])
    except InvalidOperation:
        return False


@settings(max_examples=8)
@given(texts=st.lists(TEXTS, min_size=1, max_size=60))
@example(
    texts=[("int", "9007199254740993.5"), ("int", "82544000000000707.52"), ("int", "9007199254740993.0")]
)
@example(
    texts=[("decimal", "0.1234567894"), ("decimal", "1.000000000000000001"), ("decimal", "1.10000000000")]
)
@example(
    texts=[
        ("date", "24-01-02"),
        ("date", "01/02/24"),
        ("timestamp_tz", "24-01-02"),
        ("date", "2024-01-01 10:00"),
    ]
)
@example(texts=[("timestamp_tz", "2024-03-10 02:30:00"), ("timestamp_tz", "2024-11-03 01:30:00")])
@example(texts=[("date", "12024-00-00"), ("date", "12024-01-01"), ("timestamp_tz", "12024-01-01 00:00:00Z")])
def test_a_text_is_what_it_means_or_a_reject_in_every_format(texts: list[tuple[str, str]]) -> None:
    for format_ in ("csv", "json", "parquet"):
        with TemporaryDirectory() as folder:
            found = read_texts(Path(folder), texts, format_)
        wrong = [
            (kind, text, found[f"row{n}"])
            for n, (kind, text) in enumerate(texts)
            if not is_as_meant(kind, text, found[f"row{n}"])
        ]
        assert not wrong, (format_, [(k, t, v, oracle(k, t)) for k, t, v in wrong])


@settings(max_examples=8)
@given(
    numbers=st.lists(
        NUMBERS.filter(lambda text: re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?", text)),
        min_size=1,
        max_size=40,
    )
)
@example(
    numbers=["9007199254740993.5", "82544000000000707.52", "9007199254740993.0", "2.00000000000000000001"]
)
def test_a_number_of_json_keeps_its_digits(numbers: list[str]) -> None:
    kinds = ("int", "decimal", "float")
    lines = [(kind, text) for text in numbers for kind in kinds]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_text(
            "".join(
                json.dumps({"row": f"row{n}"} | {other: None for other in kinds if other != kind})[:-1]
                + f', "{kind}": {text}}}\n'
                for n, (kind, text) in enumerate(lines)
            )
        )
        found = found_in([path], dataset("json", {kind: kind for kind in kinds}), len(lines))
    for n, (kind, text) in enumerate(lines):
        meant, value = oracle(kind, text), found[f"row{n}"]
        # A reject may name the number as the engine writes it.
        assert isinstance(value, Reason) if meant is REJECT else value == meant, (kind, text, value)


DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20
)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2037, 1, 1))


def exact_double(value: float, kind: str) -> Any:
    """Whole doubles are what they are; a fraction is its shortest text, as every program prints it."""
    text = (
        str(Decimal(value)) if value == value and abs(value) < 1e300 and value == int(value) else repr(value)
    )
    return number(kind, text)


@settings(max_examples=8)
@given(
    doubles=st.lists(
        st.one_of(
            st.floats(), st.integers(-(2**70), 2**70).map(float), st.sampled_from([0.0, 1.0, 2.0, 0.5])
        ),
        max_size=20,
    ),
    decimals=st.lists(DECIMALS, max_size=20),
    integers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20),
    nanoseconds=st.lists(st.integers(0, 2 * 10**18), max_size=20),
)
@example(
    doubles=[2.0, 0.5, 9007199254740994.0, 1e22, 0.1],
    decimals=[Decimal("3.5")],
    integers=[2**53 + 1, 2],
    nanoseconds=[1, 1000],
)
def test_a_typed_value_is_itself_or_a_reject(
    doubles: list[float], decimals: list[Decimal], integers: list[int], nanoseconds: list[int]
) -> None:
    """Files of one source differ in their types: each is cast from its own."""
    expected: list[tuple[str, Any]] = []
    rows: dict[str, list[tuple[str, Any]]] = {"double": [], "decimal": [], "int64": [], "ns": []}

    def expect(given: str, kind: str, value: Any, meant: Any) -> None:
        rows[given].append((kind, value))
        expected.append((f"row{len(expected)}", meant))

    for double in doubles:
        for kind in ("int", "decimal"):
            expect("double", kind, double, exact_double(double, kind))
        expect("double", "boolean", double, {0.0: False, 1.0: True}.get(double, REJECT))
    for one in decimals:
        expect("decimal", "int", one, number("int", str(one)))
        expect("decimal", "decimal", one, number("decimal", str(one)))
        expect("decimal", "boolean", one, bool(one) if one in (0, 1) else REJECT)
    for whole in integers:
        expect("int64", "int", whole, whole)
        expect("int64", "decimal", whole, Decimal(whole))
        expect("int64", "float", whole, float(whole))
        expect("int64", "boolean", whole, {0: False, 1: True}.get(whole, REJECT))
    for count in nanoseconds:
        clock = datetime(1970, 1, 1) + timedelta(microseconds=count // 1000)
        expect("ns", "timestamp", count, clock if count % 1000 == 0 else REJECT)
        expect(
            "ns",
            "date",
            count,
            clock.date() if count % 1000 == 0 and clock.time() == datetime.min.time() else REJECT,
        )
    if not expected:
        return
    types = {
        "double": pa.float64(),
        "decimal": pa.decimal128(38, 12),
        "int64": pa.int64(),
        "ns": pa.timestamp("ns"),
    }
    with TemporaryDirectory() as folder:
        files, number_of_row = [], 0
        for given_type, values in rows.items():
            names = [f"row{number_of_row + n}" for n in range(len(values))]
            number_of_row += len(values)
            kinds = {kind for kind, _ in values}
            columns = {
                kind: pa.array([v if k == kind else None for k, v in values], types[given_type])
                for kind in kinds
            }
            if values:
                files.append(Path(folder) / f"{given_type}.parquet")
                pq.write_table(pa.table({"row": pa.array(names, pa.string()), **columns}), files[-1])
        kinds = {kind for values in rows.values() for kind, _ in values}
        found = found_in(
            files,
            dataset("parquet", {kind: {"type": kind, "optional": True} for kind in kinds}),
            len(expected),
        )
    for name, meant in expected:
        value = found[name]
        assert (
            isinstance(value, Reason) if meant is REJECT else value == meant and type(value) is type(meant)
        ), (name, value)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_computed_column_is_itself_or_a_reject(tmp_path: Path, kind: str) -> None:
    columns: dict[str, object] = {
        "whole": {"type": "int", "sql": "CAST(v AS DECIMAL(20, 2)) / 2"},
        "is_on": {"type": "boolean", "sql": "CAST(v AS DOUBLE) / 2"},
        "price": {"type": "decimal", "sql": "CAST(v AS DECIMAL(20, 10)) / 1"},
        "day": {"type": "date", "sql": "CAST(d AS TIMESTAMP)"},
        "early": {"type": "date", "sql": "CAST(d AS DATE)"},
        "parsed": {"type": "timestamp", "sql": "strptime(d, '%Y-%m-%d')"},
    }
    values = {
        "row": ["row0", "row1", "row2", "row3"],
        "v": ["2", "4", "1.0000000001", "0"],
        "d": ["2024-01-02", "24-01-02", "2024-01-02", "2024-01-03 10:00"],
    }
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(values), path)
    else:
        path.write_text(
            "\n".join(",".join(row) for row in zip(*[(k, *v) for k, v in values.items()], strict=True)) + "\n"
        )
    found = found_in([path], dataset(kind, columns), 4)
    assert found["row0"] == 1
    assert "is_on: neither true nor false, 1 nor 0: 2" in found["row1"]
    assert (
        "early: a year of fewer than four digits, as it seems (strptime reads two with %y): 0024-01-02"
        in found["row1"]
    )
    assert "parsed: a year of fewer than four digits" in found["row1"]
    assert "whole: not a whole number of 64 bits: 0.5" in found["row2"]
    assert "day: a day with a clock or a zone: 2024-01-03 10:00:00" in found["row3"]


ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Tehran", "UTC")
CHANGES = st.sampled_from(
    [
        "2024-03-10 02:30",
        "2024-11-03 01:30",
        "2024-03-31 02:15",
        "2024-10-27 02:15",
        "2024-04-07 01:45",
        "2024-10-06 02:15",
    ]
)
CLOCKS = st.one_of(CHANGES.map(datetime.fromisoformat), INSTANTS.map(lambda at: at.replace(microsecond=0)))


@settings(max_examples=8)
@given(
    clocks=st.lists(CLOCKS, min_size=1, max_size=30), name=st.sampled_from(ZONES), is_damaged=st.booleans()
)
def test_clocks_that_a_zone_has_twice_or_not_are_counted_and_read_as_documented(
    clocks: list[datetime], name: str, is_damaged: bool
) -> None:
    zone = ZoneInfo(name)
    folds = [(clock.replace(tzinfo=zone), clock.replace(tzinfo=zone, fold=1)) for clock in clocks]
    missing = [
        first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != clock
        for clock, (first, _) in zip(clocks, folds, strict=True)
    ]
    twice = [a.utcoffset() != b.utcoffset() and not gone for (a, b), gone in zip(folds, missing, strict=True)]
    meant = [
        (first if gone else second).astimezone(UTC)
        for (first, second), gone in zip(folds, missing, strict=True)
    ]
    # The same instants with their offset are no question.
    offsets = [first.isoformat() for first, _ in folds]
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        path = Path(folder) / "a.csv"
        rows = "".join(f"1,{clock},{sure}\n" for clock, sure in zip(clocks, offsets, strict=True))
        path.write_text("n,at,sure\n" + rows + ("x,,\n" if is_damaged else ""))
        spec = DatasetSpec.model_validate(
            {
                "source": {"type": "csv", "path": "x"},
                "columns": {"n": "int", "at": "timestamp_tz", "sure": "timestamp_tz"},
            }
        )
        read_files(connection, [path], spec, name="rows", timezone=name)
        found = [at.astimezone(UTC) for (at,) in connection.sql(f'SELECT "at" FROM {READ_TABLE}').fetchall()]
        counted = changed_clocks(connection, spec, name, "true")
    assert found == meant
    assert counted == ({"at": LocalTimes(sum(twice), sum(missing))} if any(twice + missing) else {})


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_column_may_be_called_as_anything_in_our_sql(kind: str, tmp_path: Path) -> None:
    """A column's name comes before that of a lambda's parameter, which was `number` once."""
    names = ["number", "amount", "x", "part", "value", "text", "at", "mantissa"]
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        path.write_text(",".join(names) + "\n" + ",".join("1.50" for _ in names) + "\n")
    else:
        path.write_text("{" + ", ".join(f'"{name}": 1.5000000000000000000' for name in names) + "}\n")
    with duckdb.connect() as connection:
        spec = DatasetSpec.model_validate(
            {"source": {"type": kind, "path": "a"}, "columns": dict.fromkeys(names, "decimal")}
        )
        read_files(connection, [path], spec, name="a", timezone="UTC")
        assert connection.sql(f"SELECT * FROM {READ_TABLE}").fetchall() == [(Decimal("1.5"),) * len(names)]
