"""Rows in the declared columns: those of the source by their new names, and computed ones, each tried.

A computed column that fails on a row makes that row a reject, as a value that does not fit its type does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.generated_columns import LOAD, PLACE
from declaration.sql import quote_identifier, quote_literal
from declaration.types import SQL_TYPES, ColumnType
from sources.exact import FIRST_YEAR, SHORT_YEAR, TIME_TYPES, Cast, of_typed
from sources.rejects import (
    FAULT_COLUMN,
    FILE_COLUMN,
    OWN_PREFIX,
    RAW_COLUMN,
    SourceValue,
    source_values,
)

if TYPE_CHECKING:
    import duckdb

REASON_COLUMN = '"_driftline_reason"'
"""Column that tells why a row is a reject, quoted; NULL where it is none."""

RAW_TEXT_COLUMN = '"_driftline_raw_text"'
"""Column with the text of a row that is a reject, quoted."""

_BAD = '"_driftline_bad"'
_SOURCE = '"_driftline_source"'
_WHOLE = '"_driftline_whole"'


def declared_rows(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, source: str, clocks: Mapping[str, str]
) -> str:
    """Return a relation of the declared columns, the reason why a row fails, and the text of rows that do.

    Parameters
    ----------
    connection
        Session in the zone of the reading: it tells the types of expressions.
    dataset
        What is declared.
    source
        Relation with the source's columns in their types, and our own.
    clocks
        Columns in which wall clocks become instants, with the column that keeps the clock.
    """
    read = {(value.source, value.kind): value for value in source_values(dataset)}
    types = _computed_types(connection, dataset, source, read)
    first, second, failed, faults = [], [], [f"{FAULT_COLUMN} IS NOT NULL"], [FAULT_COLUMN]
    for number, name in enumerate(dataset.columns):
        form, column = dataset.column(name), quote_identifier(name)
        if form.sql is None:
            value = read[form.source or name, form.type]
            first.append(f"{quote_identifier(value.column)} AS {column}")
            second.append(column)
            clock = quote_identifier(value.clock)
            if form.type == "timestamp_tz" and name in clocks:
                first.append(clock)
        else:
            computed = _Computed(
                name, form.sql, form.type, types[name], quote_identifier(f"{OWN_PREFIX}try_{number}")
            )
            # The second is for expressions after it; where none names it, the engine leaves it out.
            first += [f"{computed.attempt} AS {computed.helper}", f"{computed.value} AS {column}"]
            second.append(f"{computed.value} AS {column}")
            failed += computed.faults
            faults += [f"CASE WHEN {is_bad} THEN {why} END" for is_bad, why in computed.faults.items()]
            clock = computed.clock
        if name in clocks:
            local = clock if form.type == "timestamp_tz" else f"CAST({column} AS TIMESTAMP)"
            second.append(f"{local} AS {clocks[name]}")
    # Each level of the query makes a value once: the one above names it as often as it likes.
    own = f"{FILE_COLUMN}, {FAULT_COLUMN}"
    rows = f"SELECT {', '.join(first)}, {own}, {RAW_COLUMN}, {_SOURCE} AS {_WHOLE} FROM {source} AS {_SOURCE}"
    raw = f"coalesce({RAW_COLUMN}, {_as_text(f'to_json({_WHOLE})', dataset)})"
    bad = f"struct_pack(reason := concat_ws('; ', {', '.join(faults)}), raw := {raw})"
    tried = f"SELECT {', '.join(second)}, {own}, CASE WHEN {' OR '.join(failed)} THEN {bad} END AS {_BAD} FROM ({rows})"
    reason = f"struct_extract({_BAD}, 'reason') AS {REASON_COLUMN}, struct_extract({_BAD}, 'raw') AS {RAW_TEXT_COLUMN}"
    return f"(SELECT * EXCLUDE ({_BAD}), {reason} FROM ({tried}))"


@dataclass(frozen=True)
class _Computed:
    """A computed column: its expression is tried, then what it gives is cast to the declared type."""

    name: str
    sql: str
    kind: ColumnType
    given: str
    helper: str

    @property
    def attempt(self) -> str:
        """SQL that tries a value's expression: TRY gives NULL for a failure, the struct tells it from a NULL value."""
        return f"TRY(struct_pack(v := ({self.sql}\n)))"

    @property
    def _result(self) -> str:
        return f"struct_extract({self.helper}, 'v')"

    @property
    def _cast(self) -> Cast | None:
        return of_typed(self._result, self.given, SQL_TYPES[self.kind], name=self.name)

    @property
    def value(self) -> str:
        return self._cast.value if self._cast is not None else self._result

    @property
    def clock(self) -> str:
        clock = self._cast.clock if self._cast is not None else None
        return clock or "CAST(NULL AS TIMESTAMP)"

    @property
    def faults(self) -> Mapping[str, str]:
        """Reasons, by the condition under which they hold."""
        kind = SQL_TYPES[self.kind]
        reasons = {
            f"{self.helper} IS NULL": quote_literal(f"{self.name}: cannot be made of type {self.kind}")
        }
        if self._cast is not None:
            reasons[f"({self.value}) IS NULL AND {self._result} IS NOT NULL"] = self._cast.fault
        if kind in TIME_TYPES:
            # What a cast, or strptime with %Y, makes of '24-01-02'.
            early = quote_literal(f"{self.name}: {SHORT_YEAR}, as it seems (strptime reads two with %y): ")
            is_early = f"({self.value}) < '{FIRST_YEAR + 99:04}-01-01'::{kind} AND ({self.value}) >= '{FIRST_YEAR:04}-01-01'::{kind}"
            reasons[is_early] = f"concat({early}, CAST({self._result} AS VARCHAR))"
        return reasons


def _computed_types(
    connection: duckdb.DuckDBPyConnection,
    dataset: DatasetSpec,
    source: str,
    read: Mapping[tuple[str, ColumnType], SourceValue],
) -> Mapping[str, str]:
    """Return the engine's type of each computed column's expression."""
    columns: list[str] = []
    computed: list[str] = []
    for name in dataset.columns:
        form, column = dataset.column(name), quote_identifier(name)
        if form.sql is None:
            columns.append(f"{quote_identifier(read[form.source or name, form.type].column)} AS {column}")
            continue
        # As it is tried: what follows sees the declared type.
        columns.append(f"CAST(NULL AS {SQL_TYPES[form.type]}) AS {column}")
        columns.append(f"({form.sql}\n) AS {quote_identifier(f'{OWN_PREFIX}type_{len(computed)}')}")
        computed.append(name)
    if not computed:
        return {}
    bound = connection.sql(f"SELECT {', '.join(columns)} FROM {source} AS {_SOURCE} LIMIT 0")
    types = {column: str(kind) for column, kind in zip(bound.columns, bound.types, strict=True)}
    return {name: types[f"{OWN_PREFIX}type_{number}"] for number, name in enumerate(computed)}


def _as_text(row: str, dataset: DatasetSpec) -> str:
    """Return the SQL of a row's JSON as text, without the columns that we added."""
    values = source_values(dataset)
    own = [FILE_COLUMN, FAULT_COLUMN, RAW_COLUMN, f'"{PLACE}"', f'"{LOAD}"']
    own += [
        f'"{name}"' for value in values for name in (value.column, value.clock) if name.startswith(OWN_PREFIX)
    ]
    nulls = ", ".join(f"{name}: null" for name in own)
    return f"CAST(json_merge_patch({row}, '{{{nulls}}}') AS VARCHAR)"
