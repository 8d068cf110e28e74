"""Feature views of a scaffold: what an entity did before each instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from declaration.sql import quote_identifier
from pipelines.scaffolding.clock import interval_of
from pipelines.scaffolding.columns import Column
from pipelines.scaffolding.text import snake_case

MAX_MEASURES = 6
"""Numbers that a view averages; more views of the same past say little."""


@dataclass(frozen=True)
class View:
    """A feature view: its name, entity and query."""

    name: str
    entity: str | None
    keys: tuple[str, ...]
    sql: str


def identifier(text: str, taken: Sequence[str] = (), fallback: str = "column") -> str:
    """Make a name of lower-case letters, digits and underscores that is not taken.

    Examples
    --------
    >>> identifier("Mean Radius (mm)"), identifier("価格", taken=["column"])
    ('mean_radius_mm', 'column_2')
    """
    name = snake_case(text)[:50].strip("_")
    if not name:
        name = fallback
    if not name[0].isalpha():
        name = f"{fallback[0]}_{name}"
    number, candidate = 2, name
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def history_view(
    keys: tuple[str, ...],
    *,
    dataset: str,
    event_time: str,
    lookback: str,
    measures: Sequence[Column],
    taken: Sequence[str],
) -> View:
    """Write the view of an entity's past: how often, and the means of its numbers."""
    entity = identifier("_".join(keys), taken, "entity").replace("__", "_")
    time, listed = quote_identifier(event_time), ", ".join(quote_identifier(key) for key in keys)
    names: list[str] = []
    features = [f"    count(*) OVER past AS n_rows_{lookback}"]
    for column in measures[:MAX_MEASURES]:
        name = identifier(column.name, names)
        names.append(name)
        value = quote_identifier(column.name)
        value = f"CAST({value} AS INTEGER)" if column.type == "boolean" else value
        features.append(f"    avg({value}) OVER past AS mean_{name}_{lookback}")
    body = ",\n".join([f"    {listed},\n    {time} AS event_timestamp", *features])
    condition = " AND ".join(f"{quote_identifier(key)} IS NOT NULL" for key in keys)
    sql = (
        f"-- What was seen of each {_plain(', '.join(keys))} in the {lookback} before each of its rows. The row itself, and rows of the\n"
        "-- same instant, are left out: what is averaged here may be known only after it.\n"
        "SELECT DISTINCT\n"
        f"{body}\n"
        f"FROM {quote_identifier(dataset)}\n"
        f"WHERE {condition}\n"
        "WINDOW past AS (\n"
        f"    PARTITION BY {listed}\n"
        f"    ORDER BY {time}\n"
        f"    RANGE BETWEEN {interval_of(lookback)} PRECEDING AND INTERVAL '1' MICROSECOND PRECEDING\n"
        ")\n"
    )
    return View(f"{entity}_history", entity, keys, sql)


def _plain(text: str) -> str:
    """Make a text safe in a comment of one line."""
    return " ".join(text.split())
