"""Entry of the table of algorithms: what it learns, how it is fitted, and how its models are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from declaration.preprocess import PreprocessSpec
from declaration.search import ParamValue, RangeSpec
from declaration.target import ProblemType
from learning.algorithms.batched_rows import BatchedRows
from learning.algorithms.rows import FitRows

T = TypeVar("T")

Params = Mapping[str, ParamValue]
"""Parameters by the names that the library gives them."""

Storage = Literal["skops", "lightgbm", "xgboost"]
"""Format of the estimator inside a model file: scikit-learn's objects by skops, boosters in their library's own."""

Wants = Literal["scaled", "scaled_dense", "codes", "branches"]
"""Columns that an algorithm learns from: numbers of one unit without gaps, also as a matrix without zeros left out; codes and
gaps as they are; or those, with codes that have no order."""

Explains = Literal["native", "additive", "trees", "sampled"]
"""How answers are taken apart: by the library itself, as a sum over features, by the leaves of trees, or by asking for many
changed rows."""

EVERY_PROBLEM: tuple[ProblemType, ...] = ("binary", "multiclass", "regression")
CLASSES: tuple[ProblemType, ...] = ("binary", "multiclass")
VALUES: tuple[ProblemType, ...] = ("regression",)


Space = Mapping[str, RangeSpec]
"""Ranges in which a search tries parameters."""


@dataclass(frozen=True)
class Rounds:
    """Rounds of a boosting algorithm, whose number early stopping chooses.

    Attributes
    ----------
    parameter
        Name of their number among the parameters.
    best
        From rows to learn from, newer rows to judge on, parameters, seed, threads, and rounds without gain after which it
        stops: the number of rounds of least log loss or squared error on the newer rows.
    """

    parameter: str
    best: Callable[[FitRows, FitRows, Params, int, int, int], int]


@dataclass(frozen=True)
class Algorithm:
    """Learning algorithm that a declaration may name.

    Attributes
    ----------
    problems
        Kinds of label.
    defaults
        Parameters where a declaration says nothing, given the rows.
    fit
        Makes an estimator of rows, all parameters, seed and threads.
    preprocessing
        What becomes of the encoded features, in words, where the declaration says nothing.
    wants
        What becomes of them where it has `preprocess` and leaves something unsaid.
    library
        Module to import before threads are limited.
    parameters
        Names that a declaration may set, given the problem; imports the library.
    refused
        Says of parameters, given the problem, what the library finds wrong; '' where nothing.
    storage
        How the estimator is written.
    extra
        Extra of the installation that it needs; None where the core has it.
    explains
        How its answers are taken apart.
    preprocess
        Preprocessing where a declaration has none; None where `fit` reads the encoded features itself.
    space
        Ranges of a search that declares none.
    takes_weights
        Whether rows may count unequally.
    rounds
        How early stopping finds their number; None where it is not boosted.
    out_of_core
        Makes an estimator of rows that memory does not hold, all parameters, seed and threads; None where it needs all at once.
    """

    problems: tuple[ProblemType, ...]
    defaults: Callable[[FitRows], Params]
    fit: Callable[[FitRows, Params, int, int], Any]
    preprocessing: str
    wants: Wants
    library: str
    parameters: Callable[[ProblemType], frozenset[str]]
    refused: Callable[[ProblemType, Params], str]
    storage: Storage = "skops"
    extra: str | None = None
    explains: Explains = "sampled"
    preprocess: PreprocessSpec | None = None
    space: Space = field(default_factory=dict)
    takes_weights: bool = True
    rounds: Rounds | None = None
    out_of_core: Callable[[BatchedRows, Params, int, int], Any] | None = None


def whole(low: int, high: int, *, log: bool = False) -> RangeSpec:
    """Return a range of whole numbers."""
    return RangeSpec(int=(low, high), log=log)


def between(low: float, high: float, *, log: bool = False) -> RangeSpec:
    """Return a range of numbers."""
    return RangeSpec(float=(low, high), log=log)


def always(value: T) -> Callable[[object], T]:
    """Return a function that gives the same value for every argument."""
    return lambda _: value
