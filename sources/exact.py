"""Casts that keep a value exactly, or give NULL and the reason: the engine's own round, cut and guess in silence.

One set of rules for every format: texts (CSV, sheets, JSON) by `of_text`, typed values (Parquet, Python, computed
columns) by `of_typed`, which takes texts too. Rules stand in SQL, cheap where a value is unsuspicious.
"""

from __future__ import annotations

from dataclasses import dataclass

from declaration.sql import quote_literal

TIMESTAMP_TZ = "TIMESTAMPTZ"
TIME_TYPES = ("DATE", "TIMESTAMP", TIMESTAMP_TZ)
"""Types of times that can be declared."""

_TEXTS = ("VARCHAR", "JSON", "ENUM", '"NULL"')
"""Types whose values are texts, or none."""

_FLOATS = ("FLOAT", "DOUBLE")
_INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
_ZONELESS = frozenset({"BOOLEAN", "VARCHAR", "DECIMAL", *_FLOATS, *_INTEGERS})
"""Types between which casts are the same in every zone."""

_WALL_CLOCKS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
"""Types of times without a zone."""

_MORE_THAN_A_CLOCK = r"[A-Za-z]\s*$|:\d\d.*[+-]\d"
"""A zone, an offset, AM or PM after a clock: a cast to a wall clock would drop it."""

_FOUR_DIGIT_YEAR = r"^\s*[0-9]{4}[^0-9]"
_LONG_YEAR = r"^\s*(-|[0-9]{5})"
_FINER = r"\.[0-9]{6}[0-9]*[1-9]"
"""Digits of a second that microseconds do not hold."""

_NUMBER = r"^\s*[+-]?([0-9_]*\.?[0-9_]*)([eE][+-]?[0-9]+)?\s*$"

MORE_THAN_A_CLOCK = "more than a wall clock"
WITH_A_CLOCK = "a day with a clock or a zone"
SHORT_YEAR = "a year of fewer than four digits"
FIRST_YEAR, LAST_YEAR = 1, 9999
"""Years of Python's, Arrow's and Delta's calendars."""

NO_YEAR = f"not between the years {FIRST_YEAR} and {LAST_YEAR}"
TOO_FINE = "finer than a microsecond"
TWICE = "an hour that the zone has twice"
NOT_NUMBER = "not a number"
NOT_DECIMAL = f"{NOT_NUMBER} of at most 29 digits before and 9 after the point"

_WORDS = {
    "BIGINT": "not a whole number of 64 bits",
    "BOOLEAN": "neither true nor false, 1 nor 0",
    "DATE": "not a date",
    "DOUBLE": NOT_NUMBER,
    "TIMESTAMP": "not a timestamp",
    TIMESTAMP_TZ: "not an instant",
}
"""Words of a reason for each type: the value is not one of these."""


@dataclass(frozen=True)
class Cast:
    """SQL of one value in another type.

    Attributes
    ----------
    value
        The value; NULL where it does not fit exactly.
    fault
        Why it does not, as a text with the value: for those that are not NULL and have become so.
    clock
        The wall clock that was read in the session's zone; NULL where the value has a zone. None for other types.
    """

    value: str
    fault: str
    clock: str | None = None


def base_type(kind: str) -> str:
    """Return a type of the engine without its parameters, by its short name.

    Examples
    --------
    >>> base_type("DECIMAL(18,3)"), base_type("TIMESTAMP WITH TIME ZONE"), base_type("INTEGER[]")
    ('DECIMAL', 'TIMESTAMPTZ', 'INTEGER[]')
    """
    if kind == "TIMESTAMP WITH TIME ZONE":
        return TIMESTAMP_TZ
    return kind if kind.endswith("]") else kind.partition("(")[0]


def is_zoneless(from_type: str, to_type: str) -> bool:
    """Tell whether a cast is the same in a session of any zone.

    Examples
    --------
    >>> is_zoneless("VARCHAR", "DECIMAL(38, 9)"), is_zoneless("TIMESTAMPTZ", "VARCHAR")
    (True, False)
    """
    return {base_type(from_type), base_type(to_type)} <= _ZONELESS


