"""The `predictions:` block: how the champion's scores are explained."""

from __future__ import annotations

from pydantic import Field

from declaration.types import Block

MOST_PARTS = 20
"""Parts of a score that can be kept: more are read by nobody."""


class PredictionsSpec(Block):
    """Settings of the champion's scores."""

    contributions: int = Field(default=0, ge=0, le=MOST_PARTS)
    """Features of each row that moved its score most, each with by how much; for candidates whose answers can be taken apart exactly."""
