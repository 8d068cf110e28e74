"""Roles of columns: those that identify a row, whom rows are about, and what could be predicted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from declaration.sql import quote_identifier, quote_literal, scalar
from declaration.target import ProblemType
from pipelines.loading.checks.target import RESERVED_COLUMNS
from pipelines.scaffolding.clock import Clock
from pipelines.scaffolding.columns import TYPED, Column, FileColumns
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.text import snake_case, sql_name

if TYPE_CHECKING:
    import duckdb

MAX_CLASSES = 50
"""Most classes of a target: more are names, not classes."""

MAX_INTEGER_CLASSES = 10
"""Most values of a whole number that is taken as classes rather than as a quantity."""

MIN_ROWS_PER_CLASS = 20
"""Rows per class, in the mean, below which whole numbers are a quantity."""

ROWS_PER_ENTITY = 5
"""Rows that an entity has in the mean, at least: with fewer its past says nothing."""

MIN_ENTITIES = 9
"""A text with at most so many values is a category of the row, unless its name says otherwise."""

MAX_CODE = 40
"""Characters of the longest text that may be a code or a name rather than free text."""

LEAST_COUNTED = 20
"""Rows from which whole numbers that fill half of their range without repeating one are counted, not measured."""

_KEY_NAMES = frozenset({"id", "uuid", "guid"})
"""Names of columns that say that they identify a row."""

MAX_ENTITIES = 2
"""Entities that are found without being asked for; more views say the same again."""

_ID = re.compile(
    r"(^|_|\b)(id|key|code|no|num|nr|number|uuid|guid|sku|symbol|ticker|station|user|customer|client|account|card|device|"
    r"sensor|machine|store|shop|product|item|carrier|tail|tailnum|airport|origin|city|country|county|region|merchant|"
    r"patient|site|vendor|team|player|driver|vehicle|host)s?(_|\b|$)|[a-z]Id$",
    re.IGNORECASE,
)
_TARGET = re.compile(
    r"(^|_|\b)(target|label|class|outcome|result|y|churn|churned|fraud|default|survived|status|response|converted|"
    r"click|clicked|delinquent|diagnosis|failed|failure|success|price|sales|demand|score|rating|income)(_|\b|$)",
    re.IGNORECASE,
)


_CODE = re.compile(
    r"(^|_)(ids?|key|code|uuid|guid|sku|symbol|ticker|zip|zip_?code|post_?code|postal_code|plz|phone|telephone|fax|isbn|ean|iban|"
    r"index|row)$|_(no|num|nr|number)$|^id_"
)
_PLACE = re.compile(r"(^|_)(lat|lon|lng|long|latitude|longitude)$")
_OWNER = re.compile(
    r"(^|_)(user|customer|client|account|card|device|sensor|machine|store|shop|product|item|carrier|station|merchant|patient|"
    r"site|vendor|team|player|driver|vehicle|host|county|region|city|country)$"
)
_CALENDAR = re.compile(
    r"(^|_)(year|yr|quarter|month|week|weekday|day|hour|minute|date)(_of_(year|month|week|day))?$"
)
_PERSON = re.compile(r"(^|_)(first|last|middle|given|family|sur)_?name$")
_COUNT = re.compile(r"^(n|num|number|no|count|total|sum|avg|mean|max|min|per)_")


@dataclass(frozen=True)
class Key:
    """The columns that identify a row, and how that is known."""

    columns: tuple[str, ...]
    reason: str
    is_made: bool = False


@dataclass(frozen=True)
class Target:
    """The prediction target, as the declaration says it.

    Attributes
    ----------
    column, problem
        The column, and the kind of prediction.
    label
        Expression of the truth.
    reason
        Why this problem.
    questions
        What only a person can decide.
    n_labelled, rare_share
        Rows with a label, and the share of the rarest class; 1 for regression.
    """

    column: str
    problem: ProblemType
    label: str
    reason: str
    questions: tuple[str, ...]
    n_labelled: int
    rare_share: float


@dataclass(frozen=True)
class Candidate:
    """A column that could be the target, and why."""

    column: str
    score: int
    reason: str


def find_key(
    connection: duckdb.DuckDBPyConnection, columns: FileColumns, clock: Clock, entities: Sequence[str]
) -> Key:
    """Find columns that are unique together on all rows; else a row's place in the file identifies it."""
    n_rows = columns.columns[0].n_rows
    # Of several unique columns the one that is called so: a counter beside it may be unique in these rows alone.
    for column in sorted(columns.columns, key=lambda one: snake_case(one.name) not in _KEY_NAMES):
        is_full = _can_identify(column)
        if is_full and _is_identifier(column) and _n_distinct(connection, [column.name]) == n_rows:
            return Key((column.name,), f"unique on all {n_rows:,} rows")
    if clock.event_time is not None and _n_distinct(connection, [clock.event_time]) == n_rows:
        return Key((clock.event_time,), f"one row for each instant, on all {n_rows:,} rows")
    if clock.event_time is not None:
        for column in columns.columns:
            pair = [column.name, clock.event_time]
            is_whose = column.name in entities or (_ID.search(column.name) and _can_identify(column))
            if is_whose and column.n_null == 0 and _n_distinct(connection, pair) == n_rows:
                return Key(tuple(pair), f"unique together on all {n_rows:,} rows")
    return Key(("row_number",), "no column is unique: a row is known by its place in the file", is_made=True)