def of_typed(value: str, from_type: str, to_type: str, *, name: str, plain: str | None = None) -> Cast | None:
    """Return the cast of a typed value; None where it has that type already.

    Parameters
    ----------
    value
        SQL of the value. It stands several times in the cast: a column, not an expression.
    from_type, to_type
        Types of the engine.
    name
        Column that reasons name.
    plain
        As `of_text` takes it.
    """
    source, target = base_type(from_type), base_type(to_type)
    if from_type.replace(", ", ",") == to_type.replace(", ", ",") or (
        source == target and source != "DECIMAL"
    ):
        return None
    if target == "VARCHAR":
        return Cast(f"CAST({value} AS VARCHAR)", said(name, "not a text", value))
    if source in _TEXTS:
        text = value if source == "VARCHAR" else f"CAST({value} AS VARCHAR)"
        return of_text(text, to_type, name=name, plain=plain)
    if source == "DECIMAL" and target in (*_INTEGERS, "DECIMAL"):
        # Decimals of different scales are compared through DOUBLE: their texts are exact.
        return of_text(f"CAST({value} AS VARCHAR)", to_type, name=name)
    if source in _FLOATS and target == "DECIMAL":
        return _decimal_of_float(value, to_type, name)
    cast = f"TRY_CAST({value} AS {to_type})"
    fault = said(name, _lost(source, target) or words_for(to_type), value)
    if source == "TIMESTAMPTZ_NS" and target in ("DATE", "TIMESTAMP"):
        instant = f"TRY_CAST({value} AS TIMESTAMPTZ)"
        whole = (
            f"{_round_trip(value, from_type, TIMESTAMP_TZ)} AND {_round_trip(instant, TIMESTAMP_TZ, to_type)}"
        )
        return Cast(f"CASE WHEN {whole} THEN TRY_CAST({instant} AS {to_type}) END", fault)
    if source in _WALL_CLOCKS and target == TIMESTAMP_TZ:
        # Not through the type itself: a clock that an hour's change leaves out would not come back.
        whole = _round_trip(value, from_type, "TIMESTAMP")
        return Cast(f"CASE WHEN {whole} THEN {cast} END", fault, f"TRY_CAST({value} AS TIMESTAMP)")
    if target in _FLOATS:
        # A float is the nearest one by declaration.
        return Cast(cast, fault)
    return Cast(f"CASE WHEN {_round_trip(value, from_type, to_type)} THEN {cast} END", fault)


def plain_cast(text: str, to_type: str) -> str:
    """Return the SQL of the engine's own cast of a text, which `of_text` names several times.

    For an instant it is the wall clock: most have no zone, and which do not is then known.
    """
    return f"TRY_CAST({text} AS {'TIMESTAMP' if base_type(to_type) == TIMESTAMP_TZ else to_type})"


def of_text(
    text: str, to_type: str, *, name: str, plain: str | None = None, shown: str | None = None
) -> Cast:
    """Return the cast of a text.

    Parameters
    ----------
    text
        SQL of the text; it stands several times in the cast.
    to_type
        Type of the engine.
    name
        Column that reasons name.
    plain
        Column with the engine's own cast, where it has been made.
    shown
        SQL of the value as reasons name it, where that is not the text.
    """
    plain, shown = plain or plain_cast(text, to_type), shown or text
    target = base_type(to_type)
    if target in TIME_TYPES:
        return _time_of_text(text, plain, target, name, shown)
    fault = said(name, words_for(to_type), shown)
    if target in _INTEGERS:
        return Cast(
            _first_sure(plain, f"CAST({plain} AS VARCHAR) = {text}", *_has_short_fraction(text, 0)), fault
        )
    if target == "DECIMAL":
        n_digits = int(to_type.rstrip(") ").rpartition(",")[2])
        is_tiny = f"strlen({text}) <= {n_digits} AND NOT contains({text}, 'e') AND NOT contains({text}, 'E')"
        return Cast(_first_sure(plain, is_tiny, *_has_short_fraction(text, n_digits)), fault)
    if target in _FLOATS:
        why = f"CASE WHEN {plain} IS NULL THEN {quote_literal(NOT_NUMBER)} ELSE 'too large for a 64-bit float' END"
        is_infinite = f"regexp_matches({text}, '(?i)inf')"
        return Cast(
            _first_sure(plain, f"NOT isinf({plain})", is_infinite), said(name, why, shown, is_sql=True)
        )
    return Cast(plain, fault)


def _first_sure(value: str, *conditions: str) -> str:
    """Return the SQL of a value that meets one of some conditions: each is asked where those before it do not hold."""
    return f"CASE {' '.join(f'WHEN {condition} THEN {value}' for condition in conditions)} END"


def has_digits_after_point(text: str, most: int) -> str:
    """Return the SQL condition that a text is a number of at most so many digits after the point, zeros left out.

    Powers of ten are counted in: 25e-1 has one. No cast is asked, for casts round.
    """
    mantissa = "replace(_driftline_number.mantissa, '_', '')"
    digits = f"rtrim(replace({mantissa}, '.', ''), '0')"
    n_after = f"length(string_split({mantissa}, '.')[2])"
    n_zeros = f"length(replace({mantissa}, '.', '')) - length({digits})"
    power = "CASE WHEN _driftline_number.power = '' THEN 0 ELSE TRY_CAST(_driftline_number.power[2:] AS BIGINT) END"
    scale = f"coalesce({n_after}, 0) - ({n_zeros}) - ({power})"
    parts = f"regexp_extract({text}, {quote_literal(_NUMBER)}, ['mantissa', 'power'])"
    is_short = f"{mantissa} NOT IN ('', '.') AND ({digits} = '' OR coalesce({scale} <= {most}, false))"
    # The lambda names what is found: written out each time, the expression would be too long to plan. A column's name comes before its own.
    return f"list_transform([{parts}], lambda _driftline_number: {is_short})[1]"


