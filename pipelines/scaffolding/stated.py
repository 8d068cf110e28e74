"""What a table's own definition states, beside what its rows show: key, column of changes, rules, meanings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.loading.checks.target import RESERVED_COLUMNS
from pipelines.scaffolding.columns import FileColumns
from pipelines.scaffolding.roles import Key
from pipelines.scaffolding.rules import SuggestedExpectation
from sources.described import Described

_CHANGED = re.compile(
    r"(^|_)(updated|modified|changed|edited|(last|row)_?(update|updated|modified|modification|change|changed|edit))"
    r"(_?(at|on|time|ts|timestamp|date|datetime|utc))?$"
)


@dataclass(frozen=True)
class Cursor:
    """Column that seems to grow with each change.

    Attributes
    ----------
    column
        Its name.
    evidence
        Why it does; empty where only its name says so.
    question
        What a person must decide.
    """

    column: str
    evidence: str
    question: str


def stated_key(known: Described, columns: FileColumns) -> Key | None:
    """Return the key that the table's constraints state; None where there is none that can be declared."""
    names = {column.name for column in columns.columns} - set(RESERVED_COLUMNS)
    for place, key in enumerate(known.keys):
        if names.issuperset(key):
            kind = (
                "primary key"
                if place == 0 and known.has_primary
                else "unique constraint, whose columns are never NULL"
            )
            return Key(key, f"the table's {kind}")
    return None


def find_cursor(known: Described, columns: FileColumns, event_time: str | None) -> Cursor | None:
    """Find the column that says when a row changed, by its name and type, and what shows that it does."""
    found = [c for c in columns.columns if c.is_time and _CHANGED.search(_snake(c.name))]
    if not found:
        return None
    column = max(found, key=lambda c: (c.name in known.updated, c.name in known.indexed))
    evidence = [
        *(["the database sets it at each change"] if column.name in known.updated else []),
        *(["an index begins with it"] if column.name in known.indexed else []),
    ]
    if column.name in known.updated:
        question = "do rows commit later than it says? Then declare `lag`; are rows deleted? Then `deletes: compare`."
    else:
        question = (
            f"does every change of a row set '{column.name}'? Only its name says so. Without it, remove `cursor`; "
            "with it, declare `lag` where rows commit later than it says."
        )
    if column.name not in known.indexed:
        question += " It has no index: each look at it reads the whole table."
    if column.n_null:
        question += f" {column.n_null:,} rows have none, and their changes are not seen."
    if column.name == event_time:
        question += " It is the event time, too: a row that changes moves to another partition."
    return Cursor(column.name, " and ".join(evidence), question)


def stated_rules(rules: Sequence[SuggestedExpectation], known: Described) -> Sequence[SuggestedExpectation]:
    """Return the rules with the table's reasons where it states them: NOT NULL, and the values of an enum."""
    return [_stated(rule, known) for rule in rules]


def _stated(rule: SuggestedExpectation, known: Described) -> SuggestedExpectation:
    arguments = dict(rule.arguments)
    column = str(arguments.get("column", ""))
    if rule.expect == "column_values_to_not_be_null":
        if column in known.required:
            return replace(rule, reason="NOT NULL in the table", severity="critical")
        if known.required and "mostly" not in arguments:
            return replace(rule, reason=f"{rule.reason}, though the table allows it")
    if rule.expect == "column_values_to_be_in_set" and column in known.allowed:
        listed = (("column", column), ("value_set", list(known.allowed[column])))
        return replace(rule, arguments=listed, reason="the values that the column's type lists")
    return rule


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
