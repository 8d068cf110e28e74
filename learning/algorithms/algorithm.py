"""Entry of the table of algorithms: what it learns, how it is fitted, and how its models are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from declaration.model import ParamValue
from declaration.preprocess import PreprocessSpec
from declaration.target import ProblemType
from learning.algorithms.rows import FitRows

T = TypeVar("T")

Params = Mapping[str, ParamValue]
"""Parameters by the names that the library gives them."""

Storage = Literal["skops", "lightgbm", "xgboost"]
"""Format of the estimator inside a model file: scikit-learn's objects by skops, boosters in their library's own."""

Wants = Literal["scaled", "scaled_dense", "codes", "branches"]
"""Columns that an algorithm learns from: numbers of one unit without gaps, also as a matrix without zeros left out; codes and
gaps as they are; or those, with codes that have no order."""

EVERY_PROBLEM: tuple[ProblemType, ...] = ("binary", "multiclass", "regression")
CLASSES: tuple[ProblemType, ...] = ("binary", "multiclass")
VALUES: tuple[ProblemType, ...] = ("regression",)


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
    preprocess
        Preprocessing where a declaration has none; None where `fit` reads the encoded features itself.
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
    preprocess: PreprocessSpec | None = None


def always(value: T) -> Callable[[object], T]:
    """Return a function that gives the same value for every argument."""
    return lambda _: value
