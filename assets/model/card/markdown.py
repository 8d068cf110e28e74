"""Model card as Markdown, with its pictures inside."""

from __future__ import annotations

from collections.abc import Iterator

from assets.model.card.content import Card, Section
from assets.model.explanation_pages import markdown_table
from charts import as_markdown_cell, as_markdown_image


def card_markdown(card: Card) -> str:
    """Return the card as one Markdown text; what comes from outside is no markup in it."""
    parts = [f"# {as_markdown_cell(card.headline)}", as_markdown_cell(card.stage)]
    if card.question:
        parts.append(as_markdown_cell(card.question))
    figures = [(name, value, small) for name, value, small in card.figures]
    parts.append(markdown_table(("", "value", ""), figures))
    for section in card.sections:
        parts.extend(_section(section))
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"## {as_markdown_cell(section.title)}"
    yield from (as_markdown_cell(text) for text in section.texts)
    if section.facts:
        yield markdown_table(("", "value"), section.facts)
    for table in section.tables:
        if table.title:
            yield f"**{as_markdown_cell(table.title)}**"
        yield markdown_table(table.header, table.rows)
    yield from (as_markdown_image(picture, name) for name, picture in section.pictures)
