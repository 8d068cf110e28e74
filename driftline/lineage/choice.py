"""Choice of a column by name: `view.feature`, `request.feature`, `dataset.column`, or a name that is unique."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from declaration.errors import DriftlineError
from declaration.target_sql import REQUEST_PREFIX
from pipelines.lineage import Lineage, Node
from pipelines.lineage.graph import Stage
from pipelines.lineage.query import ROWS

_N_SHOWN = 12

_TABLES: tuple[Stage, ...] = ("source", "dataset", "query")


class UnknownColumnError(DriftlineError):
    """No column, or more than one, has the name that was asked for."""


def chosen(lineage: Lineage, *, feature: str | None, column: str | None) -> Collection[Node]:
    """Return the column that is meant.

    Raises
    ------
    UnknownColumnError
        If there is none, or a bare name stands for several; with the nearest names.
    """
    if feature is not None:
        asked_name = feature.replace(REQUEST_PREFIX, "request.").replace("__", ".")
        names = {_spoken(node): node for node in every_feature(lineage)}
    else:
        asked_name = column or ""
        # A dataset's own column comes before the source's of the same name.
        ordered = sorted(lineage.nodes, key=lambda node: (node.stage != "source", node))
        names = {node.label: node for node in ordered if node.stage in _TABLES and node.column != ROWS}
    words = "column" if feature is None else "feature"
    if asked_name in names:
        return [names[asked_name]]
    alike = sorted(name for name in names if name.partition(".")[2] == asked_name)
    if len(alike) == 1:
        return [names[alike[0]]]
    if alike:
        raise UnknownColumnError(
            f"'{asked_name}' is in several places: {', '.join(alike)}. Name one of them."
        )
    bare = {name.partition(".")[2]: name for name in sorted(names)}
    near = [
        *get_close_matches(asked_name, names, n=1),
        *(bare[match] for match in get_close_matches(asked_name, bare, n=1)),
    ]
    listed = ", ".join(sorted(names)[:_N_SHOWN]) + (", …" if len(names) > _N_SHOWN else "")
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UnknownColumnError(f"no {words} '{asked_name}'.{hint} There are: {listed}.")


def every_feature(lineage: Lineage) -> Collection[Node]:
    """Return all that models can read: the features of views and of requests."""
    read = {
        edge.upstream
        for edge in lineage.edges
        if edge.downstream.stage == "training_set" and edge.kind == "value"
    }
    return sorted(
        node
        for node in read
        if node.stage == "features" or (node.stage == "labels" and node.column.startswith(REQUEST_PREFIX))
    )


def _spoken(node: Node) -> str:
    if node.stage == "labels" and node.column.startswith(REQUEST_PREFIX):
        return f"request.{node.column.removeprefix(REQUEST_PREFIX)}"
    return node.label
