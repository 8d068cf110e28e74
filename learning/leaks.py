"""Leaks: columns that nearly decide the label alone, with the evidence.

Such a column is seldom a lucky feature; most often it was written after the truth was known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.single_column import Strength, Truth, known_truth, strengths
from learning.value_groups import as_numbers, is_missing

LEAK_SKILL: Mapping[ProblemType, float] = {"binary": 0.98, "multiclass": 0.98, "regression": 0.99}
"""Skill of one column alone from which it is suspected: above what the best single features of real tables reach.

For a binary label 0.98 is an AUC of 0.99 (0.98 is the AUC of the largest radius of a tumour in the breast cancer data
of scikit-learn). For classes it is the share of the errors of naming the most frequent class that the column avoids:
where that class has 99 % of the rows, an accuracy of 0.99 says nothing.
"""

MISSING_SKILL = 0.9
"""Skill (AUC 0.95) of knowing only whether a value is missing: values are lost by chance or by kind of row, seldom by
the answer. Lifeboat numbers reach 0.95 of who survived the Titanic: they were written down for the rescued."""

OUTSTANDING_SKILL = 0.9
ORDINARY_SKILL = 0.5
"""A column from the first of these on (AUC 0.95), while no other reaches the second (AUC 0.75), is worth a question."""

MIN_OTHERS = 3
"""Columns that one must stand out from."""

N_EXAMPLES = 3
MAX_TEXT = 24
"""Characters of a value that is quoted."""


@dataclass(frozen=True)
class Suspicion:
    """A column that predicts the label too well.

    Attributes
    ----------
    column
        Its name.
    measure, value
        roc_auc, accuracy or r2 of the column alone, out of fold.
    n_rows
        Labelled rows that were looked at.
    evidence
        The figure in words, and which values go with which labels.
    """

    column: str
    measure: str
    value: float
    n_rows: int
    evidence: str


def suspicious(columns: pa.Table, label: pa.Array, problem: ProblemType) -> tuple[Suspicion, ...]:
    """Find the columns that nearly decide the label alone, or by being missing.

    Parameters
    ----------
    columns
        Candidate features; one row per label. Columns of any type.
    label
        0 and 1, class names or numbers, as the problem has them; NULL where unknown.
    problem
        Chooses the measure.

    Returns
    -------
    tuple of Suspicion
        The strongest first.

    Examples
    --------
    >>> answer = pa.array([0, 1] * 200)
    >>> table = pa.table({"copy": answer, "order": pa.array(range(400))})
    >>> [found.column for found in suspicious(table, answer, "binary")]
    ['copy']
    """
    return suspects(strengths(columns, label, problem), columns, label, problem)


def suspects(
    measured: Mapping[str, Strength], columns: pa.Table, label: pa.Array, problem: ProblemType
) -> tuple[Suspicion, ...]:
    """Find the columns that are too strong among those that have been measured; see `suspicious`."""
    suspicions = [
        Suspicion(name, strength.measure, strength.value, strength.n_rows, "")
        for name, strength in measured.items()
        if strength.skill >= LEAK_SKILL[problem] or _by_missing(strength)
    ]
    if not suspicions:
        return ()
    truth = known_truth(label, problem)
    with_evidence = [
        Suspicion(suspicion.column, suspicion.measure, suspicion.value, suspicion.n_rows,
                  _evidence(measured[suspicion.column], columns[suspicion.column], label, truth, problem))
        for suspicion in suspicions
    ]  # fmt: skip
    return tuple(sorted(with_evidence, key=lambda suspicion: -suspicion.value))


def outstanding(measured: Mapping[str, Strength]) -> str | None:
    """Name the column that predicts far better than all others, if there is one.

    Not a suspicion by itself: the last value of a slow quantity does that honestly.
    """
    if len(measured) <= MIN_OTHERS:
        return None
    best, second, *_ = sorted(measured, key=lambda name: -measured[name].skill)
    is_far = measured[best].skill >= OUTSTANDING_SKILL and measured[second].skill < ORDINARY_SKILL
    return best if is_far else None


def _by_missing(strength: Strength) -> bool:
    return strength.missing_skill >= MISSING_SKILL


_NAMES = {"roc_auc": "AUC", "accuracy": "accuracy", "r2": "R²"}


def figure(strength: Strength) -> str:
    """Predictive power of a column alone, as text: `AUC 0.991 alone, on 1,000 rows`."""
    how = "whether it is missing tells it" if _by_missing(strength) else "alone"
    return f"{_NAMES[strength.measure]} {strength.value:.3f} {how}, on {strength.n_rows:,} rows"


def _evidence(
    strength: Strength, column: pa.ChunkedArray, label: pa.Array, truth: Truth, problem: ProblemType
) -> str:
    rows = pa.array(truth.positions)
    values = column.take(rows).combine_chunks()
    if problem == "regression":
        examples = _pairs(values, truth.numbers)
    elif _by_missing(strength):
        examples = _by_class(is_missing(values), ("missing", "there"), label.take(rows), problem)
    else:
        examples = _values_by_class(values, label.take(rows), problem)
    return f"{figure(strength)}: {examples}"


def _pairs(values: pa.Array, numbers: NDArray[np.float64]) -> str:
    """Show a low, a middle and a high label with the column's values."""
    order = np.argsort(numbers, kind="stable")
    shown = order[np.linspace(0, order.size - 1, N_EXAMPLES + 2).astype(np.int64)[1:-1]]
    pairs = (f"{text(values[int(at)].as_py())} with {numbers[at]:.6g}" for at in shown)
    return "label " + ", ".join(pairs)


