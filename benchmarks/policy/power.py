"""Power of the drift verdict: known changes of one column among twenty, at 5,000 rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.drift import DriftSpec
from declaration.types import Sensitivity
from drift.columns.verdict import decide_drift
from drift.sketch.counts import ReferenceSketch, WindowSketch
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

N_REFERENCE, N_CURRENT, N_PARTS = 30_000, 5_000, 6
N_NUMERIC, CATEGORY_SIZES = 14, (2, 5, 8, 12, 20, 50)
REPEATS = 60
BAR = 0.95

Numbers = NDArray[np.float64]
Change = Callable[[np.random.Generator], pa.Array]


def _category_shares(size: int) -> Numbers:
    weights = 1 / np.arange(1, size + 1)
    return np.asarray(weights / weights.sum())


def _categories(generator: np.random.Generator, shares: Numbers) -> pa.Array:
    names = pa.array([f"category {i}" for i in range(len(shares))])
    return names.take(pa.array(generator.choice(len(shares), N_CURRENT, p=shares)))


def _bimodal(generator: np.random.Generator) -> pa.Array:
    """Draw from two normals at ±0.95: same mean and variance as before."""
    side = np.where(generator.random(N_CURRENT) < 0.5, -0.95, 0.95)
    return pa.array(side + np.sqrt(1 - 0.95**2) * generator.normal(size=N_CURRENT))


def _reweighted(generator: np.random.Generator) -> pa.Array:
    """Move ten points of share from the first of five categories to the last."""
    shares = _category_shares(5)
    return _categories(generator, shares + np.array([-0.1, 0, 0, 0, 0.1]))


def _with_new(generator: np.random.Generator) -> pa.Array:
    values = _categories(generator, _category_shares(5)).to_numpy(zero_copy_only=False)
    return pa.array(np.where(generator.random(N_CURRENT) < 0.01, "never seen", values))


def _with_nulls(generator: np.random.Generator) -> pa.Array:
    return pa.array(generator.normal(size=N_CURRENT), mask=generator.random(N_CURRENT) < 0.05)


@dataclass(frozen=True)
class Case:
    """One change: of which column, at which sensitivity it must be seen."""

    name: str
    column: str
    sensitivity: Sensitivity
    change: Change


def _normal(mean: float, scale: float) -> Change:
    return lambda generator: pa.array(generator.normal(mean, scale, N_CURRENT))


CASES = (
    Case("mean +0.25 sd", "number_0", "high", _normal(0.25, 1.0)),
    Case("scale × 1.5", "number_0", "high", _normal(0.0, 1.5)),
    Case("bimodal", "number_0", "high", _bimodal),
    Case("category reweighted by 10 points", "category_1", "high", _reweighted),
    Case("nulls +5 points", "number_0", "high", _with_nulls),
    Case("new category of 1 %", "category_1", "high", _with_new),
    Case("mean +0.5 sd", "number_0", "medium", _normal(0.5, 1.0)),
    Case("scale × 2", "number_0", "medium", _normal(0.0, 2.0)),
    Case("bimodal", "number_0", "medium", _bimodal),
)


@dataclass(frozen=True)
class Detection:
    """Detection of a change: the share of draws in which it was seen in its first window."""

    case: str
    sensitivity: Sensitivity
    share: float
    n: int
    false_alarms: float
    """Share of unchanged windows in which any column drifted, at the same sensitivity."""


def measure_power(seed: int = 0) -> tuple[Detection, ...]:
    """Draw windows with each change, and count how often the changed column is called drifted."""
    generator = np.random.default_rng(seed)
    with duckdb.connect(config={"threads": 1}) as connection:
        reference = _reference(connection, generator)
        seen = np.zeros((REPEATS, len(CASES)), dtype=bool)
        alarms: Mapping[Sensitivity, list[bool]] = {"high": [], "medium": []}
        for repeat in range(REPEATS):
            calm = _sketch(connection, reference, _window(generator, N_CURRENT))
            for sensitivity, verdicts in alarms.items():
                verdicts.append(bool(_drifted(reference, calm, sensitivity)))
            for position, case in enumerate(CASES):
                changed = pa.table({case.column: case.change(generator)})
                bins = {case.column: reference[case.column].bins}
                connection.register("changed", changed)
                window = {**calm, **sketch_window(connection, "changed", bins)}
                seen[repeat, position] = case.column in _drifted(reference, window, case.sensitivity)
    return tuple(
        Detection(
            case.name,
            case.sensitivity,
            float(seen[:, position].mean()),
            REPEATS,
            float(np.mean(alarms[case.sensitivity])),
        )
        for position, case in enumerate(CASES)
    )


def _reference(connection: duckdb.DuckDBPyConnection, generator: np.random.Generator) -> ReferenceSketch:
    rows = _window(generator, N_REFERENCE)
    parts = pa.array([f"part {i * N_PARTS // N_REFERENCE}" for i in range(N_REFERENCE)])
    connection.register("reference", rows.append_column("part", parts))
    return sketch_reference(connection, "reference", rows.column_names, part_column="part")


def _window(generator: np.random.Generator, n: int) -> pa.Table:
    columns = {f"number_{i}": pa.array(generator.normal(size=n)) for i in range(N_NUMERIC)}
    for position, size in enumerate(CATEGORY_SIZES):
        names = pa.array([f"category {i}" for i in range(size)])
        columns[f"category_{position}"] = names.take(
            pa.array(generator.choice(size, n, p=_category_shares(size)))
        )
    return pa.table(columns)


def _sketch(
    connection: duckdb.DuckDBPyConnection, reference: ReferenceSketch, rows: pa.Table
) -> WindowSketch:
    connection.register("current", rows)
    return sketch_window(connection, "current", bins_of(reference))


def _drifted(reference: ReferenceSketch, window: WindowSketch, sensitivity: Sensitivity) -> set[str]:
    verdict = decide_drift(
        reference, window, n_current=N_CURRENT, importances={}, spec=DriftSpec(sensitivity=sensitivity)
    )
    return {column.column for column in verdict.drifted()}
