"""Lineage in the terminal: for one column two trees, for a pipeline a line per feature."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pipelines.lineage import Lineage, Node
from pipelines.lineage.graph import Direction
from pipelines.lineage.models import versions_that_read
from pipelines.lineage.query import ROWS


def show(lineage: Lineage, start: Collection[Node], console: Console, *, depth: int | None) -> None:
    """Print what some columns are made of, and what is made of them."""
    if len(start) == 1:
        for node in start:
            console.print(_tree(lineage, node, "up", depth))
            console.print(_tree(lineage, node, "down", depth))
    else:
        console.print(_table(lineage, start, depth))
    for name, why in sorted(lineage.unresolved.items()):
        text = f"{name}: its columns cannot be followed, only the tables it reads are known: {why}."
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def words(node: Node) -> str:
    """Name a node in a sentence.

    Examples
    --------
    >>> words(Node("dataset", "flights", "*"))
    'rows of flights'
    """
    if node.column == ROWS:
        return f"rows of {node.owner}"
    return node.column if node.stage == "model" else node.label


def _tree(lineage: Lineage, node: Node, direction: Direction, depth: int | None) -> Tree:
    title = "is made of" if direction == "up" else "is used in"
    tree = Tree(Text(f"{words(node)} {title}", style="bold"))
    seen: set[Node] = {node}
    waiting = [(tree, node, 0)]
    while waiting:
        branch, at, steps = waiting.pop(0)
        if depth is not None and steps >= depth:
            continue
        for neighbour in sorted(lineage.reach([at], direction, 1).keys() - {at}):
            again = neighbour in seen
            text = f"{neighbour.stage.replace('_', ' ')}  {words(neighbour)}"
            below = branch.add(Text(f"{text}  (see above)" if again else text))
            if not again:
                seen.add(neighbour)
                waiting.append((below, neighbour, steps + 1))
    if not tree.children:
        tree.add(Text("nothing that is declared" if direction == "up" else "nothing"))
    return tree


def _table(lineage: Lineage, start: Collection[Node], depth: int | None) -> Table:
    table = Table("feature", "columns behind it", "models", title="Features")
    for node in sorted(start):
        behind = sorted(
            words(source) for source in lineage.reach([node], "up", depth) if source.stage == "dataset"
        )
        models = ", ".join(versions_that_read(lineage, node)) or "none yet"
        table.add_row(*(Text(text) for text in (words(node), ", ".join(behind), models)))
    return table
