"""Entity rows of the point-in-time join: what callers give, checked and bounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP

if TYPE_CHECKING:
    import pandas as pd

"""Feast's name of the instant as of which a row is joined."""


class EntityRowsError(DriftlineError):
    """The rows to join cannot be read as entity rows."""


@dataclass(frozen=True)
class EntityRows:
    """Rows to join.

    Attributes
    ----------
    table
        The rows.
    time
        Column of their instants.
    first, last
        Bounds of the instants; None where no row has one.
    """

    table: pa.Table
    time: str
    first: datetime | None
    last: datetime | None


def entity_rows(entities: pd.DataFrame | pa.Table | str) -> EntityRows:
    """Read entity rows from a pandas frame, or from an Arrow table, which is not copied.

    Raises
    ------
    EntityRowsError
        If they are SQL text, cannot be typed, or have no column of instants.
    """
    table = _table(entities)
    time = _time_column(table)
    first, last = _bounds(table.column(time))
    return EntityRows(table, time, first, last)


def _table(entities: Any) -> pa.Table:
    import pandas as pd

    if isinstance(entities, pa.Table):
        return entities
    if isinstance(entities, pd.DataFrame):
        try:
            return pa.Table.from_pandas(entities, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise EntityRowsError(
                f"the entity frame has a column of mixed types: {error}. Give each column one type."
            ) from error
    if isinstance(entities, str):
        raise EntityRowsError(
            "this offline store does not run SQL text as entity rows. Run it yourself and give its result: "
            "duckdb.sql(text).to_arrow_table()"
        )
    raise EntityRowsError(
        f"entity rows are a pandas frame or an Arrow table, not a {type(entities).__name__}. "
        "Without any, give start_date and end_date."
    )


def _time_column(table: pa.Table) -> str:
    if EVENT_TIMESTAMP in table.column_names:
        return EVENT_TIMESTAMP
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    if len(times) != 1:
        candidates = f"{', '.join(times)} could be it" if times else "none has a type of instants"
        raise EntityRowsError(
            f"the entity rows need a column `{EVENT_TIMESTAMP}`, or exactly one column of instants: {candidates}. "
            f"Rename the one that is meant to `{EVENT_TIMESTAMP}`."
        )
    return str(times[0])


def _bounds(times: pa.ChunkedArray) -> tuple[datetime | None, datetime | None]:
    """Bound instants, for Feast's record of the retrieval; None where they are no timestamps."""
    if not pa.types.is_timestamp(times.type):
        return None, None
    bounds = pc.min_max(times.cast(pa.timestamp("us", times.type.tz), safe=False)).as_py()
    return _aware(bounds["min"]), _aware(bounds["max"])


def _aware(instant: datetime | None) -> datetime | None:
    if instant is None or instant.tzinfo is not None:
        return instant
    return instant.replace(tzinfo=UTC)
