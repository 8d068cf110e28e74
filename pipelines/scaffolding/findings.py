"""Findings about a source, and the comments that ask for what was not found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from declaration.sources.spec import SourceSpec
from learning.leaks import Suspicion
from pipelines.scaffolding.clock import Clock
from pipelines.scaffolding.columns import Column, FileColumns
from pipelines.scaffolding.roles import Candidate, Key, Target
from pipelines.scaffolding.rules import SuggestedExpectation
from pipelines.scaffolding.series import Series
from pipelines.scaffolding.stated import Cursor
from pipelines.scaffolding.text import comment
from pipelines.scaffolding.views import View
from sources.described import Described

DECIDE = "decide:"
"""Begins a comment that asks for a person's decision."""


@dataclass(frozen=True)
class Findings:
    """Everything that was found about a file.

    Attributes
    ----------
    dataset
        Name of the dataset, from the file's.
    source, path
        How the file is read, and its path as the declaration writes it.
    doubts
        What must be asked of the file's shape.
    label_time
        Expression of the instant at which the truth is known, and what to decide about it.
    request
        Columns known from the row itself.
    suspicions
        Those among them that know the answer.
    series
        The series that the rows are; None where they are none.
    holidays
        Request feature of the public holidays that were asked for.
    known
        What the source's own definition states.
    cursor
        Column of a database that seems to grow with each change.
    is_sample
        Whether the rows are the first of more.
    note
        What was seen of the source.
    paths
        Where columns stand in the rows of an API, by name; empty for other sources.
    """

    dataset: str
    source: SourceSpec
    path: str
    n_rejected: int
    doubts: tuple[str, ...]
    columns: FileColumns
    clock: Clock
    key: Key
    entities: tuple[View, ...]
    rules: tuple[SuggestedExpectation, ...]
    target: Target | None
    candidates: tuple[Candidate, ...]
    label_time: str
    label_question: str
    request: tuple[Column, ...]
    suspicions: tuple[Suspicion, ...]
    lookback: str
    series: Series | None = None
    holidays: tuple[str, str] | None = None
    known: Described = field(default_factory=Described)
    cursor: Cursor | None = None
    is_sample: bool = False
    note: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def event_time(self) -> str:
        """The column that is the clock, real or made."""
        made_columns = {"rows": "row_time", "load": "load_time"}
        return self.clock.event_time or made_columns[self.clock.every]

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self.columns.columns[0].n_rows


def ask(text: str, indent: int) -> list[str]:
    """Return the lines of a comment that asks."""
    return comment(f"{DECIDE} {text}", indent)
