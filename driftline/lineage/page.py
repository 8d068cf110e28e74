"""Lineage as a page: self-contained HTML with a picture in SVG, every name escaped, no script."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from charts import page_style
from charts.drawing import environment
from driftline.lineage.drawing import BOX_HEIGHT, BOX_WIDTH, MAX_LETTERS, draw
from driftline.lineage.terminal import words
from pipelines.lineage import Lineage, Node
from pipelines.lineage.models import versions_that_read
from pipelines.lineage.query import ROWS


def page(pipeline: str, lineage: Lineage, start: Collection[Node], *, depth: int | None = None) -> str:
    """Write what some columns are made of, and what is made of them, as one HTML file that needs no other.

    Parameters
    ----------
    pipeline
        Its name, for the title.
    lineage
        The whole graph, with or without rows.
    start
        The columns that it is about.
    depth
        Most steps up and down; None shows all.
    """
    shown = lineage.around(start, depth)
    rows = [
        (
            words(node),
            sorted(
                words(reached) for reached in lineage.reach([node], "up", depth) if reached.stage == "dataset"
            ),
            sorted(
                words(reached)
                for reached in lineage.reach([node], "down", depth)
                if reached.stage == "predictions"
            ),
            versions_that_read(lineage, node),
        )
        for node in sorted(start)
    ]
    templates = environment(Path(__file__).parent)
    templates.filters |= {"words": words, "short": _short}
    return templates.get_template("page.html.j2").render(
        style=page_style(),
        pipeline=pipeline,
        subject=words(next(iter(start))) if len(start) == 1 else "",
        drawing=draw(shown, start),
        rows=rows,
        depth=depth,
        unresolved=sorted(lineage.unresolved.items()),
        box_width=BOX_WIDTH,
        box_height=BOX_HEIGHT,
    )


def _short(node: Node) -> str:
    """Name a node in its box; the heading names a stage that is one table."""
    text = node.column if node.owner == node.stage and node.column != ROWS else words(node)
    return text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…"