def _can_identify(column: Column) -> bool:
    return column.n_null == 0 and column.type in ("int", "string") and column.name not in RESERVED_COLUMNS


def _is_identifier(column: Column) -> bool:
    if column.n_distinct < 0.99 * column.n_rows or _PERSON.search(snake_case(column.name)):
        return False
    is_short = column.place == 0 or not column.n_spaced
    if column.type == "string" and is_short and column.longest <= MAX_CODE:
        # Tables begin with what they are about; and codes are written without spaces.
        return True
    return bool(_ID.search(column.name)) or _is_counter(column)


def _is_counter(column: Column) -> bool:
    """Tell whether whole numbers fill their range, each but once: a quantity would repeat some and leave gaps."""
    if column.type != "int" or column.low is None or column.high is None:
        return False
    if column.n_distinct < column.n_present:
        return False
    width = column.high - column.low + 1
    return width == column.n_rows or (column.n_present >= LEAST_COUNTED and width <= 2 * column.n_present)


def is_code(column: Column) -> bool:
    """Tell whether numbers only name something, by their name or their density: they are no quantity, and no target."""
    spelt = snake_case(column.name)
    is_named = bool(_CODE.search(spelt) or (_OWNER.search(spelt) and not _COUNT.search(spelt)))
    return (column.type == "int" and (is_named or _is_counter(column))) or (
        column.is_number and bool(_PLACE.search(spelt))
    )