def _time_of_text(text: str, plain: str, target: str, name: str, shown: str) -> Cast:
    is_year = f"regexp_matches({text}, {quote_literal(_FOUR_DIGIT_YEAR)})"
    # Seven digits after the point need 24 characters at least.
    is_coarse = f"(length({text}) <= 23 OR NOT contains({text}, '.') OR NOT regexp_matches({text}, {quote_literal(_FINER)}))"
    is_clock = f"NOT regexp_matches({text}, {quote_literal(_MORE_THAN_A_CLOCK)})"
    # Nearly all are spelt so, with a space or a T.
    is_spelt = f"CAST({plain} AS VARCHAR) = replace({text}, 'T', ' ')"
    instant = f"TRY_CAST({text} AS TIMESTAMPTZ)"
    is_midnight = (
        f"(length(trim({text})) <= 10 OR coalesce({instant} = TRY_CAST({plain} AS TIMESTAMPTZ), false))"
    )
    thorough = {"DATE": is_midnight, "TIMESTAMP": is_clock, TIMESTAMP_TZ: "true"}[target]
    cast = f"TRY_CAST({text} AS {target})"
    why = (
        f"CASE WHEN {cast} IS NULL THEN {quote_literal(_WORDS[target])} "
        f"WHEN regexp_matches({text}, {quote_literal(_LONG_YEAR)}) THEN {quote_literal(NO_YEAR)} "
        f"WHEN NOT {is_year} THEN {quote_literal(SHORT_YEAR)} "
        f"WHEN NOT {is_coarse} THEN {quote_literal(TOO_FINE)} "
        f"ELSE {quote_literal(WITH_A_CLOCK if target == 'DATE' else MORE_THAN_A_CLOCK)} END"
    )
    fault = said(name, why, shown, is_sql=True)
    checks = f"{is_year} AND {is_coarse} AND {thorough}"
    if target != TIMESTAMP_TZ:
        return Cast(_first_sure(plain, is_spelt, checks), fault)
    return Cast(
        f"CASE WHEN {is_spelt} THEN TRY_CAST({plain} AS TIMESTAMPTZ) WHEN {checks} THEN {instant} END",
        fault,
        _first_sure(plain, is_spelt, is_clock),
    )


def _has_short_fraction(text: str, most: int) -> tuple[str, str]:
    """Return the SQL conditions that a number has so few digits after the point: without a power of ten, and with."""
    plain = quote_literal(rf"^\s*[+-]?[0-9_]*\.?[0-9_]{{0,{most}}}0*\s*$")
    return f"regexp_matches({text}, {plain})", has_digits_after_point(text, most)


def _decimal_of_float(value: str, to_type: str, name: str) -> Cast:
    """Cast a float: whole ones are what they are, a fraction is its shortest text, as in every program that prints it."""
    text = f"CAST({value} AS VARCHAR)"
    short = of_text(text, to_type, name=name)
    # The engine's own cast to a decimal multiplies in floating point.
    whole = f"TRY_CAST(TRY_CAST({value} AS HUGEINT) AS {to_type})"
    return Cast(f"CASE WHEN {value} = trunc({value}) THEN {whole} ELSE {short.value} END", short.fault)


def _round_trip(value: str, from_type: str, to_type: str) -> str:
    return f"TRY_CAST(TRY_CAST({value} AS {to_type}) AS {from_type}) = {value}"


def _lost(source: str, target: str) -> str | None:
    """Return what of a time does not fit into another type of time; None of other types."""
    if source not in (*_WALL_CLOCKS, TIMESTAMP_TZ, "TIMESTAMPTZ_NS"):
        return None
    return {
        "DATE": WITH_A_CLOCK,
        "TIMESTAMP": TWICE if source == TIMESTAMP_TZ else TOO_FINE,
        TIMESTAMP_TZ: TOO_FINE,
    }.get(target)


def words_for(to_type: str) -> str:
    """Return what a value of a type is not."""
    if to_type.replace(" ", "") == "DECIMAL(38,9)":
        return NOT_DECIMAL
    return _WORDS.get(base_type(to_type), f"not of type {to_type.lower()}")


def said(name: str, why: str, value: str, *, is_sql: bool = False) -> str:
    """Return the SQL of a reason with the column and the value."""
    beginning = quote_literal(f"{name}: ")
    return f"concat({beginning}, {why if is_sql else quote_literal(why)}, ': ', CAST({value} AS VARCHAR))"
