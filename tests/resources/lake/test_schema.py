"""A column's type changes without loss, or not at all: no value is ever another one than was written."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from declaration.column_types import common_type, kept_type
from resources.lake.lake import Lake, LakeError, scan

NOON = datetime(2024, 1, 1, 12, 30)

VALUES = {
    "boolean": pa.array([True], pa.bool_()),
    "int": pa.array([7], pa.int64()),
    "float": pa.array([3.7], pa.float64()),
    "decimal": pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
    "text": pa.array(["007"], pa.string()),
    "date": pa.array([date(2024, 1, 1)], pa.date32()),
    "wall clock": pa.array([NOON], pa.timestamp("us")),
    "instant": pa.array([NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
    "list": pa.array([[1]], pa.list_(pa.int64())),
}

MEET = {("int", "float"), ("float", "int"), ("int", "decimal"), ("decimal", "int")}
"""Pairs of which one type holds both values exactly."""

LOSSY = [(a, b) for a in VALUES for b in VALUES if a != b and (a, b) not in MEET]


def column(values: pa.Array) -> pa.Table:
    return pa.table({"x": values})


@pytest.mark.parametrize(("was", "now"), LOSSY, ids=[f"{a} to {b}" for a, b in LOSSY])
def test_a_type_that_does_not_hold_the_other_is_refused_before_anything_is_written(
    lake: Lake, was: str, now: str
) -> None:
    written = lake.write("p/raw/x", column(VALUES[was]), partition="a")
    files = sorted(lake.table_path("p/raw/x").iterdir())
    with pytest.raises(LakeError, match=r"table 'p/raw/x': column 'x' is .* Nothing was written. Restore"):
        lake.write("p/raw/x", column(VALUES[now]), partition="b")
    assert lake.snapshot("p/raw/x") == written
    assert sorted(lake.table_path("p/raw/x").iterdir()) == files


@pytest.mark.parametrize(("was", "now"), [("float", "boolean"), ("text", "int"), ("instant", "wall clock")])
def test_what_is_appended_is_compared_too(lake: Lake, was: str, now: str) -> None:
    lake.append("p/history", column(VALUES[was]))
    with pytest.raises(LakeError, match="neither type holds every value of the other"):
        lake.append("p/history", column(VALUES[now]))
    assert lake.read("p/history")["x"].to_pylist() == VALUES[was].to_pylist()


WIDER = {
    "int32 to int64": (pa.array([1, None], pa.int32()), pa.array([2**40], pa.int64()), "int64"),
    "int64 to int32": (pa.array([2**40], pa.int64()), pa.array([1], pa.int32()), "int64"),
    "float32 to float64": (pa.array([1.5], pa.float32()), pa.array([0.1], pa.float64()), "double"),
    "int32 to float64": (pa.array([3], pa.int32()), pa.array([3.7]), "double"),
    "int64 to float64": (pa.array([2**53], pa.int64()), pa.array([-0.4]), "double"),
    "float64 to int64": (pa.array([-0.4]), pa.array([2**53], pa.int64()), "double"),
    "decimal of more whole digits": (
        pa.array([Decimal("1.25")], pa.decimal128(5, 2)),
        pa.array([Decimal("123456.75")], pa.decimal128(9, 2)),
        "decimal128(9, 2)",
    ),
    "decimals that both lack digits": (
        pa.array([Decimal("12345678.25")], pa.decimal128(10, 2)),
        pa.array([Decimal("1.0625")], pa.decimal128(8, 4)),
        "decimal128(12, 4)",
    ),
    "int64 to decimal": (
        pa.array([-(2**63)], pa.int64()),
        pa.array([Decimal("1.5")], pa.decimal128(9, 1)),
        "decimal128(20, 1)",
    ),
    "NULL to text": (pa.array([None, None], pa.int32()), pa.array(["007"]), "string"),
    "text to NULL": (pa.array(["007"]), pa.array([None], pa.int32()), "string"),
    "no type to text": (pa.nulls(2), pa.array(["007"]), "string"),
    "text to no type": (pa.array(["007"]), pa.nulls(2), "string"),
    "lists": (pa.array([[1]], pa.list_(pa.int32())), pa.array([[2**40]], pa.list_(pa.int64())), "list"),
}


@pytest.mark.parametrize(("was", "now", "kind"), WIDER.values(), ids=WIDER)
def test_a_column_takes_the_type_that_holds_both_in_the_commit_of_the_new_rows(
    lake: Lake, was: pa.Array, now: pa.Array, kind: str
) -> None:
    before = lake.write("p/raw/x", column(was), partition="a")
    after = lake.write("p/raw/x", column(now), partition="b")
    assert after.version == before.version + 1
    assert str(after.schema.field("x").type).startswith(kind)
    expected = [*was.to_pylist(), *now.to_pylist()]
    assert lake.read("p/raw/x")["x"].to_pylist() == expected
    found = duckdb.sql(f"SELECT x FROM {scan(after, ['a', 'b'])}").fetchall()
    assert [value for (value,) in found] == expected
    # Who reads the version of before sees it as it was.
    assert lake.read("p/raw/x", version=before.version).equals(column(was).cast(before.schema))
    assert {key: after.rows_by_partition[key] for key in ("a", "b")} == {"a": len(was), "b": len(now)}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_whole_number_that_no_fraction_holds_is_refused(lake: Lake, is_first: bool) -> None:
    odd, fraction = column(pa.array([2**53 + 1], pa.int64())), column(pa.array([0.5]))
    lake.write("p/raw/x", odd if is_first else fraction, partition="a")
    with pytest.raises(
        LakeError, match=r"column 'x' is int64, and not all of its values can be kept as double"
    ):
        lake.write("p/raw/x", fraction if is_first else odd, partition="b")
    assert lake.snapshot("p/raw/x").partitions == ("a",)
    assert len(list(lake.table_path("p/raw/x").glob("part-*"))) == 1


def test_appended_rows_widen_too(lake: Lake) -> None:
    lake.append("p/history", column(pa.array([1], pa.int32())))
    lake.append("p/history", pa.table({"x": [2.5], "note": ["new"]}))
    rows = lake.append("p/history", pa.table({"note": ["newer"], "more": [1]}))
    assert sorted(lake.read("p/history").to_pylist(), key=str) == [
        {"x": 1.0, "note": None, "more": None},
        {"x": 2.5, "note": "new", "more": None},
        {"x": None, "note": "newer", "more": 1},
    ]
    assert rows.n_rows == 3


def test_the_only_partition_may_be_written_again_with_another_type(lake: Lake) -> None:
    lake.write("p/raw/x", column(VALUES["int"]), partition="a")
    lake.write("p/raw/x", column(VALUES["text"]), partition="a")
    assert lake.read("p/raw/x")["x"].to_pylist() == ["007"]


def test_a_table_written_whole_takes_the_new_types(lake: Lake) -> None:
    before = lake.write("p/raw/x", column(VALUES["int"]))
    lake.write("p/raw/x", column(VALUES["text"]))
    assert lake.read("p/raw/x")["x"].to_pylist() == ["007"]
    assert lake.read("p/raw/x", version=before.version)["x"].to_pylist() == [7]


def test_a_column_that_goes_stays_and_is_null(lake: Lake) -> None:
    lake.write("p/raw/x", pa.table({"x": [1], "y": ["a"]}), partition="a")
    after = lake.write("p/raw/x", pa.table({"x": [2]}), partition="b")
    assert lake.read("p/raw/x").to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": None}]
    assert duckdb.sql(f"SELECT x, y FROM {scan(after, ['b'])}").fetchall() == [(2, None)]


def test_a_column_that_comes_is_null_where_only_older_partitions_are_read(lake: Lake) -> None:
    lake.write("p/raw/x", pa.table({"x": [1]}), partition="a")
    after = lake.write("p/raw/x", pa.table({"x": [2], "y": ["b"]}), partition="b")
    assert duckdb.sql(f"SELECT x, y FROM {scan(after, ['a'])}").fetchall() == [(1, None)]


def test_what_cannot_be_kept_exactly_is_refused_by_name(lake: Lake) -> None:
    finer = pa.array([1], pa.timestamp("ns"))
    with pytest.raises(LakeError, match=r"column 'x' is timestamp\[ns\], and not all of its values"):
        lake.write("p/raw/x", column(finer), partition="a")
    with pytest.raises(LakeError, match=r"'x' is uint64|column 'x' is uint64"):
        lake.write("p/raw/x", column(pa.array([2**63], pa.uint64())), partition="a")
    with pytest.raises(LakeError, match=r"Delta has no type for these columns: 'x' is time64\[us\]"):
        lake.write("p/raw/x", column(pa.array([1], pa.time64("us"))), partition="a")
    assert not lake.has("p/raw/x")


def test_other_spellings_of_a_type_are_that_type(lake: Lake) -> None:
    berlin = pa.array(
        [datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))], pa.timestamp("us", "Europe/Berlin")
    )
    lake.write("p/raw/x", pa.table({"s": ["a"], "t": VALUES["instant"]}), partition="a")
    lake.write("p/raw/x", pa.table({"s": pa.array(["b"]).dictionary_encode(), "t": berlin}), partition="b")
    found = lake.read("p/raw/x").to_pylist()
    assert found[1] == {"s": "b", "t": datetime(2023, 12, 31, 23, tzinfo=UTC)}


KINDS = st.one_of(
    st.sampled_from([pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()]),
    st.sampled_from([pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.date32()]),
    st.sampled_from([pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ms")]),
    st.builds(lambda p, s: pa.decimal128(p, min(p, s)), st.integers(1, 38), st.integers(0, 38)),
)


def _extremes(kind: pa.DataType) -> pa.Array:
    """Return the largest values of a type, and small ones that other types lack."""
    if pa.types.is_decimal(kind):
        digits = (9,) * kind.precision
        return pa.array([Decimal((sign, digits, -kind.scale)) for sign in (0, 1)], kind)
    if pa.types.is_integer(kind):
        largest = 2 ** (kind.bit_width - int(pa.types.is_signed_integer(kind))) - 1
        return pa.array([largest, 0], kind)
    if pa.types.is_floating(kind):
        return pa.array([1.5, -0.1], kind)
    texts = {"bool": [True], "string": ["007"], "date32[day]": [date(2024, 1, 1)]}
    return pa.array(texts.get(str(kind), [NOON]), kind)


@given(one=KINDS, other=KINDS)
@settings(max_examples=150, deadline=None)
def test_a_common_type_holds_the_largest_and_the_finest_of_both(one: pa.DataType, other: pa.DataType) -> None:
    a, b = kept_type(one), kept_type(other)
    common = common_type(a, b)
    assert common == common_type(b, a)
    if common is None:
        return
    for kind in (one, other):
        values = _extremes(kind)
        try:
            kept = values.cast(common)
        except pa.ArrowInvalid:
            # Refused at the value: whole numbers of 64 bits beside fractions.
            assert (kept_type(kind), common) == (pa.int64(), pa.float64())
            continue
        # Python compares numbers of different types exactly.
        assert kept.to_pylist() == values.to_pylist()
        assert kept.cast(kind).equals(values)


@given(st.lists(st.sampled_from(sorted(VALUES)), min_size=2, max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_read_or_was_refused(tmp_path: Path, kinds: list[str]) -> None:
    lake = Lake(root=str(tmp_path / "lake"))
    table, kept = f"p/{len(list(tmp_path.glob('lake/p/*')))}", []
    for number, kind in enumerate(kinds):
        try:
            lake.write(table, column(VALUES[kind]), partition=f"k{number}")
        except LakeError:
            continue
        kept.extend(VALUES[kind].to_pylist())
    assert lake.read(table)["x"].to_pylist() == kept


def test_files_keep_no_statistics_of_texts_and_floats(lake: Lake) -> None:
    written = lake.write("p/raw/x", pa.table({"s": ["a"], "f": [1.5], "i": [1], "a.b": VALUES["instant"]}))
    group = pq.ParquetFile(written.paths()[0]).metadata.row_group(0)
    kept = {group.column(i).path_in_schema: group.column(i).is_stats_set for i in range(4)}
    assert kept == {"s": False, "f": False, "i": True, "a.b": True}
