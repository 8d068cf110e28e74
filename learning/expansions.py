"""Features that become several columns: words of a text, buckets of a hash, parts of a date. None looks at a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.preprocess import DatePart

Matrix = NDArray[np.float64]

PERIODS: dict[DatePart, float] = {
    "hour": 24,
    "weekday": 7,
    "day_of_month": 31,
    "day_of_year": 365.25,
    "month": 12,
    "quarter": 4,
}
"""Parts of a date that come again, and after how many they do."""

MAX_TEXT_LENGTH = 10_000
"""Characters of a text that are read: a row must not cost more than a page."""

TEXT_WORDS = 3
"""Words of the mean value from which a column is free text: names of things have fewer."""

TEXT_DISTINCT_SHARE = 0.5
"""Share of different values from which a column of many words is free text: categories come again."""

MAX_LOOKED_AT = 10_000
"""Values that tell whether a column is free text."""


def is_free_text(texts: pa.ChunkedArray) -> bool:
    """Tell whether a column of texts holds sentences rather than categories.

    Examples
    --------
    >>> is_free_text(pa.chunked_array([["the parcel came late", "no answer for two days"]]))
    True
    >>> is_free_text(pa.chunked_array([["New York City", "New York City", "Hong Kong Island"] * 9]))
    False
    """
    present = texts.drop_null().slice(0, MAX_LOOKED_AT)
    if not len(present):
        return False
    words = pc.mean(pc.list_value_length(pc.utf8_split_whitespace(present))).as_py()
    return bool(
        words >= TEXT_WORDS and pc.count_distinct(present).as_py() > TEXT_DISTINCT_SHARE * len(present)
    )


def learn_words(texts: pa.ChunkedArray, n_words: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Choose the most frequent words of a column, in alphabetical order, with their inverse document frequencies."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(max_features=n_words)
    present = _read(texts.drop_null())
    try:
        vectorizer.fit(present)
    except ValueError:
        # scikit-learn's way of saying that there is no word.
        return (), ()
    return tuple(vectorizer.get_feature_names_out().tolist()), tuple(vectorizer.idf_.tolist())


def weigh_words(texts: pa.ChunkedArray, words: Sequence[str], weights: Sequence[float]) -> Matrix:
    """Return the weights of known words in texts, each row of length 1; a row without any is zero.

    Returns
    -------
    Matrix
        Shape (n, n_words), or one column of zeros where no word is known.

    References
    ----------
    Salton and Buckley (1988), Term-weighting approaches in automatic text retrieval: tf-idf.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    if not words:
        return np.zeros((len(texts), 1))
    counts = CountVectorizer(vocabulary=list(words)).transform(_read(texts))
    dense = counts.toarray() * np.asarray(weights)
    return cast("Matrix", normalize(dense))


def hash_words(texts: pa.ChunkedArray, n_columns: int) -> Matrix:
    """Count the words of texts in columns that their hash chooses, with a sign; each row of length 1.

    References
    ----------
    Weinberger et al. (2009), Feature hashing for large scale multitask learning.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    return cast("Matrix", HashingVectorizer(n_features=n_columns).transform(_read(texts)).toarray())


def hash_categories(texts: pa.ChunkedArray, n_columns: int) -> Matrix:
    """Put each category, known or not, into the column that its hash chooses, with a sign; a missing one is zero."""
    from sklearn.feature_extraction import FeatureHasher

    values = [[] if text is None else [text] for text in texts.to_pylist()]
    return cast("Matrix", FeatureHasher(n_columns, input_type="string").transform(values).toarray())


def _read(texts: pa.ChunkedArray) -> list[str]:
    return [(text or "")[:MAX_TEXT_LENGTH] for text in texts.to_pylist()]


def part_names(parts: Sequence[DatePart], *, is_cyclic: bool) -> tuple[str, ...]:
    """Name the columns of a date's parts.

    Examples
    --------
    >>> part_names(["age", "hour"], is_cyclic=True)
    ('age', 'hour (sine)', 'hour (cosine)')
    """
    return tuple(
        name
        for part in parts
        for name in ((f"{part} (sine)", f"{part} (cosine)") if is_cyclic and part in PERIODS else (part,))
    )


def split_dates(
    values: pa.ChunkedArray, ages: Matrix, parts: Sequence[DatePart], *, is_cyclic: bool, timezone: str
) -> Matrix:
    """Split instants into parts; NaN where an instant is missing.

    Parameters
    ----------
    values
        Dates or instants. A wall clock is read as it stands.
    ages
        Their ages in seconds. Shape (n,).
    parts
        Parts by their names.
    is_cyclic
        Whether parts that come again are places on a circle.
    timezone
        Calendar of instants.
    """
    local = values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None)), safe=False)
    if local.type.tz is not None:
        local = pc.local_timestamp(local.cast(pa.timestamp("us", tz=timezone)))
    columns: list[Matrix] = []
    for part in parts:
        numbers = ages if part == "age" else _part(local, part)
        if is_cyclic and part in PERIODS:
            angle = 2 * np.pi * numbers / PERIODS[part]
            columns += [np.sin(angle), np.cos(angle)]
        else:
            columns.append(numbers)
    return np.column_stack(columns)


def _part(local: pa.ChunkedArray, part: DatePart) -> Matrix:
    match part:
        case "weekday" | "is_weekend":
            found = pc.day_of_week(local)
            if part == "is_weekend":
                found = pc.cast(pc.greater_equal(found, 5), pa.int64())
        case "day_of_month":
            found = pc.day(local)
        case _:
            found = getattr(pc, part)(local)
    floats = pc.fill_null(pc.cast(found, pa.float64()), float("nan"))
    return cast("Matrix", floats.to_numpy())
