"""Bracket: what counts on edges tell of a value that only rows tell exactly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bracket:
    """A value known to lie in [low, high]."""

    low: float
    high: float
