"""The block `model.sample`: the part of the rows that is learned from, where all are too many."""

from __future__ import annotations

from pydantic import Field

from declaration.types import Block

LEAST_SAMPLED = 1_000
"""Rows of a sample at least."""


class SampleSpec(Block):
    """A sample of the labelled rows, drawn by a hash of `model.seed` and the row's id: a row that is in it stays, as others come."""

    rows: int = Field(ge=LEAST_SAMPLED)
    """Rows of the sample; all where there are fewer."""
    stratified: bool = False
    """Draw from each label as many as its share, to the row: rare labels keep theirs. For classes."""
