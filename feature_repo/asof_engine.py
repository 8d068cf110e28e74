"""The point-in-time join, run: entity rows and views in, the rows with their features out.

Knows DuckDB and Arrow, not Feast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.sql import confinement, scalar
from feature_repo.asof_limits import engine_errors, stopped_after
from feature_repo.asof_newest import NEVER, CodedLabels, blocks, newest_instants
from feature_repo.asof_sql import (
    AT,
    ROW,
    TIME,
    Labels,
    ViewRows,
    chosen_query,
    coded_labels_query,
    entities_query,
    fetch_query,
    instants_query,
    key_column,
    microseconds,
    newest_query,
    value_column,
)
from feature_repo.table_damage import TableDamageError, cause_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_repo.snapshots import Stored

LABELS, ENTITIES, FOUND, NEWEST, TIED = "__labels", "__entities", "__found", "__newest", "__tied"
"""Tables of one join: all labels, their entities, their newest instants without and with keys, and rows that tie."""

MAX_TIES = 4
"""Rows that may be fetched for each label found: beyond, the engine chooses among them, on disk if it must."""

NO_INSTANT = 0
"""Bound of labels without a single instant: nothing is found for them, whatever the bounds."""


class AsofJoinError(DriftlineError):
    """Entity rows and views do not fit, or the engine cannot join them."""


@dataclass(frozen=True)
class EngineSettings:
    """Limits of one join.

    Attributes
    ----------
    memory_limit
        Memory before the engine spills to disk: `2GB`.
    threads
        Threads of one join.
    spill_directory
        Folder for what does not fit; the engine's own choice when empty.
    max_spill
        Most that may be spilled: `50GB`; the engine's own bound (90 % of the free disk) when empty.
    """

    memory_limit: str = "2GB"
    threads: int = 2
    spill_directory: str = ""
    max_spill: str = ""


@contextmanager
def engine(
    settings: EngineSettings,
    stored: Iterable[Stored] = (),
    *,
    files: Iterable[str] = (),
    timeout_s: float | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine that knows some stored rows; instants without a zone are UTC in it.

    It reaches their files and `files`, and nothing else.

    Raises
    ------
    AsofJoinError
        If the settings are not the engine's, or what is done with it takes more memory or time than it may.
    TableDamageError
        If it fails because a file of the stored rows is not as it was written.
    """
    config: dict[str, Any] = {
        "memory_limit": settings.memory_limit,
        "threads": settings.threads,
        # What the engine lacks would be downloaded.
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if settings.spill_directory:
        Path(settings.spill_directory).mkdir(parents=True, exist_ok=True)
        config["temp_directory"] = settings.spill_directory
    if settings.max_spill:
        config["max_temp_directory_size"] = settings.max_spill
    try:
        connection = duckdb.connect(config=config)
    except duckdb.Error as error:
        raise AsofJoinError(
            f"the offline store's settings are not the engine's: {_said(error)}. Correct them in feature_store.yaml."
        ) from error
    tables = tuple(stored)
    try:
        connection.sql("SET TimeZone = 'UTC'")
        spill = [settings.spill_directory] if settings.spill_directory else []
        for statement in confinement([*spill, *files, *(file for rows in tables for file in rows.files)]):
            connection.execute(statement)
        for rows in tables:
            if rows.dataset is not None:
                connection.register(rows.name, rows.dataset)
        with stopped_after(connection, timeout_s):
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise AsofJoinError(
            f"{settings.memory_limit} of memory are not enough: {_said(error)}. Raise `memory_limit`, lower `threads`, "
            "or give `spill_directory` more room."
        ) from error
    except duckdb.InterruptException as error:
        raise AsofJoinError(
            f"the query was stopped after {timeout_s} s, the `timeout` that was given. Allow more, or ask for less."
        ) from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        cause = cause_of(error, [file for rows in tables for file in rows.scanned])
        if cause is None:
            raise
        raise TableDamageError(cause) from error
    finally:
        connection.close()


def join(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    time: str,
    views: Sequence[ViewRows],
    *,
    only_created: bool,
) -> pa.Table:
    """Append to each row the views' features as of its instant; rows and their order stay.

    Parameters
    ----------
    connection
        Engine that knows the views' relations.
    rows
        Entity rows: the join keys, an instant, and anything else.
    time
        Column of the instant; without a zone it is UTC, NULL finds nothing.
    views
        What to join.
    only_created
        Leave out feature rows that were made after a row's instant.

    Raises
    ------
    AsofJoinError
        If join keys are missing or of another kind than the view's, or a feature's name is taken.
    """
    keys = list(dict.fromkeys(key for view in views for key in view.keys))
    missing = [key for key in keys if key not in rows.column_names]
    if missing:
        raise AsofJoinError(
            f"the entity rows lack the join keys {', '.join(missing)}. They have: {', '.join(rows.column_names)}."
        )
    # Labels are numbered: keeping the order in which rows are read would only cost memory.
    connection.sql("SET preserve_insertion_order = false")
    labels = _labels(connection, rows, time, keys)
    result = rows
    for view in views:
        joined = _joined_view(connection, view, labels, rows.num_rows, only_created=only_created)
        for name, values in joined.items():
            if name in result.column_names:
                raise AsofJoinError(
                    f"the entity rows already have a column '{name}'. Rename it, or ask with full_feature_names=True."
                )
            result = result.append_column(name, values)
    return result


def _labels(connection: duckdb.DuckDBPyConnection, rows: pa.Table, time: str, keys: Sequence[str]) -> Labels:
    """Give the entity rows numbers in their order, and bound their instants."""
    narrow = pa.table(
        [pa.array(np.arange(rows.num_rows)), rows.column(time), *(rows.column(key) for key in keys)],
        names=[ROW, TIME, *(key_column(key) for key in keys)],
    )
    connection.register("__frame", narrow)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {LABELS} AS SELECT * REPLACE ({TIME}::TIMESTAMPTZ AS {TIME}) FROM __frame"
        ).fetchall()
    except duckdb.ConversionException as error:
        raise AsofJoinError(
            f"column '{time}' of the entity rows does not hold instants: {_said(error)}. Give timestamps, or ISO 8601 texts."
        ) from error
    connection.unregister("__frame")
    bounds = connection.sql(f"SELECT epoch_us(min({TIME})), epoch_us(max({TIME})) FROM {LABELS}").fetchall()
    first, last = (NO_INSTANT if bound is None else bound for bound in bounds[0])
    return Labels(LABELS, first, last)


