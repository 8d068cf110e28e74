"""Types of single values in a declaration: identifiers, durations, instants, and the block that refuses unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
)

Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$"),
]
"""A name we put into asset keys, paths and tables: lower case, digits and underscores."""


ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""A column as the source spells it. Untrusted: quote it in SQL, escape it in HTML."""


SqlExpression = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
"""One scalar expression in DuckDB's dialect."""


ColumnType = Literal["boolean", "int", "float", "decimal", "string", "date", "timestamp", "timestamp_tz"]

TIMES: tuple[ColumnType, ...] = ("date", "timestamp", "timestamp_tz")
"""Types of times."""

SQL_TYPES: Mapping[ColumnType, str] = {
    "boolean": "BOOLEAN",
    "int": "BIGINT",
    "float": "DOUBLE",
    "decimal": "DECIMAL(38, 9)",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp_tz": "TIMESTAMPTZ",
}
"""Types of a declaration in the engine; instants are kept in UTC."""


Severity = Literal["info", "warning", "critical"]


Sensitivity = Literal["low", "medium", "high"]


_DURATION_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse_duration(text: object) -> object:
    """Read '90m', '12h', '28d' or '4w' as a time span; other values pass through to pydantic.

    Examples
    --------
    >>> parse_duration("28d")
    datetime.timedelta(days=28)
    """
    if not isinstance(text, str):
        if isinstance(text, timedelta):
            return text
        raise ValueError("a duration is a number and a unit: 90m, 12h, 28d or 4w")
    if text.startswith("P"):
        return text  # ISO 8601, as declarations are written into records.
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in _DURATION_UNITS or not number.isdecimal() or len(number) > 6 or int(number) == 0:
        raise ValueError("a duration is a positive number and a unit: 90m, 12h, 28d or 4w")
    return int(number) * _DURATION_UNITS[unit]


Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=str)]


def parse_instant(text: object) -> object:
    """Read a date, which is its first instant, or an instant; other values pass through to pydantic.

    Examples
    --------
    >>> parse_instant("2013-01-01")
    datetime.datetime(2013, 1, 1, 0, 0)
    """
    if not isinstance(text, str):
        return text
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date or an instant such as 2013-01-01 or 2013-01-01T06:00:00") from None


Instant = Annotated[datetime, BeforeValidator(parse_instant, json_schema_input_type=datetime)]


class Block(BaseModel):
    """A block of a declaration: immutable, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GrownBlock(Block):
    """A block that has got keys since it was first released; where nothing is declared of them it is written as before.

    Fingerprints of trainings and declarations are made of what is written: a new key must not change those that lack it.
    """

    ADDED: ClassVar[frozenset[str]] = frozenset()
    """The keys that came later; None, false and an empty list say nothing."""

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return {
            name: value
            for name, value in written.items()
            if name not in self.ADDED or not (value is None or value is False or value == [] or value == ())
        }
