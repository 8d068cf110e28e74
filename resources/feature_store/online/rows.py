"""A view's online values for a table of rows: one read for the entities that differ, put beside every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.feature_store.objects import Declared, FeatureStoreError
from resources.feature_store.online.served_log import ServedLog
from resources.feature_store.online.values import OnlineValues

if TYPE_CHECKING:
    from resources.feature_store.store import FeatureStore

READ_AT_ONCE = 10_000
"""Entities of one read: SQLite takes 250,000 parameters, and the answers are objects in memory."""

AGE_TYPE = pa.duration("us")


@dataclass(frozen=True)
class ViewAnswers:
    """Values that a view serves for some rows, in their order.

    Attributes
    ----------
    values
        Columns of features, n rows each, with the types of the view's table in the lake. Null where
        nothing is known, or what is known is older than the view's ttl.
    status
        For each of them what it is (`FeatureStatus`), as texts.
    age
        How old the row of values is, in microseconds; null where there is none.
    """

    values: Mapping[str, pa.Array]
    status: Mapping[str, pa.Array]
    age: pa.Array


@dataclass(frozen=True)
class Distinct:
    """The different values of some columns together, and which of them each row has.

    Attributes
    ----------
    first
        Position of a row that has them, for each; shape (n_distinct,).
    place
        Position in `first` of each row's values; shape (n_rows,).
    """

    first: NDArray[np.int64]
    place: NDArray[np.int64]


def distinct(rows: pa.Table, columns: Sequence[str]) -> Distinct:
    """Find the different values of some columns, all rows at once; nulls are equal.

    Examples
    --------
    >>> found = distinct(pa.table({"a": ["x", "y", "x"], "b": [1, 1, 1]}), ["a", "b"])
    >>> found.first.tolist(), found.place.tolist()
    ([0, 1], [0, 1, 0])
    """
    place = np.zeros(rows.num_rows, np.int64)
    for name in columns:
        coded = rows[name].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        # Numbered anew after each column: products stay below the square of the number of rows.
        _, place = np.unique(place * max(1, len(coded.dictionary)) + codes, return_inverse=True)
    _, first, place = np.unique(place, return_index=True, return_inverse=True)
    return Distinct(first, place)


def answers_for(
    store: FeatureStore,
    pipeline: Declared,
    view: str,
    rows: pa.Table,
    now: datetime,
    *,
    schema: pa.Schema,
    log: ServedLog | None = None,
) -> ViewAnswers:
    """Read a view online for rows that name its entities, as often as they like and in any order.

    Parameters
    ----------
    store, pipeline, view
        Whose online values.
    rows
        The entity's key columns; others are ignored. A row with a null key has no entity, as in training.
        Where the view has no entity, all rows read the same.
    now
        The instant of the question.
    schema
        Key columns and features with the types of the view's table in the lake.
    log
        Where to note what is served, once for each entity.

    Raises
    ------
    FeatureStoreError
        If the view is not registered, or a key is not of its type.
    """
    keys = pipeline.spec.view_keys(view)
    different = distinct(rows, ())
    whole: list[dict[str, Any]] = [{}] * different.first.size
    is_whole = np.ones(different.first.size, np.bool_)
    if keys:
        entity_rows = pa.table({name: _as_key(rows[name], schema.field(name), view) for name in keys})
        different = distinct(entity_rows, keys)
        entities = entity_rows.take(pa.array(different.first))
        is_whole = _without_nulls(entities, keys)
        whole = entities.filter(pa.array(is_whole)).to_pylist()
    answers: list[OnlineValues] = []
    for start in range(0, len(whole), READ_AT_ONCE):
        answers += store.read_online(pipeline, view, whole[start : start + READ_AT_ONCE], now, log=log)
    # Of the entities that were read, which is each row's; none where a key is null.
    position = (np.cumsum(is_whole) - 1)[different.place]
    index = pa.array(position, mask=~is_whole[different.place])
    features = [field for field in schema if field.name not in keys]
    values = {f.name: _typed([a.values.get(f.name) for a in answers], f.type) for f in features}
    status = {f.name: _texts([a.status.get(f.name, "not_found") for a in answers]) for f in features}
    if not is_whole.all():
        # One more, that nobody reads: what an entity with a null key is.
        status = {name: pa.concat_arrays([texts, _texts(["not_found"])]) for name, texts in status.items()}
    said_of = pa.array(np.where(is_whole[different.place], position, len(answers)))
    return ViewAnswers(
        values=_taken(values, index),
        status=_taken(status, said_of),
        age=pa.array([answer.age for answer in answers], AGE_TYPE).take(index),
    )


def _texts(values: Sequence[str]) -> pa.Array:
    return pa.array(values, pa.string())


def _taken(columns: Mapping[str, pa.Array], index: pa.Array) -> Mapping[str, pa.Array]:
    """Take the same rows of every column, in one call: with many features and few rows the calls cost most."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return dict(zip(columns, batch.take(index).columns, strict=True))


def _as_key(column: pa.ChunkedArray, field: pa.Field, view: str) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FeatureStoreError(
            f"feature view '{view}' is read by '{field.name}' of type {field.type}: {error}. Give keys of that type."
        ) from error


def _without_nulls(entities: pa.Table, keys: Sequence[str]) -> NDArray[np.bool_]:
    whole = np.ones(entities.num_rows, np.bool_)
    for name in keys:
        whole &= entities[name].is_valid().to_numpy()
    return whole


def _typed(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """Make a column of what Feast gives: its instants are datetimes, also where the lake has dates."""
    if pa.types.is_date(kind):
        return pa.array(values, pa.timestamp("s", tz="UTC")).cast(kind)
    return pa.array(values, kind)
