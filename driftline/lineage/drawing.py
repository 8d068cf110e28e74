"""Layout of the lineage picture: columns left to right by stage, ordered so that lines cross little."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipelines.lineage import Edge, Lineage, Node
from pipelines.lineage.graph import STAGES

BOX_WIDTH, BOX_HEIGHT = 244, 24
GAP_X, GAP_Y = 64, 8
MARGIN, HEADING = 16, 34
"""Lengths in the picture's own pixels."""

MAX_LETTERS = 31
"""Letters of a name that surely fit into a box; the whole name is its tooltip."""


@dataclass(frozen=True)
class Box:
    """One column in the picture: its upper left corner."""

    node: Node
    x: int
    y: int
    is_chosen: bool


@dataclass(frozen=True)
class Line:
    """One edge, as an SVG path."""

    path: str
    kind: str


@dataclass(frozen=True)
class Drawing:
    """A picture of lineage, before it is SVG."""

    boxes: Sequence[Box]
    lines: Sequence[Line]
    headings: Sequence[tuple[int, str]]
    width: int
    height: int


def draw(lineage: Lineage, start: Collection[Node]) -> Drawing:
    """Place every column of a lineage; the same lineage gives the same picture."""
    edges, chosen = sorted(lineage.edges), set(start)
    columns = _columns(edges, lineage.nodes | chosen)
    boxes: dict[Node, Box] = {}
    headings: list[tuple[int, str]] = []
    for place, (stage, members) in enumerate(columns):
        x = MARGIN + place * (BOX_WIDTH + GAP_X)
        headings.append((x, stage.replace("_", " ")))
        for row, node in enumerate(_ordered(members, edges, boxes)):
            y = MARGIN + HEADING + row * (BOX_HEIGHT + GAP_Y)
            boxes[node] = Box(node, x, y, node in chosen)
    tallest = max((len(members) for _, members in columns), default=1)
    return Drawing(
        tuple(boxes.values()),
        tuple(Line(_path(boxes[edge.upstream], boxes[edge.downstream]), edge.kind) for edge in edges),
        tuple(headings),
        2 * MARGIN + len(columns) * (BOX_WIDTH + GAP_X) - GAP_X,
        2 * MARGIN + HEADING + tallest * (BOX_HEIGHT + GAP_Y),
    )


def _columns(edges: Sequence[Edge], nodes: Collection[Node]) -> list[tuple[str, list[Node]]]:
    """Group columns by stage; where a stage reads itself (a query of a query), by their order in it."""
    inside: dict[Node, list[Node]] = {}
    for edge in edges:
        if edge.upstream.stage == edge.downstream.stage:
            inside.setdefault(edge.downstream, []).append(edge.upstream)
    ranks: dict[Node, int] = {}

    def rank(node: Node) -> int:
        if node not in ranks:
            ranks[node] = max((rank(neighbour) + 1 for neighbour in inside.get(node, ())), default=0)
        return ranks[node]

    columns: dict[tuple[int, int], list[Node]] = {}
    for node in sorted(nodes):
        columns.setdefault((STAGES.index(node.stage), rank(node)), []).append(node)
    return [(STAGES[stage], columns[stage, order]) for stage, order in sorted(columns)]


def _ordered(members: Sequence[Node], edges: Sequence[Edge], placed: Mapping[Node, Box]) -> list[Node]:
    """Order a stage's columns by the mean height of what they are made of."""
    heights: dict[Node, list[int]] = {}
    for edge in edges:
        if edge.upstream in placed:
            heights.setdefault(edge.downstream, []).append(placed[edge.upstream].y)
    return sorted(members, key=lambda node: (fmean(heights[node]) if node in heights else 0.0, node))


def _path(left: Box, right: Box) -> str:
    """Draw a line between two boxes; past the columns between them it runs in the gap between their boxes."""
    start_x, start_y = left.x + BOX_WIDTH, left.y + BOX_HEIGHT // 2
    end_x, end_y = right.x, right.y + BOX_HEIGHT // 2
    if end_x - start_x <= GAP_X:
        return f"M{start_x} {start_y}{_bend(start_x, start_y, end_x, end_y)}"
    lane_y = left.y + BOX_HEIGHT + GAP_Y // 2 if end_y >= start_y else left.y - GAP_Y // 2
    first_x, last_x = start_x + GAP_X, end_x - GAP_X
    return (
        f"M{start_x} {start_y}{_bend(start_x, start_y, first_x, lane_y)}"
        f"H{last_x}{_bend(last_x, lane_y, end_x, end_y)}"
    )


def _bend(from_x: int, from_y: int, to_x: int, to_y: int) -> str:
    half = max(30, (to_x - from_x) // 2)
    return f"C{from_x + half} {from_y} {to_x - half} {to_y} {to_x} {to_y}"
