"""Quality of a window's data: the least score of its datasets, and the faults that make it broken."""

from __future__ import annotations

from dataclasses import dataclass

CRITICAL_QUALITY = 0.5
"""Quality score below which a window is broken: half of what was expected of it does not hold."""


@dataclass(frozen=True)
class WindowQuality:
    """The least quality score of the window's datasets, what is broken, and the tables read."""

    score: float | None
    faults: tuple[str, ...]
    reads: tuple[str, ...]
