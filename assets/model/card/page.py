"""Model card as one HTML page: self-contained, without scripts, every value escaped."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from assets.model.card.content import Card
from charts import page_style
from charts.drawing import environment

FIGURE = frozenset("0123456789")


def card_page(card: Card, *, back: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    card
        Its content.
    back
        Address of the pipeline's history, relative to the page; empty for no link.
    """
    template = environment(Path(__file__).parent).get_template("card.html.j2")
    return template.render(card=card, style=page_style(), svg=Markup, is_figure=_is_figure, back=back)


def _is_figure(cell: str) -> bool:
    """Tell whether a cell is set flush right: a number, with what may stand around one."""
    return (
        bool(cell) and len(cell) <= 12 and (cell[0] in FIGURE or (cell[0] in "+-−" and cell[1:2] in FIGURE))
    )
