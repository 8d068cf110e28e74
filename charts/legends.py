"""Legend: the line under a title that names the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from charts.scales import CHARACTER_WIDTH, shorten


@dataclass(frozen=True)
class LegendItem:
    """A colour and the name of what it stands for."""

    x: float
    label: str
    colour: str
    is_filled: bool


def legend(
    names: Sequence[tuple[str, str]], *, is_filled: bool = False, start: float = 14
) -> list[LegendItem]:
    """Lay out names and colours from left to right."""
    items, x = [], start
    for name, colour in names:
        label = shorten(name, 28)
        items.append(LegendItem(round(x, 1), label, colour, is_filled))
        x += 19 + CHARACTER_WIDTH * len(label) + 16
    return items
