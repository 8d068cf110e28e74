"""What holds of every drift method: nothing is found in the window itself, and the more it moved the more is sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from declaration.drift import DriftMethod, DriftSpec
from declaration.types import Sensitivity
from drift.columns.verdict import DriftVerdict, decide_drift
from drift.sketch.counts import ReferenceSketch
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

Columns = Mapping[str, np.ndarray | pa.Array]
N_ROWS = 4_000
MOVES = ((0.0, 0.0), (0.1, 0.02), (0.25, 0.05), (0.5, 0.15), (1.0, 0.4), (2.0, 0.9))
"""How far a window moved: its mean in standard deviations, and the share of rows whose category is another."""


def drawn(seed: int, n: int = N_ROWS) -> dict[str, np.ndarray]:
    """Draw a number and a category."""
    draw = np.random.default_rng(seed)
    return {
        "number": draw.normal(size=n),
        "category": draw.choice(np.array(["a", "b", "c"]), n, p=[0.6, 0.3, 0.1]),
    }


@pytest.fixture(scope="module")
def reference() -> ReferenceSketch:
    """Sketch the rows that a champion learned from."""
    with duckdb.connect() as connection:
        connection.register("t", pa.table(drawn(0)))
        return sketch_reference(connection, "t", ["number", "category"])


@pytest.fixture(params=get_args(DriftMethod))
def method(request: pytest.FixtureRequest) -> DriftMethod:
    """Return each method that a declaration may name."""
    found: DriftMethod = request.param
    return found


def judged(
    reference: ReferenceSketch,
    columns: Columns,
    method: DriftMethod,
    sensitivity: Sensitivity = "high",
    **blocks: object,
) -> DriftVerdict:
    with duckdb.connect() as connection:
        connection.register("w", pa.table(dict(columns)))
        current = sketch_window(connection, "w", bins_of(reference))
    spec = DriftSpec.model_validate({"method": method, "sensitivity": sensitivity, **blocks})
    n_rows = len(columns["number"])
    return decide_drift(reference, current, n_current=n_rows, importances={}, spec=spec)


def strengths(verdict: DriftVerdict) -> dict[str, float]:
    return {column.column: column.strength for column in verdict.columns}


def moved(shift: float = 0.0, share: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Return a window whose number is shifted, and whose first rows have another category."""
    columns = drawn(seed)
    is_other = np.arange(N_ROWS) < share * N_ROWS
    return {"number": columns["number"] + shift, "category": np.where(is_other, "c", columns["category"])}


def test_the_window_itself_has_no_drift_at_all(reference: ReferenceSketch, method: DriftMethod) -> None:
    verdict = judged(reference, drawn(0), method)
    assert (verdict.status, verdict.drift_score, verdict.drifted()) == ("stable", 0.0, ())
    assert strengths(verdict) == {"number": 0.0, "category": 0.0}


@pytest.mark.parametrize("seed", range(1, 4))
def test_other_rows_of_the_same_kind_are_stable(
    reference: ReferenceSketch, method: DriftMethod, seed: int
) -> None:
    assert judged(reference, drawn(seed), method).status == "stable"


def test_the_order_of_rows_is_nothing(reference: ReferenceSketch, method: DriftMethod) -> None:
    columns = moved(0.3, 0.2, seed=1)
    order = np.random.default_rng(2).permutation(N_ROWS)
    found = judged(reference, columns, method)
    again = judged(reference, {name: values[order] for name, values in columns.items()}, method)
    assert found.status == "drifted"
    assert [(c.column, c.status, [f.kind for f in c.findings]) for c in again.columns] == [
        (c.column, c.status, [f.kind for f in c.findings]) for c in found.columns
    ]
    # Sums over another order differ in the last digits.
    assert strengths(again) == pytest.approx(strengths(found), rel=1e-9)


@pytest.mark.parametrize("sensitivity", get_args(Sensitivity))
def test_the_more_it_moved_the_stronger_and_never_below_zero(
    reference: ReferenceSketch, method: DriftMethod, sensitivity: Sensitivity
) -> None:
    found = [strengths(judged(reference, moved(*move, seed=1), method, sensitivity)) for move in MOVES]
    for column in ("number", "category"):
        rising = [one[column] for one in found]
        assert rising == sorted(rising)
        assert rising[0] >= 0
        assert rising[-1] == 1.0


@pytest.mark.parametrize("column", ["number", "category"])
def test_only_the_column_that_moved_is_named(
    reference: ReferenceSketch, method: DriftMethod, column: str
) -> None:
    columns = moved(shift=1.0 * (column == "number"), share=0.5 * (column == "category"), seed=1)
    verdict = judged(reference, columns, method)
    assert verdict.status == "drifted"
    assert [found.column for found in verdict.drifted()] == [column]
    (finding,) = verdict.drifted()[0].certain
    assert (finding.method, finding.kind) == (method, "distribution")


def test_a_less_sensitive_rule_finds_no_more(reference: ReferenceSketch, method: DriftMethod) -> None:
    for shift, share in ((0.1, 0.05), (0.3, 0.2), (0.6, 0.4)):
        columns = moved(shift, share, seed=1)
        low, medium, high = (
            {found.column for found in judged(reference, columns, method, sensitivity).drifted()}
            for sensitivity in ("low", "medium", "high")
        )
        assert low <= medium <= high


def test_too_few_rows_are_no_verdict_however_far_they_moved(
    reference: ReferenceSketch, method: DriftMethod
) -> None:
    columns = {name: values[:49] for name, values in moved(5.0, 1.0).items()}
    verdict = judged(reference, columns, method, min_rows=50)
    assert (verdict.status, verdict.drift_score, verdict.drifted()) == ("insufficient data", None, ())


def test_no_rows_are_no_verdict(reference: ReferenceSketch, method: DriftMethod) -> None:
    columns = {name: values[:0] for name, values in drawn(0).items()}
    assert judged(reference, columns, method).status == "insufficient data"


def test_a_column_of_nothing_and_a_column_of_one_value_are_judged(method: DriftMethod) -> None:
    full = {"number": np.full(N_ROWS, 2.5), "category": np.full(N_ROWS, "a")}
    with duckdb.connect() as connection:
        connection.register("t", pa.table(full))
        constant = sketch_reference(connection, "t", ["number", "category"])
    assert strengths(judged(constant, full, method)) == {"number": 0.0, "category": 0.0}
    verdict = judged(constant, {**full, "number": pa.nulls(N_ROWS, pa.float64())}, method)
    assert [found.column for found in verdict.drifted()] == ["number"]
    assert [finding.kind for finding in verdict.drifted()[0].certain] == ["missing values"]
