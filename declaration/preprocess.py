"""The `preprocess:` block: steps of each feature column before a candidate learns from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from declaration.types import Block, ColumnName

NumberFilling = Literal["native", "mean", "median", "most_frequent", "constant", "knn"]
CategoryFilling = Literal["native", "most_frequent"]
CategoryEncoding = Literal["native", "one_hot", "ordinal", "target", "hashing"]
TextEncoding = Literal["tfidf", "hashing"]
Outliers = Literal["none", "iqr", "z_score"]
Scale = Literal["none", "standard", "min_max", "robust", "quantile"]
DatePart = Literal[
    "age", "hour", "weekday", "day_of_month", "day_of_year", "month", "quarter", "year", "is_weekend"
]
ColumnKind = Literal["number", "category", "text", "date"]

Width = Annotated[int, Field(ge=1, le=4096)]
"""Columns that one feature becomes."""


class NumberSteps(Block):
    """Steps of numbers, truth values, ages and parts of dates; what is not said is the algorithm's default."""

    missing: NumberFilling | None = None
    """Value that stands for a missing one: native leaves it to the algorithm, knn asks the rows that are nearest."""
    value: float | None = None
    """Number that stands for a missing one, with `missing: constant`."""
    indicator: bool | None = None
    """A column that says where a value was missing; by default where one is filled in."""
    outliers: Outliers | None = None
    """Clip at limits learned from the rows: quartiles and their distance, or mean and standard deviation."""
    limit: float | None = Field(default=None, gt=0)
    """Distance from there: 1.5 quartile distances, or 3 standard deviations, where nothing is said."""
    scale: Scale | None = None
    """Unit: standard deviations, 0 to 1, quartile distances, or normal quantiles."""


class CategorySteps(Block):
    """Steps of categories; what is not said is the algorithm's default."""

    missing: CategoryFilling | None = None
    """native: missing is a category of its own."""
    encode: CategoryEncoding | None = None
    """native: codes that boosting reads as categories. target: mean label of the category, from other rows in training."""
    n_features: Width | None = None
    """Columns of `encode: hashing`; 32 where nothing is said."""


class TextSteps(Block):
    """Steps of free texts; a missing text has no words."""

    encode: TextEncoding = "tfidf"
    """tfidf: weights of the most frequent words. hashing: counts of all words in as many columns."""
    n_features: Width = 100
    """Columns that a text becomes."""


class DateSteps(Block):
    """Steps of dates and instants."""

    parts: tuple[DatePart, ...] = Field(
        default=("age", "hour", "weekday", "month", "is_weekend"), min_length=1
    )
    """Parts by the partitions' calendar; age is seconds before the prediction."""
    cyclic: bool = True
    """Hour, weekday, day and month as places on a circle (sine and cosine), so that December is next to January."""


class ColumnSteps(Block):
    """Steps of one column, before those of its kind."""

    kind: ColumnKind | None = None
    """Kind as which it is read; by default by its type, and a text of many words as text."""
    missing: NumberFilling | None = None
    """As in `numbers` or `categories`."""
    value: float | None = None
    """As in `numbers`."""
    indicator: bool | None = None
    """As in `numbers`."""
    outliers: Outliers | None = None
    """As in `numbers`."""
    limit: float | None = Field(default=None, gt=0)
    """As in `numbers`."""
    scale: Scale | None = None
    """As in `numbers`."""
    encode: CategoryEncoding | Literal["tfidf"] | None = None
    """As in `categories` or `texts`; tfidf makes a text of the column."""
    n_features: Width | None = None
    """As in `categories` or `texts`."""
    parts: tuple[DatePart, ...] | None = Field(default=None, min_length=1)
    """As in `dates`."""
    cyclic: bool | None = None
    """As in `dates`."""


class SelectSpec(Block):
    """Selection of columns after all other steps; several are taken one after the other."""

    min_variance: float | None = Field(default=None, ge=0)
    """Columns whose variance is not above this are dropped; 0 drops those of one value."""
    mutual_information: int | None = Field(default=None, ge=1)
    """Columns that are kept: those that tell most of the label, each by itself."""
    model: int | None = Field(default=None, ge=1)
    """Columns that are kept: those that a small forest of extremely random trees uses most."""


class PreprocessSpec(Block):
    """Steps of the feature columns, by kind and by column. An empty block has the defaults, and finds free texts."""

    numbers: NumberSteps = Field(default_factory=NumberSteps)
    """Numbers, truth values, ages, parts of dates."""
    categories: CategorySteps = Field(default_factory=CategorySteps)
    """Texts that are categories."""
    texts: TextSteps = Field(default_factory=TextSteps)
    """Free texts: declared in `columns`, or found (of many words, nearly all different)."""
    dates: DateSteps | None = None
    """Dates and instants; absent means their age alone."""
    columns: Mapping[ColumnName, ColumnSteps] = Field(default_factory=dict)
    """Exceptions, by feature: its whole name (`view__feature`, `request__feature`), or the part after `__` where one has it."""
    isolation_forest: bool = False
    """A further column: the row's isolation score by its numbers, or how unlike the others it is."""
    select: SelectSpec | None = None
    """Selection of the columns that stay."""
