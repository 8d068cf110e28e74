"""Readings that a declared preprocessing asks for: which texts are words, which dates become parts, which categories count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.preprocess import ColumnSteps, DateSteps, PreprocessSpec
from learning.encode import Expansion, FeatureKind, Reading, feature_kind
from learning.expansions import is_free_text

SEPARATOR = "__"
"""Between the name of a view, or `request`, and that of a feature."""

MAX_TARGET_CATEGORIES = 10_000
"""Categories whose mean label is learned: each is a number, not a column."""

MIN_TARGET_ROWS = 2
"""Rows of a category whose mean label is learned: it is drawn to the mean of all."""

N_HASH_COLUMNS = 32
"""Columns of hashed categories where the declaration says nothing."""


class PreprocessError(DriftlineError):
    """A declared preprocessing does not fit the features."""


def column_steps(spec: PreprocessSpec, names: Sequence[str]) -> Mapping[str, ColumnSteps]:
    """Return the exceptions of a declaration by the whole names of features.

    Raises
    ------
    PreprocessError
        If a name is none of the features', or that of several.

    Examples
    --------
    >>> list(column_steps(PreprocessSpec(columns={"age": ColumnSteps()}), ["request__age"]))
    ['request__age']
    """
    found: dict[str, ColumnSteps] = {}
    for name, steps in spec.columns.items():
        if fault := column_fault(name, names):
            raise PreprocessError(f"preprocess.columns {fault}")
        found[meant(name, names)[0]] = steps
    return found


def meant(name: str, names: Sequence[str]) -> list[str]:
    """List the features that a name may mean: the one it is, or those that it is the last part of."""
    return [name] if name in names else [one for one in names if one.partition(SEPARATOR)[2] == name]


def column_fault(name: str, names: Sequence[str]) -> str:
    """Say what is wrong with a name in `preprocess.columns`, as the end of a sentence; '' where nothing."""
    found = meant(name, names)
    if len(found) == 1:
        return ""
    if found:
        return f"names '{name}', which several features have: {', '.join(found)}. Write the whole name."
    short = {one.partition(SEPARATOR)[2]: one for one in names}
    near = get_close_matches(name, [*names, *short], n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"names '{name}', which is no feature. Features: {', '.join(names)}.{hint}"


def readings(
    spec: PreprocessSpec | None, rows: pa.Table, names: Sequence[str], timezone: str
) -> Mapping[str, Reading]:
    """Return the features that are read otherwise than by their type alone.

    Parameters
    ----------
    spec
        A candidate's preprocessing.
    rows, names
        Rows to fit on, and the feature columns.
    timezone
        Calendar of the parts of dates.

    Raises
    ------
    PreprocessError
        If a column cannot be read as declared.
    """
    return dict(_readings(spec, rows, names, timezone)) if spec is not None else {}


def _readings(
    spec: PreprocessSpec, rows: pa.Table, names: Sequence[str], timezone: str
) -> Iterator[tuple[str, Reading]]:
    exceptions = column_steps(spec, names)
    for name in names:
        steps = exceptions.get(name, ColumnSteps())
        values = rows.column(name)
        kind = feature_kind(name, values.type)
        _check_kind(name, steps, kind)
        if kind == "category":
            if (found := _of_texts(spec, steps, values)) is not None:
                yield name, found
        elif kind == "age" and steps.kind != "number":
            dates = spec.dates or (DateSteps() if steps.kind == "date" or steps.parts else None)
            if dates is not None:
                yield (
                    name,
                    Reading(
                        "date",
                        parts=steps.parts or dates.parts,
                        is_cyclic=dates.cyclic if steps.cyclic is None else steps.cyclic,
                        timezone=timezone,
                    ),
                )


def _of_texts(spec: PreprocessSpec, steps: ColumnSteps, values: pa.ChunkedArray) -> Reading | None:
    """Return how a text is read; None where it is a category like any other."""
    if is_text(steps, values):
        encode = steps.encode or spec.texts.encode
        expansion: Expansion = "hashed_words" if encode == "hashing" else "words"
        return Reading(expansion, steps.n_features or spec.texts.n_features)
    chosen = steps.encode or spec.categories.encode
    if chosen == "hashing":
        n_columns = steps.n_features or spec.categories.n_features or N_HASH_COLUMNS
        return Reading("hashed_category", n_columns)
    if chosen == "target":
        return Reading(max_categories=MAX_TARGET_CATEGORIES, min_category_rows=MIN_TARGET_ROWS)
    return None


def is_text(steps: ColumnSteps, values: pa.ChunkedArray) -> bool:
    """Tell whether a column is free text: as declared, or, where nothing is said, as found."""
    if steps.kind is not None or steps.encode == "tfidf":
        return steps.kind != "category"
    # Hashing is a way to read both.
    return steps.encode in (None, "hashing") and is_free_text(values.cast(pa.string()))


def _check_kind(name: str, steps: ColumnSteps, kind: FeatureKind) -> None:
    """Refuse steps that the type of a column has no use for."""
    is_category, is_age = kind == "category", kind == "age"
    wrong = (
        (steps.kind in ("text", "category") and not is_category)
        or (steps.kind == "date" and not is_age)
        or (steps.kind == "number" and is_category)
    )
    if wrong:
        raise PreprocessError(
            f"preprocess.columns.{name}.kind is {steps.kind}, but the column is a {kind}. Cast it in the feature's SQL."
        )
    if steps.encode is not None and not is_category:
        raise PreprocessError(
            f"preprocess.columns.{name}.encode is {steps.encode}, but the column is a {kind}, which is no text. "
            "Remove it, or cast the column to a text in the feature's SQL."
        )
    if steps.parts is not None and not is_age:
        raise PreprocessError(
            f"preprocess.columns.{name}.parts is set, but the column is a {kind}, which is no date. Remove it."
        )
