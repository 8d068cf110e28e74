"""Findings of a preview as plain values: the terminal and the page write the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from learning.preprocess.text import ColumnText

Verdict = Literal["holds", "fails", "unknown"]
"""Of a rule on the sample; `unknown` where it could not be evaluated."""


@dataclass(frozen=True)
class Doubt:
    """A doubt about a feature before a run: in two words, and in a sentence."""

    short: str
    text: str


@dataclass(frozen=True)
class AssetLine:
    """One asset of the graph: its stage, its name (empty where there is one only), and what it reads."""

    stage: str
    name: str
    reads: str
    is_partitioned: bool


@dataclass(frozen=True)
class ColumnFacts:
    """A column as it was read.

    Attributes
    ----------
    name, declared
        Its name here, and its declared type with where it comes from.
    found
        Type of the source's column, in the declaration's words; empty where it has none or it is computed.
    missing
        Share without a value; None without rows.
    n_distinct
        Different values.
    sample
        The first rows' values, shortened.
    """

    name: str
    declared: str
    found: str
    missing: float | None
    n_distinct: int
    sample: tuple[str, ...]


@dataclass(frozen=True)
class RejectReason:
    """Rows that cannot be read for one reason, with the first of them."""

    n_rows: int
    reason: str
    line: int | None
    text: str


@dataclass(frozen=True)
class RuleVerdict:
    """One expectation on the sample.

    Attributes
    ----------
    rule
        As declared, in one line.
    verdict, detail
        Whether it holds, and what was found.
    policy
        Severity, and what happens when it fails.
    n_quarantined, examples
        Rows that it would move aside, and values of its column in them.
    blocks
        Whether it would stop the run.
    """

    rule: str
    verdict: Verdict
    detail: str
    policy: str
    n_quarantined: int
    examples: tuple[str, ...]
    blocks: bool


@dataclass(frozen=True)
class DatasetFinding:
    """One dataset: what was read, what was not, and what its rules say.

    `counts` are sentences; `error` says why it was refused, empty where it was not.
    """

    name: str
    description: str
    source: str
    counts: tuple[str, ...]
    columns: tuple[ColumnFacts, ...]
    dropped: tuple[str, ...]
    rejects: tuple[RejectReason, ...]
    rules: tuple[RuleVerdict, ...]
    n_quarantined: int
    error: str


@dataclass(frozen=True)
class ViewFinding:
    """One feature view: its rows, and its features with a sample."""

    name: str
    entity: str
    description: str
    counts: tuple[str, ...]
    features: tuple[ColumnFacts, ...]
    error: str


@dataclass(frozen=True)
class FeaturePlan:
    """Plan of a feature: how a model reads it.

    Attributes
    ----------
    name
        Its column.
    preprocessing
        In words.
    missing
        Share of rows without a value.
    examples
        Some values.
    doubts
        What is worth a thought.
    """

    name: str
    preprocessing: str
    missing: float
    examples: str
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True)
class TargetFinding:
    """The target, and how each model will read the features."""

    problem: str
    label: str
    counts: tuple[str, ...]
    plans: tuple[FeaturePlan, ...]
    models: Mapping[str, str]
    error: str
    preprocessing: Mapping[str, tuple[ColumnText, ...]] = field(default_factory=dict)
    """Steps of each feature, by the candidates that have a preprocessing of their own."""


@dataclass(frozen=True)
class Preview:
    """Everything that a preview shows.

    Attributes
    ----------
    partitions
        Sentences: how many, which are rehearsed, when the next refresh is.
    stops
        What would stop a run, each with where.
    """

    name: str
    description: str
    partitions: tuple[str, ...]
    graph: tuple[AssetLine, ...]
    datasets: tuple[DatasetFinding, ...]
    views: tuple[ViewFinding, ...]
    target: TargetFinding | None
    stops: tuple[str, ...]

    @property
    def doubts(self) -> Sequence[tuple[str, Doubt]]:
        """Doubts, each with the feature it is about."""
        plans = self.target.plans if self.target is not None else ()
        return [(plan.name, doubt) for plan in plans for doubt in plan.doubts]

    @property
    def is_sound(self) -> bool:
        """True if a run would go through."""
        return not self.stops
