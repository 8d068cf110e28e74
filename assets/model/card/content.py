"""Content of a model card: sections of sentences, facts, tables and pictures, before they become a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CardTable:
    """Cells of a table.

    Attributes
    ----------
    header
        Names of the columns.
    rows
        Cells, as many as the header has.
    title
        Above it; empty for none.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


@dataclass(frozen=True)
class Section:
    """One section of a card; what is empty is left out.

    Attributes
    ----------
    title
        Its heading.
    texts
        Sentences.
    facts
        Names and values.
    tables
        Tables.
    pictures
        Names and SVG texts.
    """

    title: str
    texts: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[CardTable, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes
    ----------
    pipeline, version
        Whose.
    headline
        What it is, in a sentence.
    question
        The question that the pipeline answers, as declared; empty where it is not.
    stage
        Whether it serves, and since when.
    is_serving
        Whether it does.
    figures
        The few facts that come first: name, value, small print.
    sections
        In their order.
    """

    pipeline: str
    version: int
    headline: str
    question: str
    stage: str
    is_serving: bool
    figures: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]
