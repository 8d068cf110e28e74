"""A schema is what a declaration says of a dataset's columns; what changed between two is said in words."""

from typing import Any

import pytest

from declaration.datasets import DatasetSpec
from declaration.schemas import changes, renames, schema_of


def dataset(columns: dict[str, Any], **keys: Any) -> DatasetSpec:
    return DatasetSpec.model_validate({"source": {"type": "csv", "path": "x"}, "columns": columns, **keys})


BEFORE = schema_of(dataset({"id": "int", "amount": "float", "at": "date"}))


def test_nullability_and_absence_are_what_the_reader_enforces() -> None:
    columns = {
        "at": "timestamp", "plain": "int", "maybe": {"type": "int", "optional": True},
        "late": {"type": "int", "since": "2024-03-01"}, "going": {"type": "int", "deprecated": "2024-06-01"},
        "made": {"type": "int", "sql": "plain + 1"},
    }  # fmt: skip
    found = schema_of(dataset(columns, event_time="at")).columns
    assert [(c.name, c.is_nullable, c.is_optional) for c in found] == [
        ("at", False, False), ("plain", True, False), ("maybe", True, True), ("late", True, True),
        ("going", True, True), ("made", True, False),
    ]  # fmt: skip
    assert [c.source for c in found][-2:] == ["going", ""]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"price": {"type": "float", "renamed_from": "amount"}}, {"price": "amount"}),
        ({"price": {"type": "float", "source": "amount"}}, {"price": "amount"}),
        ({"amount": {"type": "float", "source": "price"}}, {}),
        ({"amount": "float", "price": {"type": "float", "source": "amount"}}, {}),
        ({"a": {"type": "float", "source": "amount"}, "b": {"type": "float", "source": "amount"}}, {}),
        ({"price": {"type": "float", "sql": "amount"}}, {}),
    ],
    ids=["declared", "same source", "the source renamed it", "the old one stays", "two of one", "computed"],
)
def test_a_column_is_renamed_where_it_says_so_or_reads_the_same(
    columns: dict[str, Any], expected: dict[str, str]
) -> None:
    now = schema_of(dataset({"id": "int", "at": "date", **columns}))
    assert renames(now, BEFORE) == expected


def test_changes_are_told() -> None:
    now = schema_of(
        dataset(
            {
                "id": {"type": "float", "description": "Place."},
                "price": {"type": "float", "source": "amount", "deprecated": "2024-06-01"},
                "size": {"type": "int", "since": "2024-03-01"},
            }
        )
    )
    assert [*changes(BEFORE, now)] == [
        "'at' was removed", "'id' was int and is float", "'id' is described anew", "'amount' was renamed to 'price'",
        "'price' is deprecated from 2024-06-01 on", "'size' (int) was added, since 2024-03-01",
    ]  # fmt: skip
    assert [*changes(now, now)] == []


def test_a_hash_tells_all_that_is_said_of_columns() -> None:
    assert BEFORE.hash == schema_of(dataset({"id": "int", "amount": "float", "at": "date"})).hash
    for other in ({"type": "int", "description": "d"}, {"type": "int", "optional": True}, "float"):
        assert schema_of(dataset({"id": other, "amount": "float", "at": "date"})).hash != BEFORE.hash
