"""Graph of columns: the upstream columns of each, and what is reached from one, up or down to a depth."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Stage = Literal[
    "source", "dataset", "query", "features", "labels", "training_set", "model", "predictions"
]  # fmt: skip

STAGES: tuple[Stage, ...] = (
    "source", "dataset", "query", "features", "labels", "training_set", "model", "predictions",
)  # fmt: skip
"""From left to right."""

EdgeKind = Literal["value", "rows", "unresolved"]
"""`value`: an expression names the column. `rows`: it decides which rows there are. `unresolved`: the table is
read, and which of its columns cannot be told."""

Direction = Literal["up", "down"]


@dataclass(frozen=True, order=True)
class Node:
    """A column, the rows of a table (`*`), or a model version."""

    stage: Stage
    owner: str
    """Dataset, query, view; the stage's own name elsewhere."""
    column: str

    @property
    def label(self) -> str:
        """Name for people."""
        return f"{self.owner}.{self.column}"


@dataclass(frozen=True, order=True)
class Edge:
    """Edge of the lineage: the downstream column is made of the upstream one."""

    upstream: Node
    downstream: Node
    kind: EdgeKind = "value"


@dataclass(frozen=True)
class Lineage:
    """All edges of a pipeline, and the queries whose columns cannot be followed."""

    edges: frozenset[Edge]
    unresolved: Mapping[str, str]
    """By name of a query or view: why."""

    @cached_property
    def nodes(self) -> frozenset[Node]:
        """All columns that an edge begins or ends at."""
        return frozenset(node for edge in self.edges for node in (edge.upstream, edge.downstream))

    def without_rows(self) -> Lineage:
        """Leave out what only decides which rows there are."""
        return Lineage(frozenset(edge for edge in self.edges if edge.kind != "rows"), self.unresolved)

    def reach(
        self, start: Collection[Node], direction: Direction, depth: int | None = None
    ) -> Mapping[Node, int]:
        """Return what is reached from some columns, with the number of steps to it; they themselves are at 0.

        Parameters
        ----------
        start
            Where to begin.
        direction
            `up` to what they are made of, `down` to what is made of them.
        depth
            Most steps; None goes to the end.
        """
        distances = dict.fromkeys(start, 0)
        frontier, steps = set(start), 0
        while frontier and (depth is None or steps < depth):
            steps += 1
            frontier = {
                neighbour for node in frontier for neighbour in self._next(node, direction)
            } - distances.keys()
            distances |= dict.fromkeys(frontier, steps)
        return distances

    def around(self, start: Collection[Node], depth: int | None = None) -> Lineage:
        """Keep what some columns are made of and what is made of them."""
        above, below = self.reach(start, "up", depth), self.reach(start, "down", depth)
        return Lineage(
            frozenset(
                edge
                for edge in self.edges
                if any(edge.upstream in part and edge.downstream in part for part in (above, below))
            ),
            self.unresolved,
        )

    def _next(self, node: Node, direction: Direction) -> Collection[Node]:
        return (self._above if direction == "up" else self._below).get(node, ())

    @cached_property
    def _above(self) -> Mapping[Node, Collection[Node]]:
        neighbours: dict[Node, set[Node]] = {}
        for edge in self.edges:
            neighbours.setdefault(edge.downstream, set()).add(edge.upstream)
        return neighbours

    @cached_property
    def _below(self) -> Mapping[Node, Collection[Node]]:
        neighbours: dict[Node, set[Node]] = {}
        for edge in self.edges:
            neighbours.setdefault(edge.upstream, set()).add(edge.downstream)
        return neighbours
