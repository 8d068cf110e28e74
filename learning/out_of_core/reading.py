"""A training set read in batches: encoded to a file, its labels and instants in memory, its newest rows whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.algorithms.batched_rows import BatchedRows, EncodedFile
from learning.encode import (
    MAX_CATEGORIES,
    MIN_CATEGORY_ROWS,
    ColumnEncoding,
    FeatureEncoding,
    encode,
    feature_kind,
)
from learning.metrics import Floats
from learning.training_rows import (
    NOT_FEATURES,
    TrainingError,
    TrainingSet,
    WholeSet,
    label_indices,
    microseconds,
    read_training_set,
)

HOLDOUT_SHARE = 0.1
"""Newest share of the rows that judges, where the declaration has none."""

MOST_HELD_OUT = 500_000
"""Rows that judge at most: they are in memory, and tell a metric to three digits."""

MOST_COUNTED = 1_000_000
"""Different texts of a column that are counted at once; of more the rarest are forgotten, which are no categories."""

Read = Callable[[], Iterable[pa.RecordBatch]]
"""Reads the set from its beginning, ordered by prediction instant and row id."""


@dataclass(frozen=True)
class LargeSet:
    """A training set of which memory holds the newest rows alone.

    Attributes
    ----------
    newest
        The rows that judge.
    learned
        All rows, from the file.
    known
        Those whose labels were known when the first row that judges was predicted.
    """

    newest: TrainingSet
    learned: BatchedRows
    known: BatchedRows


def read_large_set(
    read: Read, problem: ProblemType, folder: Path, *, holdout: float | None, timezone: str = "UTC"
) -> LargeSet:
    """Read a set twice: for its labels and categories, then to encode it into a file of a folder.

    Parameters
    ----------
    read
        The set.
    problem
        What is predicted.
    folder
        Where the file is written.
    holdout
        Newest share of the rows that judges; None for a tenth.
    timezone
        Calendar of the partitions.

    Raises
    ------
    TrainingError
        If there are no features, or labels are none of the problem's.
    """
    seen = _look(read, problem)
    n_rows = seen.labels.size
    n_held_out = max(1, min(MOST_HELD_OUT, round(n_rows * (holdout or HOLDOUT_SHARE))))
    file = EncodedFile(folder / "encoded.bin", len(seen.encoding.names))
    rows, digest = _encode(read, seen, file, n_rows - n_held_out)
    newest = read_training_set(rows, problem, timezone=timezone)
    newest = replace(
        newest,
        classes=seen.classes,
        labels=label_indices(newest.rows["label"], problem, seen.classes),
        whole=WholeSet(seen.encoding, digest, n_rows),
    )
    # Of 32 bits: a billion rows are as many as anybody has, and half the memory.
    everything = np.arange(n_rows, dtype=np.int32)
    is_known = (everything < n_rows - n_held_out) & (seen.label_time_us <= newest.event_time_us[0])
    learned = BatchedRows(file, everything, seen.labels, seen.encoding, problem, max(2, len(seen.classes)))
    known = replace(learned, places=everything[is_known], labels=seen.labels[is_known])
    return LargeSet(newest, learned, known)


@dataclass(frozen=True)
class _Seen:
    """Facts of a set, from one pass over it."""

    encoding: FeatureEncoding
    labels: Floats
    classes: tuple[str, ...]
    label_time_us: NDArray[np.int64]


def _look(read: Read, problem: ProblemType) -> _Seen:
    """Gather labels and instants, and count the categories."""
    labels: list[pa.ChunkedArray] = []
    known: list[NDArray[np.int64]] = []
    counts: dict[str, Counter[str]] = {}
    schema = pa.schema([])
    for batch in read():
        rows = pa.Table.from_batches([batch])
        schema = rows.schema
        label = rows["label"]
        # A text of each row would be most of the memory.
        labels.append(label.dictionary_encode() if problem == "multiclass" else label)
        known.append(microseconds(rows["label_time"]))
        for name in rows.column_names:
            if name not in NOT_FEATURES and feature_kind(name, rows[name].type) == "category":
                _count(counts.setdefault(name, Counter()), rows[name])
    names = sorted(name for name in schema.names if name not in NOT_FEATURES)
    if not names:
        raise TrainingError(
            "the training set has no features. Declare a view in 'features', or target.request_features."
        )
    encoding = FeatureEncoding(tuple(_column(name, schema, counts) for name in names))
    indices, classes = _indices(labels, problem)
    return _Seen(encoding, indices, classes, np.concatenate(known))


def _count(counts: Counter[str], values: pa.ChunkedArray) -> None:
    for one in pc.value_counts(values.cast(pa.string()).drop_null()).to_pylist():
        counts[one["values"]] += one["counts"]
    if len(counts) > MOST_COUNTED:
        kept = counts.most_common(MOST_COUNTED // 2)
        counts.clear()
        counts.update(dict(kept))


def _column(name: str, schema: pa.Schema, counts: dict[str, Counter[str]]) -> ColumnEncoding:
    kind = feature_kind(name, schema.field(name).type)
    if kind != "category":
        return ColumnEncoding(name, kind)
    frequent = sorted((-n, text) for text, n in counts.get(name, Counter()).items() if n >= MIN_CATEGORY_ROWS)
    return ColumnEncoding(name, kind, tuple(text for _, text in frequent[:MAX_CATEGORIES]))


def _indices(labels: Sequence[pa.ChunkedArray], problem: ProblemType) -> tuple[Floats, tuple[str, ...]]:
    """Turn labels into class indices, alphabetical as in memory, or values."""
    if problem != "multiclass":
        return np.concatenate([label_indices(part, problem, ()) for part in labels]), ()
    classes = tuple(sorted({text for part in labels for text in part.unique().cast(pa.string()).to_pylist()}))
    return np.concatenate([label_indices(part, problem, classes) for part in labels]), classes


def _encode(read: Read, seen: _Seen, file: EncodedFile, first_kept: int) -> tuple[pa.Table, str]:
    """Write the encoded rows; return those from a place on, and the digest of all that can be learned."""
    content = hashlib.sha256(json.dumps([seen.encoding.to_plain(), seen.classes]).encode())
    kept: list[pa.RecordBatch] = []
    place = 0
    with file.path.open("wb") as handle:
        for batch in read():
            rows = pa.Table.from_batches([batch])
            values = np.ascontiguousarray(encode(rows, seen.encoding)).tobytes()
            handle.write(values)
            content.update(values)
            content.update(microseconds(rows["event_timestamp"]).tobytes())
            place += batch.num_rows
            if place > first_kept:
                kept.append(batch.slice(max(0, batch.num_rows - (place - first_kept))))
    content.update(seen.labels.tobytes())
    content.update(seen.label_time_us.tobytes())
    return pa.Table.from_batches(kept), content.hexdigest()
