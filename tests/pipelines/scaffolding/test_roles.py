"""Identifiers are no quantities and no targets; rules hold to what was seen where that says something."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.scaffolding.columns import Column, FileColumns
from pipelines.scaffolding.roles import Key, is_code, rank_targets
from pipelines.scaffolding.rules import suggest
from tests.pipelines.scaffolding.scaffolded import scaffold

ROW = Key(("row_number",), "", is_made=True)


def whole(name: str, low: int = 1, high: int = 900, n_distinct: int = 300, n_rows: int = 1000) -> Column:
    return Column(
        name, "int", n_rows, 0, n_distinct, low=low, high=high, quartiles=(200, 400, 600), extremes=(low, high), place=1
    )  # fmt: skip


CODES = ["id", "customer_id", "CustomerID", "orderId", "order no", "zip", "store", "Phone", "account_number", "key", "id_shop", "row"]  # fmt: skip
QUANTITIES = ["amount", "n_items", "number_of_rooms", "num_products", "paid", "width", "idle", "age", "count_city", "void", "note"]  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_whole_numbers_that_are_called_as_codes_name_something(name: str) -> None:
    column = whole(name)
    assert is_code(column)
    assert not [rule for rule in suggest(FileColumns((column,)), ROW, None) if "between" in rule.expect][1:]
    assert rank_targets(FileColumns((column,)), ROW, ()) == ()


@pytest.mark.parametrize("name", QUANTITIES)
def test_other_whole_numbers_are_quantities(name: str) -> None:
    column = whole(name)
    assert not is_code(column)
    assert [candidate.column for candidate in rank_targets(FileColumns((column,)), ROW, ())] == [name]


@pytest.mark.parametrize("name", ["year", "Month", "birth_year", "day_of_week", "hour"])
def test_parts_of_dates_are_no_targets(name: str) -> None:
    assert rank_targets(FileColumns((whole(name),)), ROW, ()) == ()


@pytest.mark.parametrize(
    ("low", "high", "n_distinct", "expected"),
    [
        (1, 1000, 1000, True),  # A counter.
        (5001, 6900, 1000, True),  # A counter of which some were deleted.
        (0, 900_000, 1000, False),  # Quantities that happen not to repeat.
        (1, 900, 900, False),  # Some repeat.
    ],
)
def test_numbers_that_fill_their_range_once_are_counted(
    low: int, high: int, n_distinct: int, expected: bool
) -> None:
    assert is_code(whole("value", low, high, n_distinct)) is expected


def test_ids_are_neither_averaged_nor_proposed_nor_bounded(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "order_id": np.arange(7_000, 7_600),
            "customer_id": generator.integers(1, 60, 600) * 1_317,
            "placed_at": [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(600)],
            "amount": generator.normal(10, 1, 600).round(2),
        }
    )
    frame.to_csv(tmp_path / "orders.csv", index=False)
    pipeline = scaffold(tmp_path / "orders.csv", tmp_path / "found")
    text = (tmp_path / "found" / "defs.yaml").read_text()
    assert pipeline.spec.datasets["orders"].key == ("order_id",)
    assert pipeline.spec.entities == {"customer_id": ("customer_id",)}
    assert "1. amount" in text
    assert "2. " not in text.split("Plausible targets")[1].split("Scaffold again")[0]
    bounded = [rule.arguments["column"] for rule in pipeline.spec.datasets["orders"].expectations if rule.expect == "column_values_to_be_between"]  # fmt: skip
    assert bounded == ["amount"]
    views = "".join(file.read_text() for file in (tmp_path / "found" / "features").iterdir())
    assert "mean_amount" in views
    assert "mean_order_id" not in views
    assert "mean_customer_id" not in views


GENERATOR = np.random.default_rng(7)
TAILS = [
    pytest.param(GENERATOR.normal(0, 1, 1000), True, True, id="normal"),
    pytest.param(GENERATOR.exponential(1, 1000), True, True, id="exponential"),
    pytest.param(np.append(GENERATOR.normal(0, 1, 1000), 1e9), True, False, id="one-sentinel-above"),
    pytest.param(np.append(GENERATOR.normal(0, 1, 1000), -1e9), False, True, id="one-sentinel-below"),
    pytest.param(np.append(GENERATOR.normal(5, 1, 1000), [-1e9, 1e9]), False, False, id="both"),
    pytest.param(np.append(GENERATOR.exponential(1, 1000), 1e9), True, False, id="never-negative"),
    pytest.param(np.tan(np.pi * (GENERATOR.random(5000) - 0.5)), False, False, id="cauchy"),
]


@pytest.mark.parametrize(("values", "has_least", "has_most"), TAILS)
def test_a_wild_tail_sets_no_limit(values: np.ndarray, has_least: bool, has_most: bool) -> None:
    """numpy's quantiles are the oracle of what the engine would measure."""
    low, first, middle, third, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    column = Column(
        "value", "float", len(values), 0, len(values), low=low, high=high, quartiles=(first, middle, third),
        extremes=tuple(np.quantile(values, [0.001, 0.999])),
    )  # fmt: skip
    found = [dict(rule.arguments) for rule in suggest(FileColumns((column,)), ROW, None) if rule.expect == "column_values_to_be_between"]  # fmt: skip
    limits = found[0] if found else {}
    assert ("min_value" in limits, "max_value" in limits) == (has_least, has_most)