def _joined_view(
    connection: duckdb.DuckDBPyConnection,
    view: ViewRows,
    labels: Labels,
    n_labels: int,
    *,
    only_created: bool,
) -> Mapping[str, pa.ChunkedArray]:
    """Return a view's features by name, each in the labels' order."""
    try:
        _find_newest(connection, view, labels, only_created=only_created)
    except (duckdb.ConversionException, duckdb.BinderException) as error:
        raise AsofJoinError(
            f"feature view '{view.name}' cannot be joined on {', '.join(view.keys)}: {_said(error)}. "
            "Give the entity rows' join keys the types that the view's rows have."
        ) from error
    matches = _one_per_label(
        connection, view, fetch_query(view, labels, newest=NEWEST, only_created=only_created)
    )
    place = np.full(n_labels, -1, dtype=np.int64)
    # Of rows for the same label the last one stays.
    place[_positions(matches)] = np.arange(matches.num_rows)
    order = pa.array(place, mask=place < 0)
    return {
        name: _taken(matches.column(value_column(number)), order) for number, name in enumerate(view.features)
    }


def _find_newest(
    connection: duckdb.DuckDBPyConnection, view: ViewRows, labels: Labels, *, only_created: bool
) -> None:
    """Make the table of the labels that find a row within the view's ttl, with that row's instant."""
    if view.keys:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {ENTITIES} AS {entities_query(view, labels)}"
        ).fetchall()
    coded = CodedLabels.of(
        connection.sql(coded_labels_query(view, labels, entities=ENTITIES)).to_arrow_table()
    )
    instants = instants_query(view, labels, entities=ENTITIES, only_created=only_created)
    reader = connection.sql(instants).to_arrow_reader()
    with engine_errors():
        newest = newest_instants(coded, blocks(reader, len(coded.positions)))
    del reader
    is_found = newest != NEVER
    if view.ttl is not None:
        # Exact after the search, as what was found is the newest.
        is_found &= coded.instants - newest <= microseconds(view.ttl)
    at = pa.array(newest[is_found]).cast(pa.timestamp("us", "UTC"))
    connection.register(FOUND, pa.table([pa.array(coded.positions[is_found]), at], names=[ROW, AT]))
    query = newest_query(view, labels, found=FOUND)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {NEWEST} AS {query}").fetchall()
    connection.unregister(FOUND)


def _one_per_label(connection: duckdb.DuckDBPyConnection, view: ViewRows, fetch: str) -> pa.Table:
    """Fetch the rows found; of those that tie on a label the one chosen comes last."""
    n_found = scalar(connection, f"SELECT count(*) FROM {NEWEST}")
    reader = connection.sql(fetch).to_arrow_reader()
    batches: list[pa.RecordBatch] = []
    n_fetched = 0
    with engine_errors():
        for batch in reader:
            batches.append(batch)
            n_fetched += batch.num_rows
            if n_fetched > MAX_TIES * n_found:
                break
    schema = reader.schema
    del reader
    if n_fetched > MAX_TIES * n_found:
        batches.clear()
        return connection.sql(chosen_query(view, f"({fetch})")).to_arrow_table()
    fetched = pa.Table.from_batches(batches, schema)
    positions = _positions(fetched)
    is_tied = np.bincount(positions)[positions] > 1 if len(positions) else np.zeros(0, dtype=bool)
    if not is_tied.any():
        return fetched
    connection.register(TIED, fetched.filter(pa.array(is_tied)))
    chosen = connection.sql(chosen_query(view, TIED)).to_arrow_table()
    connection.unregister(TIED)
    return pa.concat_tables([fetched, chosen.cast(fetched.schema)])


def _taken(column: pa.ChunkedArray, order: pa.Array) -> pa.ChunkedArray:
    """Put a column in order; in one piece, as taking from many is slow."""
    taken = column.combine_chunks().take(order)
    return taken if isinstance(taken, pa.ChunkedArray) else pa.chunked_array([taken])


def _said(error: duckdb.Error) -> str:
    """Return the engine's message without the statement that it quotes, and its advice on its own settings."""
    return str(error).partition("\n")[0]


def _positions(matches: pa.Table) -> NDArray[np.int64]:
    positions: NDArray[np.int64] = matches.column(ROW).to_numpy()
    return positions
