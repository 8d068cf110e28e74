"""Rows on their way into an online store: serialized keys and values, with the instants that order them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from feature_repo.entity_keys import entity_key_bytes
from feature_repo.value_bytes import value_bytes

FeastRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]

NO_INSTANT = int(np.iinfo(np.int64).min)
"""Created at no known instant: before every other."""

KEY_VERSION = 3


class OnlineStoreError(DriftlineError):
    """An online store cannot be written or read as asked."""


class OrderedStore(ABC):
    """An online store in which an older value never overwrites a newer one; the first base of one of Feast's."""

    @abstractmethod
    def write(self, config: RepoConfig, view: FeatureView, batch: OnlineBatch) -> None:
        """Write rows, each unless one is there whose event is later, or as late and created later."""

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows as Feast hands them over."""
        for batch in batches_of_protos(config, data):
            self.write(config, table, batch)
        if progress:
            progress(len(data))


def not_taken(view: str, error: Exception) -> OnlineStoreError:
    """Return the error of a store that did not take rows, from the vendor's."""
    text = " ".join(str(error).split()) or type(error).__name__
    return OnlineStoreError(
        f"the online store did not take rows of feature view '{view}': {text}. "
        "See that it runs and load again: what is newer there stays."
    )


@dataclass(frozen=True)
class OnlineBatch:
    """Rows of one feature view, at most one an entity.

    Attributes
    ----------
    keys
        Serialized entity keys, all different.
    event, created
        Instants in microseconds since 1970 UTC, shape (n,); `NO_INSTANT` in `created` where there is none.
    values
        Serialized values of each feature, n each.
    """

    keys: Sequence[bytes]
    event: NDArray[np.int64]
    created: NDArray[np.int64]
    values: Mapping[str, Sequence[bytes]]

    def __len__(self) -> int:
        return len(self.keys)

    def parts(self, size: int) -> Iterator[OnlineBatch]:
        """Cut into batches of at most `size` rows."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            values = {name: column[part] for name, column in self.values.items()}
            yield OnlineBatch(self.keys[part], self.event[part], self.created[part], values)

    def rows(self, *leading: Sequence[object]) -> Iterator[tuple[object, ...]]:
        """Give each row as the leading columns' values, and then its features'."""
        return zip(*leading, *self.values.values(), strict=True)


def batch_of_table(view: FeatureView, rows: pa.Table) -> OnlineBatch:
    """Serialize the rows of a view; of one entity's rows the newest stays.

    Parameters
    ----------
    view
        Names the join keys, the features and the columns of instants.
    rows
        These columns; instants without a zone are UTC.

    Raises
    ------
    OnlineStoreError
        If a column is missing, or an event has no instant.
    EntityKeyError
        If a join key is null or of a type that cannot be looked up.
    """
    source = view.batch_source
    time = source.timestamp_field if source else "event_timestamp"
    created = source.created_timestamp_column if source else ""
    missing = [name for name in (time, *(f.name for f in view.features)) if name not in rows.column_names]
    if missing:
        raise OnlineStoreError(
            f"rows of feature view '{view.name}' lack {', '.join(missing)}. They have: {', '.join(rows.column_names)}."
        )
    event = _microseconds(rows[time])
    if (event == NO_INSTANT).any():
        raise OnlineStoreError(
            f"rows of feature view '{view.name}' have no {time}. An event without an instant cannot be ordered."
        )
    kinds = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
    has_created = created and created in rows.column_names
    return _newest_of_each(
        OnlineBatch(
            keys=entity_key_bytes(with_feast_key(rows) if DUMMY_ENTITY_ID in kinds else rows, kinds),
            event=event,
            created=_microseconds(rows[created]) if has_created else np.full(rows.num_rows, NO_INSTANT),
            values={f.name: value_bytes(rows[f.name], f.dtype.to_value_type()) for f in view.features},
        )
    )


def with_feast_key(rows: pa.Table) -> pa.Table:
    """Add the key that Feast gives to views without an entity; it has one value."""
    return rows.append_column(DUMMY_ENTITY_ID, pa.repeat(DUMMY_ENTITY_VAL, rows.num_rows))


def batches_of_protos(config: RepoConfig, data: Sequence[FeastRow]) -> list[OnlineBatch]:
    """Serialize rows as Feast hands them over; one batch for each set of features that rows have."""
    alike: dict[tuple[str, ...], list[FeastRow]] = {}
    for row in data:
        alike.setdefault(tuple(row[1]), []).append(row)
    version = config.entity_key_serialization_version
    return [
        _newest_of_each(
            OnlineBatch(
                keys=[serialize_entity_key(entity, entity_key_serialization_version=version) for entity, *_ in rows],
                event=np.array([_instant(event) for _, _, event, _ in rows], np.int64),
                created=np.array([_instant(created) for *_, created in rows], np.int64),
                values={name: [values[name].SerializeToString() for _, values, *_ in rows] for name in names},
            )
        )
        for names, rows in alike.items()
    ]  # fmt: skip


def _newest_of_each(batch: OnlineBatch) -> OnlineBatch:
    """Keep each entity's row that is newest by event, then by creation, then by position."""
    if len(set(batch.keys)) == len(batch.keys):
        return batch
    order = np.lexsort((batch.created, batch.event))
    newest = {batch.keys[row]: row for row in order.tolist()}
    row_numbers = sorted(newest.values())
    return OnlineBatch(
        keys=[batch.keys[row] for row in row_numbers],
        event=batch.event[row_numbers],
        created=batch.created[row_numbers],
        values={name: [column[row] for row in row_numbers] for name, column in batch.values.items()},
    )


def _microseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return instants in microseconds since 1970 UTC; nanoseconds are cut off."""
    whole = column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
    instants_us: NDArray[np.int64] = whole.fill_null(NO_INSTANT).to_numpy()
    return instants_us


def _instant(moment: datetime | None) -> int:
    if moment is None or moment != moment:
        return NO_INSTANT
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((aware - _EPOCH) // _MICROSECOND)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution
