"""The picture of a drift report is small enough to be shown in a table of metadata."""

import base64
import re
from dataclasses import dataclass
from typing import Any

from assets.drift_report.thumbnail import HEIGHT, LIKELY, LOUD, N_BARS, QUIET, drift_thumbnail

MOST_CHARACTERS = 1000
"""Dagster's web UI hides longer Markdown behind a click (`MetadataEntry.tsx`)."""


@dataclass(frozen=True)
class Column:
    """A verdict's column, as far as the picture looks at it."""

    strength: float
    status: str = "stable"
    role: str = "feature"


@dataclass(frozen=True)
class Verdict:
    """A verdict, as far as the picture looks at it."""

    columns: tuple[Column, ...]

    def drifted(self) -> list[Column]:
        return self.having("drifted")

    def having(self, status: str) -> list[Column]:
        return [column for column in self.columns if column.status == status]


def drawn(*columns: Column) -> str:
    verdict: Any = Verdict(columns)
    markdown = drift_thumbnail(verdict)
    assert len(markdown) < MOST_CHARACTERS
    found = re.search(r"base64,([^)]+)", markdown)
    return base64.b64decode(found[1]).decode() if found else ""


def test_the_surest_features_stand_out() -> None:
    svg = drawn(Column(0.5), Column(1.0, "drifted"), Column(9.0, role="prediction"), Column(0.0))
    # The threshold is at half the height; what is drawn first is the surest.
    assert f'fill="{LOUD}" d="M0 {HEIGHT}v-{HEIGHT // 2}h12' in svg
    assert f'fill="{QUIET}" d="M16 {HEIGHT}v-{HEIGHT // 4}h12' in svg
    assert svg.count("h12") == 3


def test_what_likely_drifted_has_a_colour_of_its_own_and_is_counted() -> None:
    verdict: Any = Verdict((Column(0.5, "likely"), Column(1.0, "drifted")))
    assert drift_thumbnail(verdict).startswith("![1 drifted, 1 likely; the line is the threshold]")
    assert f'fill="{LIKELY}" d="M16' in drawn(*verdict.columns)


def test_many_features_are_cut() -> None:
    svg = drawn(*(Column(100.0 + n, "drifted" if n % 2 else "stable") for n in range(500)))
    assert svg.count("h12") == N_BARS


def test_without_a_verdict_there_is_none() -> None:
    assert drift_thumbnail(None) == ""
    assert drawn() == ""