def _n_distinct(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> int:
    listed = ", ".join(quote_identifier(name) for name in names)
    return int(scalar(connection, f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {TYPED})"))


def is_unique_like(column: Column) -> bool:
    """Tell whether nearly every row has its own value: an identifier or free text, which no model learns from."""
    return (
        column.type in ("string", "int")
        and column.n_distinct > 0.9 * max(1, column.n_present)
        and (column.type == "string" or _is_identifier(column))
    )


def find_entities(columns: FileColumns, clock: Clock, target: str | None) -> tuple[str, ...]:
    """Find the columns that say whom a row is about: names or codes that come back."""
    if clock.every == "load":
        return ()
    ranked = []
    for column in columns.columns:
        has_name = bool(_ID.search(column.name))
        is_named = column.type == "string" or (column.type == "int" and has_name)
        comes_back = (2 if has_name else MIN_ENTITIES) < column.n_distinct <= column.n_rows / ROWS_PER_ENTITY
        if (
            is_named
            and comes_back
            and column.name not in (target, *RESERVED_COLUMNS)
            and column.n_null <= 0.05 * column.n_rows
        ):
            ranked.append((not has_name, -column.n_distinct, column.name))
    return tuple(name for *_, name in sorted(ranked)[:MAX_ENTITIES])


def target_of(column: Column) -> Target:
    """Find out what kind of prediction a column is.

    Raises
    ------
    ScaffoldError
        If it cannot be predicted: nothing in it, one value, times, or names.
    """
    name, quoted = column.name, sql_name(column.name)
    if column.n_distinct == 0:
        raise ScaffoldError(f"--target {name}: the column is empty. Name another.")
    if column.n_distinct == 1:
        raise ScaffoldError(
            f"--target {name}: every row has the value {_shown(column)}. There is nothing to learn: name another column, "
            "or a file with both outcomes."
        )
    if column.is_time:
        raise ScaffoldError(
            f"--target {name}: the column holds times. Predict a duration: add a computed column, such as "
            "the days between two times, and name that."
        )
    if column.n_distinct == 2:
        return _binary(column)
    shares = [n / column.n_present for _, n in column.values]
    if column.type == "string":
        if column.n_distinct > MAX_CLASSES:
            raise ScaffoldError(
                f"--target {name}: {column.n_distinct:,} different texts are names, not classes (at most {MAX_CLASSES}). "
                "Name a column with fewer, or group them in the file."
            )
        return Target(
            name, "multiclass", quoted, f"{column.n_distinct} classes", (), column.n_present, min(shares)
        )
    is_classes = (
        column.type == "int"
        and column.n_distinct <= MAX_INTEGER_CLASSES
        and column.n_present >= MIN_ROWS_PER_CLASS * column.n_distinct
    )
    if is_classes:
        text = f"{column.n_distinct} whole numbers are taken as classes. If they are a quantity: problem: regression, label: {quoted}."
        label = f"CAST({quoted} AS VARCHAR)"
        return Target(
            name, "multiclass", label, f"{column.n_distinct} values", (text,), column.n_present, min(shares)
        )
    return Target(name, "regression", quoted, "a quantity", (), column.n_present, 1.0)


def _binary(column: Column) -> Target:
    quoted = sql_name(column.name)
    counts = dict(column.values)
    rare, n_rare = column.values[-1]
    share = n_rare / column.n_present
    questions: tuple[str, ...] = ()
    if column.type == "boolean":
        label = quoted
        share = min(counts.values()) / column.n_present
    elif column.is_number and {float(value) for value in counts} == {0.0, 1.0}:
        label = f"{quoted} = 1"
        share = min(counts.values()) / column.n_present
    else:
        value = rare if column.is_number else quote_literal(rare)
        label = f"{quoted} = {value}"
        questions = (
            f"{_shown(column)}: the rarer is taken as the outcome to predict. Turn it round if the other is meant.",
        )
    return Target(column.name, "binary", label, "two values", questions, column.n_present, share)


def _shown(column: Column) -> str:
    return ", ".join(f"{value!r} ({n:,} rows)" for value, n in column.values[:3])


def rank_targets(columns: FileColumns, key: Key, entities: Sequence[str]) -> tuple[Candidate, ...]:
    """Rank the columns that could be what is predicted, the most plausible first."""
    candidates = []
    for place, column in enumerate(columns.columns):
        if (
            column.is_time
            or column.is_constant
            or column.name in (*key.columns, *entities)
            or is_unique_like(column)
            or is_code(column)
            or _CALENDAR.search(snake_case(column.name))
        ):
            continue
        try:
            target = target_of(column)
        except ScaffoldError:
            continue
        score = 0
        why: list[str] = []
        if _TARGET.search(column.name):
            score, why = score + 3, [*why, "its name"]
        if place == len(columns.columns) - 1:
            score, why = score + 2, [*why, "the last column"]
        if target.problem == "binary":
            score, why = score + 2, [*why, "two values"]
        elif target.problem == "multiclass":
            score, why = score + 1, [*why, f"{column.n_distinct} classes"]
        else:
            why = [*why, "a quantity"]
        if 0 < column.n_null < column.n_rows:
            why = [
                *why,
                f"missing in {column.n_null / column.n_rows:.1%} of the rows, as a late outcome would be",
            ]
        candidates.append(Candidate(column.name, score, f"{target.problem}: {', '.join(why)}"))
    order = {column.name: place for place, column in enumerate(columns.columns)}
    return tuple(sorted(candidates, key=lambda c: (-c.score, -order[c.column])))
