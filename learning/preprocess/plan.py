"""Plan of a preprocessing: of each feature which steps, where the declaration says something and where the algorithm does."""

from __future__ import annotations

from dataclasses import dataclass

from declaration.preprocess import (
    CategoryEncoding,
    CategoryFilling,
    ColumnSteps,
    NumberFilling,
    Outliers,
    PreprocessSpec,
    Scale,
)
from learning.algorithms.algorithm import Wants
from learning.encode import ColumnEncoding, FeatureEncoding
from learning.preprocess.reading import PreprocessError, column_steps

LIMITS: dict[Outliers, float] = {"none": 0.0, "iqr": 1.5, "z_score": 3.0}
"""How far a value may lie where the declaration does not say: Tukey's fences, and three standard deviations."""


@dataclass(frozen=True)
class NumberPlan:
    """Steps of a number: clipped, then filled and marked, then scaled."""

    missing: NumberFilling
    value: float
    indicator: bool
    outliers: Outliers
    limit: float
    scale: Scale


@dataclass(frozen=True)
class CategoryPlan:
    """Steps of a category; codes and mean labels are scaled as numbers are."""

    missing: CategoryFilling
    encode: CategoryEncoding
    scale: Scale


@dataclass(frozen=True)
class ColumnPlan:
    """Steps of one feature.

    Attributes
    ----------
    encoded
        How it is read.
    places
        Its columns in the matrix.
    steps
        None where it stays as it was read: words and hashes have neither gaps nor a unit.
    """

    encoded: ColumnEncoding
    places: tuple[int, ...]
    steps: NumberPlan | CategoryPlan | None


def plan_columns(
    spec: PreprocessSpec, encoding: FeatureEncoding, wants: Wants, algorithm: str
) -> tuple[ColumnPlan, ...]:
    """Decide the steps of every feature.

    Parameters
    ----------
    spec
        As declared.
    encoding
        How the features are read.
    wants, algorithm
        What the algorithm learns from, and its name for messages.

    Raises
    ------
    PreprocessError
        If steps do not fit a column, or leave gaps that the algorithm cannot read.
    """
    exceptions = column_steps(spec, encoding.names)
    return tuple(
        ColumnPlan(
            column,
            tuple(range(place.start, place.stop)),
            _steps(spec, exceptions.get(column.name, ColumnSteps()), column, wants, algorithm),
        )
        for place, column in zip(encoding.slices, encoding.columns, strict=True)
    )


def _steps(
    spec: PreprocessSpec, own: ColumnSteps, column: ColumnEncoding, wants: Wants, algorithm: str
) -> NumberPlan | CategoryPlan | None:
    if column.kind in ("words", "hashed_words", "hashed_category"):
        return None
    if column.kind == "category":
        return _of_category(spec, own, column.name, wants)
    numbers = number_plan(spec, own, wants)
    if numbers.missing == "native" and wants in ("scaled", "scaled_dense"):
        raise PreprocessError(
            f"preprocess leaves the missing values of '{column.name}' as they are (missing: native), which {algorithm} "
            "cannot read. Fill them: mean, median, most_frequent, constant or knn."
        )
    # Neither has outliers: the rare one of two truth values is no error, nor is a Sunday.
    return _without_outliers(numbers) if column.kind in ("truth", "date") else numbers


def number_plan(spec: PreprocessSpec, own: ColumnSteps, wants: Wants) -> NumberPlan:
    """Decide the steps of a number: of the column, else of its kind, else of the algorithm."""
    is_scaled = wants in ("scaled", "scaled_dense")
    of_kind = spec.numbers
    missing = own.missing or of_kind.missing or ("median" if is_scaled else "native")
    value = own.value if own.value is not None else of_kind.value
    indicator = own.indicator if own.indicator is not None else of_kind.indicator
    outliers = own.outliers or of_kind.outliers or "none"
    return NumberPlan(
        missing=missing,
        value=value if missing == "constant" and value is not None else 0.0,
        indicator=missing != "native" if indicator is None else indicator,
        outliers=outliers,
        limit=own.limit or of_kind.limit or LIMITS[outliers],
        scale=own.scale or of_kind.scale or ("standard" if is_scaled else "none"),
    )


def _without_outliers(numbers: NumberPlan) -> NumberPlan:
    return NumberPlan(numbers.missing, numbers.value, numbers.indicator, "none", 0.0, numbers.scale)


def _of_category(spec: PreprocessSpec, own: ColumnSteps, name: str, wants: Wants) -> CategoryPlan:
    default: CategoryEncoding = "one_hot" if wants in ("scaled", "scaled_dense") else "native"
    encode = own.encode or spec.categories.encode or default
    missing = own.missing or spec.categories.missing or "native"
    if missing not in ("native", "most_frequent"):
        raise PreprocessError(
            f"preprocess.columns.{name}.missing is {missing}, but the column is a category. "
            "Allowed: native (a category of its own), most_frequent."
        )
    # Those are read as words or hashes, and come here no more.
    assert encode != "tfidf"
    if encode == "native" and wants in ("scaled", "scaled_dense"):
        # Without an order of their own codes are numbers of nothing.
        raise PreprocessError(
            f"preprocess leaves the category '{name}' as codes without an order (encode: native), which only trees can "
            "read. Allowed here: one_hot, ordinal, target, hashing."
        )
    return CategoryPlan(missing, encode, number_plan(spec, own, wants).scale)
