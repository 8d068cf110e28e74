"""Rows of states over columns: the serving model, the decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from charts.columns import Columns
from charts.scales import CHARACTER_WIDTH

LANE_HEIGHT = 20


@dataclass(frozen=True)
class State:
    """State of a lane in one column; equal neighbours become one."""

    text: str
    colour: str
    tooltip: str = ""


@dataclass(frozen=True)
class Lane:
    """A row of states under the panel. As many as columns."""

    name: str
    states: Sequence[State]


@dataclass(frozen=True)
class Block:
    """Equal states side by side, as they are drawn."""

    x: float
    width: float
    text: str
    colour: str
    tooltip: str


@dataclass(frozen=True)
class LaneRow:
    """A lane as it is drawn."""

    y: float
    name: str
    blocks: tuple[Block, ...]


def lane_rows(lanes: Sequence[Lane], columns: Columns, top: float) -> tuple[LaneRow, ...]:
    """Place lanes below each other from `top` on; a text is left out where its block is too narrow."""
    rows = []
    for number, lane in enumerate(lanes):
        blocks, start = [], 0
        for state, same in groupby(lane.states):
            end = start + len(list(same))
            width = round(columns.edge(end) - columns.edge(start) - 1, 1)
            text = state.text if CHARACTER_WIDTH * len(state.text) <= width else ""
            blocks.append(Block(columns.edge(start), width, text, state.colour, state.tooltip or state.text))
            start = end
        rows.append(LaneRow(top + LANE_HEIGHT * number, lane.name, tuple(blocks)))
    return tuple(rows)
