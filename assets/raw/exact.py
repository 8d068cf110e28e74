"""Casts that keep a value exactly, or give NULL and the reason: the engine's own round, cut and guess in silence.

One set of rules for every format: texts (CSV, sheets, JSON) by `of_text`, typed values (Parquet, Python, computed
columns) by `of_typed`, which takes texts too. Rules stand in SQL, cheap where a value is unsuspicious.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.sql import quote_literal

TIMESTAMP_TZ = "TIMESTAMPTZ"
_TEXTS = ("VARCHAR", "JSON", "ENUM", '"NULL"')
"""Types whose values are texts, or none."""

_FLOATS = ("FLOAT", "DOUBLE")
_INTEGERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
)  # fmt: skip
_WALL_CLOCKS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
"""Types of times without a zone."""

_MORE_THAN_A_CLOCK = r"[A-Za-z]\s*$|:\d\d.*[+-]\d"
"""A zone, an offset, AM or PM after a clock: a cast to a wall clock would drop it."""

_FOUR_DIGIT_YEAR = r"^\s*[0-9]{4}[^0-9]"
_FINER = r"\.[0-9]{6}[0-9]*[1-9]"
"""Digits of a second that microseconds do not hold."""

_WALL_CLOCK_LIKE = "'____-__-_____:__:__'"
_NUMBER = r"^\s*[+-]?([0-9_]*\.?[0-9_]*)([eE][+-]?[0-9]+)?\s*$"

MORE_THAN_A_CLOCK = "more than a wall clock"
SHORT_YEAR = "a year of fewer than four digits"
TOO_FINE = "finer than a microsecond"
_WORDS = {
    "BIGINT": "not a whole number of 64 bits",
    "DECIMAL": "not a number of at most 29 digits before and 9 after the point",
    "BOOLEAN": "neither true nor false, 1 nor 0",
    "DATE": "not a day without a clock",
    "TIMESTAMP": "not a wall clock of whole microseconds",
    TIMESTAMP_TZ: "not an instant of whole microseconds",
}
"""What a value of a type is not, in reasons."""

FIRST_PLAIN_YEAR = 1000
"""Years before it may have been written with fewer than four digits."""


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


def of_typed(value: str, given: str, wanted: str, *, name: str) -> Cast | None:
    """Return the cast of a typed value; None where it has the wanted type already.

    Parameters
    ----------
    value
        SQL of the value. It stands several times in the cast: a column, not an expression.
    given, wanted
        Types of the engine.
    name
        Column that reasons name.
    """
    source, target = base_type(given), base_type(wanted)
    if given.replace(", ", ",") == wanted.replace(", ", ",") or (source == target and source != "DECIMAL"):
        return None
    if target == "VARCHAR":
        return Cast(f"CAST({value} AS VARCHAR)", _said(name, "not a text", value))
    if source in _TEXTS:
        return of_text(f"CAST({value} AS VARCHAR)", wanted, name=name)
    if source == "DECIMAL" and target in (*_INTEGERS, "DECIMAL"):
        # Decimals of different scales are compared through DOUBLE: their texts are exact.
        return of_text(f"CAST({value} AS VARCHAR)", wanted, name=name)
    if source in _FLOATS and target == "DECIMAL":
        return _decimal_of_float(value, wanted, name)
    cast = f"TRY_CAST({value} AS {wanted})"
    fault = _said(name, _words(wanted), value)
    if source == "TIMESTAMPTZ_NS" and target in ("DATE", "TIMESTAMP"):
        instant = f"TRY_CAST({value} AS TIMESTAMPTZ)"
        whole = f"{_round_trip(value, given, TIMESTAMP_TZ)} AND {_round_trip(instant, TIMESTAMP_TZ, wanted)}"
        return Cast(f"CASE WHEN {whole} THEN TRY_CAST({instant} AS {wanted}) END", fault)
    if source in _WALL_CLOCKS and target == TIMESTAMP_TZ:
        # Not through the type itself: a clock that an hour's change leaves out would not come back.
        whole = _round_trip(value, given, "TIMESTAMP")
        return Cast(f"CASE WHEN {whole} THEN {cast} END", fault, f"TRY_CAST({value} AS TIMESTAMP)")
    if target in _FLOATS:
        # A float is the nearest one by declaration.
        return Cast(cast, fault)
    return Cast(f"CASE WHEN {_round_trip(value, given, wanted)} THEN {cast} END", fault)


def of_text(text: str, wanted: str, *, name: str) -> Cast:
    """Return the cast of a text.

    Parameters
    ----------
    text
        SQL of the text; it stands several times in the cast.
    wanted
        Type of the engine.
    name
        Column that reasons name.
    """
    target = base_type(wanted)
    cast = f"TRY_CAST({text} AS {wanted})"
    if target in _INTEGERS:
        exact = f"CAST({cast} AS VARCHAR) = {text} OR {has_digits_after_point(text, 0)}"
        return Cast(f"CASE WHEN {exact} THEN {cast} END", _said(name, _words(wanted), text))
    if target == "DECIMAL":
        n_digits = int(wanted.rstrip(") ").rpartition(",")[2])
        exact = f"{_has_short_fraction(text, n_digits)} OR {has_digits_after_point(text, n_digits)}"
        return Cast(f"CASE WHEN {exact} THEN {cast} END", _said(name, _words(wanted), text))
    if target in _FLOATS:
        exact = f"NOT isinf({cast}) OR regexp_matches({text}, '(?i)inf')"
        why = f"CASE WHEN {cast} IS NULL THEN 'not a number' ELSE 'too large for a 64-bit float' END"
        return Cast(f"CASE WHEN {exact} THEN {cast} END", _said(name, why, text, is_sql=True))
    if target in ("DATE", "TIMESTAMP", TIMESTAMP_TZ):
        return _time_of_text(text, target, name)
    return Cast(cast, _said(name, _words(wanted), text))


def has_digits_after_point(text: str, most: int) -> str:
    """Return the SQL condition that a text is a number of at most so many digits after the point, zeros left out.

    Powers of ten are counted in: 25e-1 has one. No cast is asked, for casts round.
    """
    mantissa = f"replace(regexp_extract({text}, {quote_literal(_NUMBER)}, 1), '_', '')"
    digits = f"rtrim(replace({mantissa}, '.', ''), '0')"
    n_written = (
        f"CASE WHEN contains({mantissa}, '.') THEN length({mantissa}) - instr({mantissa}, '.') ELSE 0 END"
    )
    n_zeros = f"length(replace({mantissa}, '.', '')) - length({digits})"
    power = f"regexp_extract({text}, {quote_literal(_NUMBER)}, 2)"
    exponent = f"CASE WHEN {power} = '' THEN 0 ELSE TRY_CAST({power}[2:] AS BIGINT) END"
    return (
        f"({mantissa} NOT IN ('', '.') AND ({digits} = '' OR "
        f"coalesce({n_written} - ({n_zeros}) - ({exponent}) <= {most}, false)))"
    )


def _wall_clock(text: str) -> str:
    """Return the SQL that reads a text as a wall clock; NULL where it has a zone, an offset, or AM and PM."""
    return f"CASE WHEN {_is_wall_clock(text)} THEN TRY_CAST({text} AS TIMESTAMP) END"


def _is_wall_clock(text: str) -> str:
    more = f"regexp_matches({text}, {quote_literal(_MORE_THAN_A_CLOCK)})"
    # The shape that nearly all have is much cheaper to know than to search.
    plain = f"{text} LIKE {_WALL_CLOCK_LIKE} AND right({text}, 1) BETWEEN '0' AND '9'"
    return f"(({plain}) OR NOT {more})"


def _time_of_text(text: str, target: str, name: str) -> Cast:
    cast = f"TRY_CAST({text} AS {target})"
    # The engine also knows the word 'epoch', and times are known from years only if these have four digits.
    clock = {"DATE": "", "TIMESTAMP": " 00:00:00", TIMESTAMP_TZ: " 00:00:00+00"}[target]
    is_year = (
        f"({cast} >= {target} '{FIRST_PLAIN_YEAR}-01-02{clock}' AND {cast} <> {target} '1970-01-01{clock}' "
        f"OR regexp_matches({text}, {quote_literal(_FOUR_DIGIT_YEAR)}))"
    )
    # Seven digits after the point need 24 characters at least.
    is_coarse = f"(length({text}) <= 23 OR NOT contains({text}, '.') OR NOT regexp_matches({text}, {quote_literal(_FINER)}))"
    parts = {
        "DATE": f"(length(trim({text})) <= 10 OR {is_coarse} AND "
        f"coalesce(TRY_CAST({text} AS TIMESTAMPTZ) = TRY_CAST({cast} AS TIMESTAMPTZ), false))",
        "TIMESTAMP": f"{_is_wall_clock(text)} AND {is_coarse}",
        TIMESTAMP_TZ: is_coarse,
    }
    words = {"DATE": "a day with a clock or a zone", "TIMESTAMP": MORE_THAN_A_CLOCK}
    why = (
        f"CASE WHEN {cast} IS NULL THEN {quote_literal(_WORDS[target])} "
        f"WHEN NOT {is_year} THEN {quote_literal(SHORT_YEAR)} "
        f"WHEN NOT {is_coarse} THEN {quote_literal(TOO_FINE)} "
        f"ELSE {quote_literal(words.get(target, _WORDS[target]))} END"
    )
    return Cast(
        f"CASE WHEN {is_year} AND {parts[target]} THEN {cast} END",
        _said(name, why, text, is_sql=True),
        _wall_clock(text) if target == TIMESTAMP_TZ else None,
    )


def _has_short_fraction(text: str, most: int) -> str:
    """Return the SQL condition that a number's text cannot have more digits after the point: cheap, and not for powers."""
    has_power = f"contains({text}, 'e') OR contains({text}, 'E')"
    return (
        f"(length({text}) - instr({text}, '.') <= {most} OR NOT contains({text}, '.')) AND NOT ({has_power})"
    )


