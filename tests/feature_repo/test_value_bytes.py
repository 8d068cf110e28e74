"""Values and keys are serialized as Feast serializes them, one by one."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from feast import ValueType
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.entity_keys import EntityKeyError, entity_key_bytes
from feature_repo.value_bytes import value_bytes

FIELDS = ("int64_val", "string_val", "int32_val", "bytes_val")
"""Of the message `Value`, as the test's join keys."""

INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INSTANTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))

KINDS: dict[ValueType, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    ValueType.DOUBLE: (st.floats(), pa.float64()),
    ValueType.FLOAT: (st.floats(width=32), pa.float32()),
    ValueType.INT64: (INT64, pa.int64()),
    ValueType.INT32: (INT32, pa.int32()),
    ValueType.STRING: (TEXT, pa.string()),
    ValueType.BYTES: (st.binary(), pa.binary()),
    ValueType.BOOL: (st.booleans(), pa.bool_()),
    # Whole seconds: Feast rounds the finer ones before 1970 up or down, by the type that carries them.
    ValueType.UNIX_TIMESTAMP: (INSTANTS.map(lambda t: t.replace(microsecond=0)), pa.timestamp("us", "UTC")),
    ValueType.INT64_LIST: (st.lists(INT64, min_size=1), pa.list_(pa.int64())),
}


def feasts_bytes(values: list[Any], kind: ValueType) -> list[bytes]:
    """One at a time: Feast judges a column by its first value."""
    return [
        b"" if value is None else python_values_to_proto_values([value], kind)[0].SerializeToString()
        for value in values
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_values_are_feasts(kind: ValueType) -> None:
    strategy, arrow = KINDS[kind]
    # Feast takes an empty value that stands alone for a null: those have a test of their own.
    values = st.lists(st.none() | strategy.filter(lambda value: value not in ("", b"")))

    @given(values, st.integers(0, 5))
    def check(values: list[Any], cut: int) -> None:
        column = pa.chunked_array([pa.array(values[:cut], arrow), pa.array(values[cut:], arrow)])
        assert value_bytes(column, kind) == feasts_bytes(values, kind)

    check()


def test_empty_texts_are_not_null() -> None:
    # Field 2 with wire type 2 is 0x12, field 1 is 0x0a; then the length.
    assert value_bytes(pa.array(["", None]), ValueType.STRING) == [b"\x12\x00", b""]
    assert value_bytes(pa.array([b"", None]), ValueType.BYTES) == [b"\x0a\x00", b""]


def test_parts_of_a_second_are_cut_off_before_1970_too() -> None:
    moment = datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)
    column = pa.array([moment], pa.timestamp("us", "UTC"))
    assert value_bytes(column, ValueType.UNIX_TIMESTAMP) == value_bytes(
        pa.array([moment.replace(microsecond=0)], pa.timestamp("us", "UTC")), ValueType.UNIX_TIMESTAMP
    )


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid, match="not in range"):
        value_bytes(pa.array([2**40]), ValueType.INT32)


@given(st.lists(st.tuples(INT64, TEXT, INT32, st.binary())))
def test_keys_are_feasts(rows: list[tuple[int, str, int, bytes]]) -> None:
    kinds = {"m": ValueType.INT64, "é": ValueType.STRING, "a": ValueType.INT32, "zz": ValueType.BYTES}
    arrows = [pa.int64(), pa.string(), pa.int32(), pa.binary()]
    columns = [pa.array([row[place] for row in rows], arrow) for place, arrow in enumerate(arrows)]
    table = pa.table(dict(zip(kinds, columns, strict=True)))
    expected = [
        serialize_entity_key(
            EntityKey(
                join_keys=list(kinds),
                entity_values=[Value(**{field: part}) for field, part in zip(FIELDS, row, strict=True)],
            )
        )
        for row in rows
    ]
    assert entity_key_bytes(table, kinds) == expected


def test_keys_that_nothing_can_look_up_are_refused() -> None:
    with pytest.raises(EntityKeyError, match="'m' is null in 1 rows"):
        entity_key_bytes(pa.table({"m": [1, None]}), {"m": ValueType.INT64})
    with pytest.raises(EntityKeyError, match=r"lack the join key 'm'\. They have: n"):
        entity_key_bytes(pa.table({"n": [1]}), {"m": ValueType.INT64})
    with pytest.raises(EntityKeyError, match="'m' is of type DOUBLE"):
        entity_key_bytes(pa.table({"m": [1.0]}), {"m": ValueType.DOUBLE})
