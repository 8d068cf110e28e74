"""Bracket: bounds from counts on edges, of a value that only rows tell exactly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bracket:
    """Bracket of a value known to lie in [low, high]."""

    low: float
    high: float
