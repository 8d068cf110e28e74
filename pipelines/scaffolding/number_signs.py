"""Decimal commas of a whole file, declared once in its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from declaration.sql import first_row, quote_identifier, quote_literal
from pipelines.scaffolding.forms import COMMA, NULL_TEXTS, groups
from pipelines.scaffolding.source import TEXTS, OpenedSource

_POINT = r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?"
_POINT_GROUPS = r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+"


def with_number_signs(opened: OpenedSource) -> OpenedSource:
    """Return a source with its decimal comma, and its point between thousands, where all of its numbers have them.

    A column of commas that could all part thousands tells nothing, and one with decimal points contradicts it: then each
    column is read by itself.
    """
    if "decimal" not in type(opened.source).model_fields:
        return opened
    n_commas = n_points = n_grouped = 0
    for group in groups(opened.columns):
        for has_commas, has_points, is_grouped in _styles(opened, group):
            n_commas, n_points, n_grouped = (
                n_commas + has_commas,
                n_points + has_points,
                n_grouped + is_grouped,
            )
    if not n_commas or n_points:
        return opened
    signs = {"decimal": ","} | ({"thousands": "."} if n_grouped else {})
    return replace(opened, source=opened.source.model_copy(update=signs))


def _styles(opened: OpenedSource, names: Sequence[str]) -> Sequence[tuple[bool, bool, bool]]:
    """Tell of each column whether it is numbers with decimal commas, with decimal points, and with points between thousands."""
    nulls = ", ".join(quote_literal(word) for word in ("", *NULL_TEXTS))
    texts, found = [], []
    for place, column in enumerate(map(quote_identifier, names)):
        text = f"t{place}"
        texts.append(f"CASE WHEN trim({column}) NOT IN ({nulls}) THEN trim({column}) END AS {text}")
        is_comma, is_point, is_grouped = (
            f"regexp_full_match({text}, {quote_literal(pattern)})"
            for pattern in (COMMA, _POINT, _POINT_GROUPS)
        )
        comma_groups = f"regexp_full_match({text}, '[+-]?[1-9][0-9]{{0,2}}(,[0-9]{{3}})+')"
        is_number = f"bool_and({is_comma}) AND count(*) FILTER (contains({text}, ',')) > count(*) FILTER ({comma_groups})"
        found.append(
            f"coalesce({is_number}, false), coalesce(bool_and({is_point} OR NOT contains({text}, '.')) "
            f"AND bool_or({is_point} AND NOT {is_grouped}), false), "
            f"coalesce(bool_and({is_comma}) AND bool_or(contains({text}, '.')), false)"
        )
    row = first_row(
        opened.connection, f"SELECT {', '.join(found)} FROM (SELECT {', '.join(texts)} FROM {TEXTS})"
    )
    return [(row[i], row[i + 1], row[i + 2]) for i in range(0, len(row), 3)]
