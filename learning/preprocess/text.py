"""Words for a preprocessing: the steps of each column before anything is fitted, and what they learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from declaration.model import CandidateSpec
from declaration.preprocess import NumberFilling, Outliers, PreprocessSpec, Scale
from learning.algorithms.algorithm import Algorithm
from learning.encode import ColumnEncoding, FeatureEncoding, learn_encoding
from learning.preprocess.build import COLUMNS, ISOLATION, MARKS
from learning.preprocess.plan import CategoryPlan, ColumnPlan, NumberPlan, plan_columns
from learning.preprocess.reading import readings
from learning.preprocess.steps import (
    MAX_DONOR_ROWS,
    N_NEIGHBOURS,
    ClippedNumbers,
    KeptColumns,
    MeanLabels,
    NearestFilling,
    QuartileScaler,
)

KINDS: Mapping[str, str] = {
    "number": "number",
    "truth": "0 or 1",
    "age": "age in seconds",
    "category": "category",
    "words": "free text",
    "hashed_words": "free text",
    "hashed_category": "category",
    "date": "date",
}

_FILLINGS: Mapping[NumberFilling, str] = {
    "native": "missing left to the algorithm",
    "mean": "missing: the mean",
    "median": "missing: the median",
    "most_frequent": "missing: the most frequent",
    "constant": "missing: {value:g}",
    "knn": f"missing: mean of the {N_NEIGHBOURS} nearest of at most {MAX_DONOR_ROWS:,} rows drawn by the seed",
}
_SCALES: Mapping[Scale, str] = {
    "none": "",
    "standard": "in standard deviations",
    "min_max": "from 0 to 1",
    "robust": "in quartile distances",
    "quantile": "as normal quantiles",
}
_CLIPS: Mapping[Outliers, str] = {
    "none": "",
    "iqr": "clipped {limit:g} quartile distances outside the quartiles",
    "z_score": "clipped {limit:g} standard deviations from the mean",
}
_ENCODINGS = {
    "one_hot": "a column each, rare ones in one",
    "ordinal": "number by frequency, missing before all",
    "target": "mean label of the category, in training from other rows",
    "native": "code without an order",
}

MAX_SHOWN_WORDS = 8
MAX_SHOWN_DROPPED = 12


@dataclass(frozen=True)
class ColumnText:
    """One feature in words: its name, its kind, and what becomes of it."""

    name: str
    kind: str
    steps: str


def planned_texts(
    candidate: CandidateSpec, algorithm: Algorithm, rows: pa.Table, names: Sequence[str], timezone: str
) -> tuple[ColumnText, ...]:
    """Say what a candidate with a preprocessing will make of each feature; nothing is fitted.

    Parameters
    ----------
    candidate, algorithm
        As declared, and its entry of the table.
    rows, names
        A sample, and its features.
    timezone
        Calendar of dates.

    Raises
    ------
    PreprocessError
        If a step does not fit a column.
    """
    spec = candidate.preprocess or algorithm.preprocess or PreprocessSpec()
    encoding = learn_encoding(rows, names, readings(candidate.preprocess, rows, names, timezone))
    plans = plan_columns(spec, encoding, algorithm.wants, candidate.use)
    shown = [ColumnText(one.encoded.name, KINDS[one.encoded.kind], _planned(one)) for one in plans]
    return (*shown, *_of_all(spec))


def _planned(plan: ColumnPlan) -> str:
    column = plan.encoded
    parts = [_read(column)]
    match plan.steps:
        case NumberPlan(missing, value, indicator, outliers, limit, scale):
            parts += [
                _CLIPS[outliers].format(limit=limit),
                _FILLINGS[missing].format(value=value) + (", marked by a column" if indicator else ""),
                _SCALES[scale],
            ]
        case CategoryPlan(missing, encode, scale):
            parts.append("missing: the most frequent" if missing == "most_frequent" else "")
            parts.append(_ENCODINGS[encode])
            parts.append(_SCALES[scale] if encode in ("ordinal", "target") else "")
        case None:
            pass
    return "; ".join(part for part in parts if part)


def _read(column: ColumnEncoding) -> str:
    """Say how a column is read from the table, where that is not as it stands."""
    match column.kind:
        case "words":
            return f"weights of {len(column.categories)} words (tf-idf): {_some(column.categories)}"
        case "hashed_words":
            return f"words hashed into {column.width} columns"
        case "hashed_category":
            return f"hashed into {column.width} columns, known or not"
        case "date":
            zone = column.reading.timezone
            return f"parts {', '.join(column.parts)} ({zone})"
        case "category":
            return f"{len(column.categories)} categories + others"
        case _:
            return ""


def _some(words: Sequence[str]) -> str:
    more = len(words) - MAX_SHOWN_WORDS
    return ", ".join(words[:MAX_SHOWN_WORDS]) + (f" and {more} more" if more > 0 else "")


def _of_all(spec: PreprocessSpec) -> Iterator[ColumnText]:
    if spec.isolation_forest:
        yield ColumnText("all numbers", "further column", "isolation score: how unlike the others a row is")
    if spec.select is None:
        return
    if spec.select.min_variance is not None:
        yield ColumnText("all columns", "selection", f"variance above {spec.select.min_variance:g}")
    if spec.select.mutual_information is not None:
        yield ColumnText(
            "all columns", "selection", f"the {spec.select.mutual_information} of most mutual information"
        )
    if spec.select.model is not None:
        yield ColumnText("all columns", "selection", f"the {spec.select.model} that trees use most")


def learned_texts(preprocessing: Any, encoding: FeatureEncoding) -> tuple[ColumnText, ...]:
    """Say what a fitted preprocessing learned of each feature: limits, fillings, categories, dropped columns.

    Parameters
    ----------
    preprocessing
        Of a fitted model; None where nothing is declared, of which there is nothing to say.
    encoding
        How its features are read.
    """
    if preprocessing is None:
        return ()
    columns = preprocessing.named_steps[COLUMNS]
    shown = []
    for place, column in zip(encoding.slices, encoding.columns, strict=True):
        parts = [_read(column)] if column.reading.expansion is not None else []
        for name, step, positions in columns.transformers_:
            inside = [at for at, position in enumerate(positions) if place.start <= position < place.stop]
            if inside:
                parts += _learned(name, step, inside, column)
        steps = "; ".join(filter(None, parts)) or _as_read(column)
        shown.append(ColumnText(column.name, KINDS[column.kind], steps))
    return (*shown, *_dropped(preprocessing, output_names(columns, encoding)))


def _as_read(column: ColumnEncoding) -> str:
    return (
        f"code of {len(column.categories)} categories + others"
        if column.kind == "category"
        else "as it stands"
    )


def _learned(name: str, step: Any, inside: Sequence[int], column: ColumnEncoding) -> list[str]:
    """Say what one part of the columns' step learned of a feature, at its places there."""
    if name == ISOLATION:
        # Of all numbers, and a column of its own.
        return []
    if name == MARKS:
        n_marked = sum(at in step.features_ for at in inside)
        return ["missing marked by a column" if n_marked else "nothing was missing: not marked"]
    parts = [one for _, one in getattr(step, "steps", [("", step)])]
    return [text for part in parts for text in [_learned_step(part, inside, column)] if text]


