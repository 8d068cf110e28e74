"""Rows of a source with each value in its declared type, and the reason where one does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from declaration.sql import quote_identifier
from sources.exact import Cast, plain_cast
from sources.rejects import FAULT_COLUMN, OWN_PREFIX, RAW_COLUMN, SourceValue, without

_BAD = '"_driftline_bad"'


@dataclass(frozen=True)
class Part:
    """Rows of a source of which each column has one type.

    Attributes
    ----------
    relation
        SQL of a table expression: the source's columns typed, and our own.
    first_row
        Place of its first row in the whole source, from 0.
    """

    relation: str
    first_row: int = 0


@dataclass(frozen=True)
class Scans:
    """All rows of a source, and what its files lack.

    Attributes
    ----------
    parts
        In the order of the source.
    absent
        Number of files whose rows have NULL in a column that they lack, for such columns.
    is_repeatable
        Whether reading once more costs less than keeping the rows, and gives the same in a session of any zone.
    """

    parts: tuple[Part, ...]
    absent: Mapping[str, int]
    is_repeatable: bool = False


def tried_values(
    relation: str,
    values: Sequence[SourceValue],
    types: Mapping[str, str],
    *,
    raw: Sequence[str] = (),
    clocks: bool = False,
) -> str:
    """Return a relation in which the source's columns have their declared types.

    Parameters
    ----------
    relation
        The source as it is read.
    values
        What is declared.
    types
        The engine's type of each declared column of the source, as it is read.
    raw
        Columns that are kept as they are, as JSON, where a value does not fit.
    clocks
        Whether wall clocks of instants are kept, as columns.
    """
    spelt: dict[str, str] = {}
    plain: dict[str, str] = {}
    cast_values: dict[str, str] = {}
    replaced, added, failed, faults = [], [], [], []
    for number, value in enumerate(values):
        source = quote_identifier(value.source)
        text = without(source, value.null_texts)
        engines = quote_identifier(f"{OWN_PREFIX}plain_{number}")
        is_text = types[value.source] == "VARCHAR"
        own = quote_identifier(f"{OWN_PREFIX}spelt_{number}")
        if is_text and value.has_own_form:
            spelt[own] = value.spelt(text)
            cast: Cast | None = value.cast_of_spelt(own, engines, text)
        else:
            cast = value.cast(text, types[value.source], engines if is_text else None)
        if value.kind == "timestamp_tz" and clocks:
            clock = cast.clock if cast is not None and cast.clock is not None else "CAST(NULL AS TIMESTAMP)"
            added.append(f"{clock} AS {quote_identifier(value.clock)}")
        column = text
        if cast is not None:
            if is_text:
                plain[engines] = plain_cast(own if own in spelt else text, value.cast_type)
            column = quote_identifier(f"{OWN_PREFIX}made_{number}")
            cast_values[column] = cast.value
            failed.append(f"{column} IS NULL AND {text} IS NOT NULL")
            faults.append(f"CASE WHEN {failed[-1]} THEN {cast.fault} END")
        if value.column != value.source:
            added.append(f"{column} AS {quote_identifier(value.column)}")
        elif column != source:
            replaced.append(f"{column} AS {source}")
    swap = f" REPLACE ({', '.join(replaced)})" if replaced else ""
    if not cast_values:
        nothing = f"CAST(NULL AS VARCHAR) AS {FAULT_COLUMN}, CAST(NULL AS VARCHAR) AS {RAW_COLUMN}"
        return f"(SELECT *{swap}, {', '.join([*added, nothing])} FROM {relation})"
    packed = ", ".join(f"{quote_identifier(name)} := {quote_identifier(name)}" for name in raw)
    as_json = f"CAST(to_json(struct_pack({packed})) AS VARCHAR)" if raw else "NULL::VARCHAR"
    # Whether is cheap, why is not: texts are made for bad rows only.
    bad = f"struct_pack(fault := concat_ws('; ', {', '.join(faults)}), raw := {as_json})"
    added.append(f"CASE WHEN {' OR '.join(failed)} THEN {bad} END AS {_BAD}")
    made = relation
    # Each level of the query makes a value once: the one above names it as often as it likes.
    for columns in (spelt, plain, cast_values):
        if columns:
            listed = ", ".join(f"{sql} AS {column}" for column, sql in columns.items())
            made = f"(SELECT *, {listed} FROM {made})"
    hidden = ", ".join([*spelt, *plain, *cast_values])
    rows = f"SELECT * EXCLUDE ({hidden}){swap}, {', '.join(added)} FROM {made}"
    outcome = (
        f"struct_extract({_BAD}, 'fault') AS {FAULT_COLUMN}, struct_extract({_BAD}, 'raw') AS {RAW_COLUMN}"
    )
    return f"(SELECT * EXCLUDE ({_BAD}), {outcome} FROM ({rows}))"
