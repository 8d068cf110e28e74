"""Fitted preprocessing of a candidate: one scikit-learn pipeline in front of its estimator, in training and in scoring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from declaration.preprocess import PreprocessSpec, Scale, SelectSpec
from learning.algorithms.algorithm import Wants
from learning.algorithms.linear import RARE_CATEGORY_SHARE
from learning.algorithms.rows import FitRows
from learning.encode import ColumnEncoding, FeatureEncoding
from learning.preprocess.plan import CategoryPlan, ColumnPlan, NumberPlan, plan_columns
from learning.preprocess.reading import PreprocessError
from learning.preprocess.steps import (
    ClippedNumbers,
    FilledEmpty,
    IsolationScore,
    KeptColumns,
    MeanLabels,
    Method,
    NearestFilling,
    QuartileScaler,
)

COLUMNS, NUMBERS, MARKS, ONE_HOT, MEANS, ORDINAL, CODES, AS_READ, ISOLATION = (
    "columns", "numbers", "marks", "one_hot", "target", "ordinal", "codes", "as_read", "isolation",
)  # fmt: skip
"""Name of the first step, and beginnings of the names of its parts."""

MAX_QUANTILES = 1_000
"""Quantiles of a scale by ranks: scikit-learn's default."""

Steps = TypeVar("Steps", NumberPlan, CategoryPlan)


@dataclass(frozen=True)
class Prepared:
    """Rows after the declared steps, and the steps as they were learned from them.

    Attributes
    ----------
    pipeline
        Fitted scikit-learn pipeline from encoded features to the estimator's columns.
    rows
        What the estimator learns from.
    """

    pipeline: Any
    rows: FitRows


def prepare(spec: PreprocessSpec, rows: FitRows, wants: Wants, algorithm: str, seed: int) -> Prepared:
    """Learn the steps from rows and take them.

    Parameters
    ----------
    spec
        As declared.
    rows
        Encoded rows; where they are folds, without those that are held out.
    wants, algorithm
        What the algorithm learns from, and its name for messages.
    seed
        Of whatever is drawn.

    Raises
    ------
    PreprocessError
        If steps do not fit a column, or no column is left.
    """
    from sklearn.pipeline import Pipeline

    plans = plan_columns(spec, rows.encoding, wants, algorithm)
    is_sparse = wants == "scaled" and spec.select is None
    columns = _columns(spec, plans, rows, seed, is_sparse=is_sparse)
    matrix = columns.fit_transform(rows.matrix, rows.targets)
    is_code = np.zeros(matrix.shape[1], dtype=np.bool_)
    for name, places in columns.output_indices_.items():
        if name.startswith(CODES):
            is_code[places] = True
    steps: list[tuple[str, Any]] = [(COLUMNS, columns)]
    for kept in _selections(spec.select, rows.problem == "regression", seed):
        kept.is_code = tuple(is_code.tolist())
        matrix = kept.fit(matrix, rows.targets).transform(matrix)
        is_code = is_code[kept.is_kept_]
        steps.append((f"select_{kept.method}", kept))
        if not matrix.shape[1]:
            raise PreprocessError(
                f"preprocess.select.{kept.method} of {kept.limit:g} leaves no column: the greatest variance is "
                f"{kept.scores_.max():.4g}. Lower it, or scale the columns otherwise."
            )
    encoding = FeatureEncoding(
        tuple(
            ColumnEncoding(str(place), "category" if holds_codes else "number")
            for place, holds_codes in enumerate(is_code)
        )
    )
    pipeline = Pipeline(steps)
    return Prepared(pipeline, replace(rows, matrix=matrix, encoding=encoding, is_prepared=True))


def _columns(
    spec: PreprocessSpec, plans: Sequence[ColumnPlan], rows: FitRows, seed: int, *, is_sparse: bool
) -> Any:
    from sklearn.compose import ColumnTransformer

    parts = [
        *_number_parts(plans, rows.labels.size, seed),
        *_category_parts(plans, rows, seed, is_sparse=is_sparse),
    ]
    if as_read := [place for one in plans if one.steps is None for place in one.places]:
        parts.append((AS_READ, "passthrough", as_read))
    if spec.isolation_forest:
        parts.append((ISOLATION, _isolation(seed), _isolated(plans)))
    return ColumnTransformer(parts, sparse_threshold=0.3 if is_sparse else 0.0)