def _decimal_of_float(value: str, wanted: str, name: str) -> Cast:
    """Cast a float: whole ones are what they are, a fraction is its shortest text, as in every program that prints it."""
    text = f"CAST({value} AS VARCHAR)"
    short = of_text(text, wanted, name=name)
    # The engine's own cast to a decimal multiplies in floating point.
    whole = f"TRY_CAST(TRY_CAST({value} AS HUGEINT) AS {wanted})"
    return Cast(f"CASE WHEN {value} = trunc({value}) THEN {whole} ELSE {short.value} END", short.fault)


def _round_trip(value: str, given: str, wanted: str) -> str:
    return f"TRY_CAST(TRY_CAST({value} AS {wanted}) AS {given}) = {value}"


def _words(wanted: str) -> str:
    """Return what a value of a type is not."""
    if wanted.startswith("DECIMAL") and wanted.replace(" ", "") != "DECIMAL(38,9)":
        return f"not of type {wanted.lower()}"
    return _WORDS.get(base_type(wanted), f"not of type {wanted.lower()}")


def _said(name: str, why: str, value: str, *, is_sql: bool = False) -> str:
    """Return the SQL of a reason with the column and the value."""
    beginning = quote_literal(f"{name}: ")
    return f"concat({beginning}, {why if is_sql else quote_literal(why)}, ': ', CAST({value} AS VARCHAR))"
