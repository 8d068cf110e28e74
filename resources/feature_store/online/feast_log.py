"""Feast's own logs of served features, read as `ServedLog`'s rows are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.errors import DriftlineError
from declaration.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

SERVED_AT = "__log_timestamp"
"""Column of the instant of an answer, as in `feast.feature_logging`."""

STATUS, INSTANT = "__status", "__timestamp"
"""Endings of the columns beside a feature's own."""

STATUSES: Mapping[int, str] = {1: "present", 2: "null", 3: "not_found", 4: "expired"}
"""Ours by Feast's `FieldStatus`."""


class FeastLogError(DriftlineError):
    """A folder is no log of Feast's of a pipeline's features."""


@dataclass(frozen=True)
class FeastLog:
    """A Parquet folder that Feast's `write_logged_features` wrote.

    Attributes
    ----------
    relation
        SQL of all of its rows.
    columns
        DuckDB's types by column.
    """

    relation: str
    columns: Mapping[str, str]

    def features(self, view: str, views: Collection[str]) -> Sequence[str]:
        """List the features of a view that were logged; where `a__b__c` may be of two views, it is the longer's."""
        longer = tuple(f"{other}__" for other in views if other.startswith(f"{view}__"))
        prefix = f"{view}__"
        return [
            name[len(prefix) :]
            for name in self.columns
            if name.startswith(prefix) and not name.startswith(longer) and f"{name}{STATUS}" in self.columns
        ]

    def answers(self, view: str, keys: Sequence[str], views: Collection[str]) -> str | None:
        """Return the SQL of what was served of a view, with the columns of `served_features`; None for nothing.

        Parameters
        ----------
        view, keys
            The view, and the columns of its entity in the order of their names.
        views
            All views of the pipeline.

        Raises
        ------
        FeastLogError
            If the view was logged without its entity's keys.
        """
        features = self.features(view, views)
        if not features:
            return None
        missing = [key for key in keys if key not in self.columns]
        if missing:
            raise FeastLogError(
                f"the log has features of '{view}', but no column {', '.join(missing)}: whom they are of cannot be told. "
                "Log a feature service that uses the view under its own join keys."
            )
        named = {name: quote_identifier(f"{view}__{name}") for name in features}
        status = {name: quote_identifier(f"{view}__{name}{STATUS}") for name in features}
        instants = [
            # Feast writes the beginning of 1970 where there was no row.
            f"CASE WHEN {status[name]} <> 3 THEN nullif({quote_identifier(at)}::TIMESTAMPTZ, TIMESTAMPTZ 'epoch') END"
            for name in features
            if (at := f"{view}__{name}{INSTANT}") in self.columns
        ]
        value_at = f"greatest({', '.join(instants)})" if instants else "NULL::TIMESTAMPTZ"
        values = [self._text(f"{view}__{name}", column) for name, column in named.items()]
        statuses = [_status(status[name], column) for name, column in named.items()]
        return (
            f'SELECT {quote_literal(view)} AS "view", {quote_identifier(SERVED_AT)}::TIMESTAMPTZ AS served_at, '
            f"{value_at} AS value_at, "
            f"{_list(map(quote_literal, keys))} AS key_names, "
            f"{_list(f'{quote_identifier(key)}::VARCHAR' for key in keys)} AS key_values, "
            f'{_list(map(quote_literal, features))} AS features, {_list(values)} AS "values", '
            f"{_list(statuses)} AS status FROM {self.relation}"
        )

    def _text(self, name: str, column: str) -> str:
        """Write a value as the engine's cast to its type gives it back; NaN is no value, as it is online."""
        is_number = self.columns[name] in ("DOUBLE", "FLOAT")
        return (
            f"CASE WHEN NOT isnan({column}) THEN {column}::VARCHAR END" if is_number else f"{column}::VARCHAR"
        )


def read_feast_log(connection: duckdb.DuckDBPyConnection, path: Path) -> FeastLog:
    """Open a log of Feast's: a Parquet file, or a folder with any number of them at any depth.

    Raises
    ------
    FeastLogError
        If there is no Parquet file, or no column of the instants of the answers.
    """
    import duckdb

    files = [path] if path.is_file() else sorted(path.glob("**/*.parquet"))
    if not files:
        raise FeastLogError(
            f"{path} holds no Parquet file. Give the folder that `write_logged_features` writes to."
        )
    listed = ", ".join(quote_literal(str(file)) for file in files)
    relation = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
    try:
        empty = connection.sql(f"SELECT * FROM {relation} LIMIT 0")
    except duckdb.Error as error:
        message = str(error).partition("\n")[0]
        raise FeastLogError(f"{path} cannot be read as Parquet: {message}") from error
    columns = dict(zip(empty.columns, map(str, empty.types), strict=True))
    if SERVED_AT not in columns:
        raise FeastLogError(
            f"{path} has no column {SERVED_AT}: it is no log of served features. It has: {', '.join(columns)}."
        )
    return FeastLog(relation, columns)


def _status(status: str, value: str) -> str:
    """Return the SQL of our status; NULL where the feature was not served, as its column is of other files."""
    cases = " ".join(f"WHEN {number} THEN {quote_literal(name)}" for number, name in STATUSES.items())
    unset = f"CASE WHEN {value} IS NULL THEN 'null' ELSE 'present' END"
    return f"CASE WHEN {status} IS NOT NULL THEN CASE {status} {cases} ELSE {unset} END END"


def _list(parts: Iterable[str]) -> str:
    return f"[{', '.join(parts)}]"