def _number_parts(
    plans: Sequence[ColumnPlan], n_rows: int, seed: int
) -> Iterator[tuple[str, Any, list[int]]]:
    """Put numbers with the same steps together; marks of gaps are not scaled."""
    from sklearn.impute import MissingIndicator

    for number, (steps, places) in enumerate(_groups(plans, NumberPlan).items()):
        yield f"{NUMBERS}_{number}", _number_steps(steps, n_rows, seed), places
    # The parts of a date are missing together: one of them says it.
    marked = [one.places[0] for one in plans if isinstance(one.steps, NumberPlan) and one.steps.indicator]
    if marked:
        yield MARKS, MissingIndicator(error_on_new=False, sparse=False), marked


def _number_steps(steps: NumberPlan, n_rows: int, seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    parts: list[Any] = []
    if steps.outliers != "none":
        parts.append(ClippedNumbers(steps.outliers, steps.limit))
    match steps.missing:
        case "native":
            if steps.scale != "none":
                parts.append(FilledEmpty())
        case "knn":
            parts.append(NearestFilling(seed))
        case "constant":
            parts.append(SimpleImputer(strategy="constant", fill_value=steps.value, keep_empty_features=True))
        case simple:
            parts.append(SimpleImputer(strategy=simple, keep_empty_features=True))
    return (
        make_pipeline(*parts, *_scale(steps.scale, n_rows, seed))
        if parts or steps.scale != "none"
        else "passthrough"
    )


def _scale(scale: Scale, n_rows: int, seed: int) -> list[Any]:
    from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler

    match scale:
        case "none":
            return []
        case "standard":
            return [StandardScaler()]
        case "min_max":
            # What lies outside the training's range stays outside: a new month is not the last one.
            return [MinMaxScaler()]
        case "robust":
            return [QuartileScaler()]
    n_quantiles = min(MAX_QUANTILES, n_rows)
    return [QuantileTransformer(n_quantiles=n_quantiles, output_distribution="normal", random_state=seed)]


def _category_parts(
    plans: Sequence[ColumnPlan], rows: FitRows, seed: int, *, is_sparse: bool
) -> Iterator[tuple[str, Any, list[int]]]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    n_rows = rows.labels.size
    codes: list[int] = []
    for number, (steps, places) in enumerate(_groups(plans, CategoryPlan).items()):
        filled = []
        if steps.missing == "most_frequent":
            filled = [SimpleImputer(strategy="most_frequent", keep_empty_features=True)]
        match steps.encode:
            case "one_hot":
                spread = OneHotEncoder(
                    min_frequency=RARE_CATEGORY_SHARE,
                    handle_unknown="infrequent_if_exist",
                    sparse_output=is_sparse,
                )
                yield f"{ONE_HOT}_{number}", make_pipeline(*filled, spread), places
            case "target":
                n_codes = tuple(len(_column_at(plans, place).categories) + 1 for place in places)
                means = MeanLabels(n_codes, rows.n_classes if rows.problem == "multiclass" else 0, seed)
                yield (
                    f"{MEANS}_{number}",
                    make_pipeline(*filled, means, *_scale(steps.scale, n_rows, seed)),
                    places,
                )
            case "native" if not filled:
                codes += places
            case encode:
                missing = SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)
                order = make_pipeline(*(filled or [missing]), *_scale(steps.scale, n_rows, seed))
                yield f"{CODES if encode == 'native' else ORDINAL}_{number}", order, places
    if codes:
        yield CODES, "passthrough", codes


def _column_at(plans: Sequence[ColumnPlan], place: int) -> ColumnEncoding:
    return next(one.encoded for one in plans if place in one.places)


def _groups(plans: Sequence[ColumnPlan], kind: type[Steps]) -> Mapping[Steps, list[int]]:
    """Gather the places of columns by their steps, in the order in which steps are met first."""
    found: dict[Steps, list[int]] = {}
    for one in plans:
        if isinstance(one.steps, kind):
            found.setdefault(one.steps, []).extend(one.places)
    return found


def _isolation(seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), IsolationScore(seed))


def _isolated(plans: Sequence[ColumnPlan]) -> list[int]:
    found = [place for one in plans if isinstance(one.steps, NumberPlan) for place in one.places]
    if not found:
        raise PreprocessError(
            "preprocess.isolation_forest needs a number among the features, and there is none. Remove it."
        )
    return found


def _selections(select: SelectSpec | None, is_regression: bool, seed: int) -> Iterator[KeptColumns]:
    if select is None:
        return
    limits: list[tuple[Method, float | None]] = [
        ("min_variance", select.min_variance),
        ("mutual_information", select.mutual_information),
        ("model", select.model),
    ]
    for method, limit in limits:
        if limit is not None:
            yield KeptColumns(method, limit, (), is_regression, seed)