def _learned_step(part: Any, inside: Sequence[int], column: ColumnEncoding) -> str:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

    at = inside[0]
    match part:
        case ClippedNumbers():
            return _numbers(
                "clipped to", [f"{part.lower_[one]:.6g} … {part.upper_[one]:.6g}" for one in inside]
            )
        case SimpleImputer():
            filled = [part.statistics_[one] for one in inside]
            if column.kind == "category":
                return "" if part.strategy == "constant" else f"missing: {_category(column, filled[0])}"
            return _numbers("missing:", [f"{value:.6g}" for value in filled])
        case NearestFilling():
            return f"missing: from {part.imputer_._fit_X.shape[0]:,} rows that were kept"
        case StandardScaler():
            pairs = [f"(x − {part.mean_[one]:.6g}) / {part.scale_[one]:.6g}" for one in inside]
            return _numbers("", pairs)
        case QuartileScaler():
            return _numbers("", [f"(x − {part.center_[one]:.6g}) / {part.scale_[one]:.6g}" for one in inside])
        case MinMaxScaler():
            return _numbers(
                "0 to 1 from", [f"{part.data_min_[one]:.6g} … {part.data_max_[one]:.6g}" for one in inside]
            )
        case OneHotEncoder():
            rare = part.infrequent_categories_[at]
            n_rare = 0 if rare is None else len(rare)
            return f"{len(part.categories_[at]) - n_rare} columns" + (
                f", {n_rare} rare categories in one more" if n_rare else ""
            )
        case MeanLabels():
            low, high = np.min(part.means_[at]), np.max(part.means_[at])
            return f"mean label of {len(column.categories)} categories: {low:.4g} … {high:.4g}"
    return ""


def _numbers(intro: str, values: Sequence[str]) -> str:
    shown = list(dict.fromkeys(values))
    more = len(shown) - 3
    return f"{intro} {', '.join(shown[:3])}{f' and {more} more' if more > 0 else ''}".strip()


def _category(column: ColumnEncoding, code: float) -> str:
    return column.categories[int(code)] if 0 <= code < len(column.categories) else "others"


def output_names(columns: Any, encoding: FeatureEncoding) -> list[str]:
    """Name the columns that the columns' step makes, in their order."""
    from sklearn.preprocessing import OneHotEncoder

    names = encoding.matrix_names
    place_of = {place.start: column for place, column in zip(encoding.slices, encoding.columns, strict=True)}
    found: list[str] = []
    for name, step, positions in columns.transformers_:
        width = columns.output_indices_[name].stop - columns.output_indices_[name].start
        last = step.steps[-1][1] if hasattr(step, "steps") else step
        if name == MARKS:
            found += [f"{names[positions[at]]} is missing" for at in step.features_]
        elif isinstance(last, OneHotEncoder):
            for at, position in enumerate(positions):
                rare = last.infrequent_categories_[at]
                codes = [one for one in last.categories_[at] if rare is None or not np.isin(one, rare).any()]
                found += [f"{names[position]} = {_code_text(place_of[position], code)}" for code in codes]
                found += [f"{names[position]} is rare"] * (rare is not None)
        elif width == len(positions):
            found += [names[position] for position in positions]
        else:
            found += [f"{name} {number}" for number in range(width)]
    return found


def _code_text(column: ColumnEncoding, code: float) -> str:
    return "missing" if np.isnan(code) else _category(column, code)


def _dropped(preprocessing: Any, names: list[str]) -> Iterator[ColumnText]:
    for _, step in preprocessing.steps:
        if not isinstance(step, KeptColumns):
            continue
        dropped = [name for name, is_kept in zip(names, step.is_kept_, strict=True) if not is_kept]
        names = [name for name, is_kept in zip(names, step.is_kept_, strict=True) if is_kept]
        more = len(dropped) - MAX_SHOWN_DROPPED
        listed = ", ".join(dropped[:MAX_SHOWN_DROPPED]) + (f" and {more} more" if more > 0 else "")
        method = step.method.replace("_", " ")
        yield ColumnText(
            "all columns", f"by {method}", f"{len(names)} kept, {len(dropped)} dropped: {listed or 'none'}"
        )