def _by_class(
    is_first: NDArray[np.bool_], names: tuple[str, str], label: pa.Array, problem: ProblemType
) -> str:
    classes = _class_names(label, problem)
    parts = []
    for name, mask in zip(names, (is_first, ~is_first), strict=True):
        if mask.any():
            common, count = _most_common(classes[mask])
            parts.append(f"{name}: label {common} in {count:,} of {int(mask.sum()):,}")
    return "; ".join(parts)


def _values_by_class(values: pa.Array, label: pa.Array, problem: ProblemType) -> str:
    """Show which values the most frequent classes have: a range of numbers, or the most frequent texts."""
    classes = _class_names(label, problem)
    names, counts = np.unique(classes, return_counts=True)
    numbers, parts = as_numbers(values), []
    for common in names[np.argsort(-counts, kind="stable")][:N_EXAMPLES]:
        inside = pa.array(classes == common)
        class_values = values.filter(inside).drop_null()
        if not len(class_values):
            parts.append(f"label {common} has none")
        elif numbers is None or pa.types.is_boolean(values.type):
            parts.append(f"label {common} has {_frequent(class_values)}")
        else:
            bounds = pc.min_max(class_values)
            low, high = text(bounds["min"].as_py()), text(bounds["max"].as_py())
            parts.append(f"label {common} has {low}" + (f" to {high}" if high != low else ""))
    return "; ".join(parts)


def _frequent(values: pa.Array) -> str:
    counted = sorted(
        (-entry["counts"], text(entry["values"])) for entry in pc.value_counts(values).to_pylist()
    )
    more = ", …" if len(counted) > N_EXAMPLES else ""
    return ", ".join(value for _, value in counted[:N_EXAMPLES]) + more


def _class_names(label: pa.Array, problem: ProblemType) -> NDArray[np.str_]:
    whole = label.cast(pa.float64()).cast(pa.int64()) if problem == "binary" else label
    return np.asarray(whole.cast(pa.string()).to_pylist(), dtype=np.str_)


def _most_common(classes: NDArray[np.str_]) -> tuple[str, int]:
    names, counts = np.unique(classes, return_counts=True)
    return str(names[counts.argmax()]), int(counts.max())


def text(value: object) -> str:
    """Write a value in few characters."""
    written = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return written if len(written) <= MAX_TEXT else f"{written[: MAX_TEXT - 1]}…"
