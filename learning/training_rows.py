"""Labelled rows as the candidates learn from them: arrays beside the table of the lake."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from declaration.forecast import BEFORE, BEFORE_COLUMN, HORIZON_COLUMN, DifferenceSpec
from declaration.model import CandidateSpec
from declaration.names import SOURCE_PARTITION
from declaration.preprocess import PreprocessSpec
from declaration.target import ProblemType
from learning.algorithms.rows import FitRows
from learning.encode import FeatureEncoding, Reading, encode, learn_encoding
from learning.metrics import Floats
from learning.preprocess.reading import readings

NOT_FEATURES = frozenset({"row_id", "event_timestamp", "label", "label_time", SOURCE_PARTITION})
"""Columns of a training set that are not features."""


class TrainingError(DriftlineError):
    """No model can be learned from the training set as it is."""


class LabelsNeededError(TrainingError):
    """The labelled rows do not suffice to learn and to compare: the training waits for more of them."""


MIN_CLASS_ROWS = 5
"""Rows of a class below which it is rare: whether it is learned is left to chance, and told."""


@dataclass(frozen=True)
class WholeSet:
    """The set that some rows are the newest of, where memory does not hold all.

    Attributes
    ----------
    encoding, digest, n_rows
        Of all rows.
    """

    encoding: FeatureEncoding
    digest: str
    n_rows: int


@dataclass(frozen=True)
class TrainingSet:
    """Labelled rows as arrays beside their table.

    Attributes
    ----------
    rows
        Labelled rows, ordered by prediction instant and row id.
    labels
        Class index or value. Shape (n,).
    classes
        Multiclass: labels in index order. Otherwise empty.
    event_time_us, label_time_us
        Microseconds since the epoch, UTC. Shape (n,).
    windows
        Number of the partition that each row came from, 0, 1, … in their order; 0 everywhere where the
        table does not tell. Shape (n,).
    feature_names
        Feature columns, sorted.
    problem
        What is predicted.
    timezone
        Calendar of the parts of dates.
    folder
        Folder of the declaration, where files of estimators stand.
    preprocess
        Of the candidate that the rows are read for; None reads columns by their type.
    whole
        The set that these rows are the newest of; None where they are all.
    difference
        Change that is learned instead of the label; None for the label itself.
    has_horizons
        Whether each row is predicted at several horizons.
    """

    rows: pa.Table
    labels: Floats
    classes: tuple[str, ...]
    event_time_us: NDArray[np.int64]
    label_time_us: NDArray[np.int64]
    windows: NDArray[np.int64]
    feature_names: tuple[str, ...]
    problem: ProblemType
    timezone: str = "UTC"
    folder: str = ""
    preprocess: PreprocessSpec | None = None
    whole: WholeSet | None = None
    difference: DifferenceSpec | None = None
    has_horizons: bool = False

    @cached_property
    def encoding(self) -> FeatureEncoding:
        """Encoding of the features; learned from all labelled rows, without their labels."""
        if self.whole is not None:
            return self.whole.encoding
        return learn_encoding(self.rows, self.feature_names, self._readings)

    @cached_property
    def _readings(self) -> Mapping[str, Reading]:
        return readings(self.preprocess, self.rows, self.feature_names, self.timezone)

    @cached_property
    def _read(self) -> dict[str, TrainingSet]:
        """These rows as other candidates read them, by their preprocessing; those that read alike share a matrix."""
        return {}

    def read_for(self, candidate: CandidateSpec) -> TrainingSet:
        """Return the rows as a candidate reads them: the same, unless its preprocessing reads a column otherwise."""
        if candidate.preprocess == self.preprocess:
            return self
        asked = repr(candidate.preprocess)
        if asked not in self._read:
            other = replace(self, preprocess=candidate.preprocess)
            alike = (one for one in (self, *self._read.values()) if one._readings == other._readings)
            self._read[asked] = next(alike, other)
        return self._read[asked]

    @cached_property
    def matrix(self) -> Floats:
        """The encoded features of all rows."""
        return encode(self.rows, self.encoding)

    @cached_property
    def row_numbers(self) -> NDArray[np.int64]:
        """A number for each row id: a row that comes again, as in every load of a snapshot, has its own again."""
        return _numbered(self.rows["row_id"])

    @cached_property
    def horizons(self) -> Floats | None:
        """Hours ahead of each row, where there are several horizons. Shape (n,)."""
        return horizons_of(self.rows) if self.has_horizons else None

    @property
    def digest(self) -> str:
        """Digest of all that a model can learn from these rows: sha256."""
        if self.whole is not None:
            return self.whole.digest
        content = hashlib.sha256(json.dumps([self.encoding.to_plain(), self.classes]).encode())
        for values in (self.matrix, self.labels, self.event_time_us, self.label_time_us, self.windows):
            content.update(values.tobytes(order="A"))
        if self.difference is not None:
            content.update(self.difference.model_dump_json().encode())
        return content.hexdigest()

    def fit_rows(self, positions: NDArray[np.int64] | None = None) -> FitRows:
        """Return the rows at some positions, or all, to fit on."""
        return FitRows(
            matrix=self.matrix if positions is None else self.matrix[positions],
            labels=self.labels if positions is None else self.labels[positions],
            encoding=self.encoding,
            problem=self.problem,
            n_classes=max(2, len(self.classes)),
            event_time_us=self.event_time_us if positions is None else self.event_time_us[positions],
            label_time_us=self.label_time_us if positions is None else self.label_time_us[positions],
            folder=self.folder,
            difference=self.difference,
        )


def read_training_set(
    table: pa.Table,
    problem: ProblemType,
    *,
    timezone: str = "UTC",
    folder: str = "",
    difference: DifferenceSpec | None = None,
    has_horizons: bool = False,
) -> TrainingSet:
    """Turn a partition of the training set into arrays; rows without a label are left out.

    Parameters
    ----------
    table
        Features, labels and their instants.
    problem
        What is predicted.
    timezone
        Calendar of the partitions.
    folder
        Folder of the declaration.
    difference
        Change that is learned instead of the label; rows of which it is not known are left out too.
    has_horizons
        Whether each row is predicted at several horizons.

    Raises
    ------
    LabelsNeededError
        If no row has a label, or all have the same.
    TrainingError
        If labels are none of the problem's, or there are no features.
    """
    table = table.filter(pc.and_(pc.is_valid(table["label"]), pc.is_valid(table["label_time"])))
    if difference is not None:
        table = _with_value_before(table, difference)
    table = table.sort_by([("event_timestamp", "ascending"), ("row_id", "ascending")]).combine_chunks()
    labels, classes = _labels(table, problem)
    # After the labels: a set without rows has no features either, and waits.
    names = tuple(sorted(name for name in table.column_names if name not in NOT_FEATURES))
    if not names:
        raise TrainingError(
            "the training set has no features. Declare a view in 'features', or target.request_features."
        )
    return TrainingSet(
        rows=table,
        labels=labels,
        classes=classes,
        event_time_us=microseconds(table["event_timestamp"]),
        label_time_us=microseconds(table["label_time"]),
        windows=_windows(table),
        feature_names=names,
        problem=problem,
        timezone=timezone,
        folder=folder,
        difference=difference,
        has_horizons=has_horizons,
    )


def horizons_of(rows: pa.Table) -> Floats:
    """Return the hours ahead of rows that are predicted at several horizons; NaN where they are not known."""
    return np.asarray(rows[HORIZON_COLUMN].cast(pa.float64()).to_numpy(), dtype=np.float64)


def _with_value_before(table: pa.Table, difference: DifferenceSpec) -> pa.Table:
    """Leave out the rows whose change is not known: the first season of a series has none before it."""
    if BEFORE_COLUMN not in table.column_names:
        raise TrainingError(
            f"the training set has no column {BEFORE_COLUMN}, which target.difference is taken to. "
            f"Materialize features/{BEFORE} and the training set again."
        )
    before = table[BEFORE_COLUMN]
    known = table.filter(pc.greater(before, 0.0) if difference.by == "ratio" else pc.is_valid(before))
    if table.num_rows and not known.num_rows:
        raise LabelsNeededError(
            f"none of {table.num_rows} labelled rows has a known value before it (target.difference). "
            "Wait until the series is longer than the season and the horizon together, or declare a shorter season."
        )
    return known


def microseconds(instants: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return instants as microseconds since the epoch, UTC."""
    values: NDArray[np.int64] = instants.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return values


def instant(microseconds: int) -> datetime:
    """Turn microseconds since the epoch into an instant.

    Examples
    --------
    >>> instant(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(
        microsecond=microseconds % 1_000_000
    )


def _windows(table: pa.Table) -> NDArray[np.int64]:
    """Give each row the number of the partition that it came from, by the keys, whose order is that of time."""
    if SOURCE_PARTITION not in table.column_names:
        return np.zeros(table.num_rows, dtype=np.int64)
    keys = table[SOURCE_PARTITION].cast(pa.string())
    ordered = pa.array(sorted(keys.unique().to_pylist()), pa.string())
    return np.asarray(pc.index_in(keys, value_set=ordered).to_numpy(), dtype=np.int64)


def _numbered(values: pa.ChunkedArray) -> NDArray[np.int64]:
    encoded = values.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def label_indices(labels: pa.ChunkedArray, problem: ProblemType, classes: Sequence[str]) -> Floats:
    """Return labels as class indices or values.

    Parameters
    ----------
    labels
        Without nulls. Shape (n,).
    problem
        What is predicted.
    classes
        Multiclass: labels in index order. Others have the indices after these, in alphabetical order.
    """
    if problem == "multiclass":
        texts = labels.cast(pa.string())
        others = sorted(set(texts.unique().to_pylist()).difference(classes))
        indices = pc.index_in(texts, value_set=pa.array([*classes, *others], pa.string()))
        values: Floats = pc.cast(indices, pa.float64()).to_numpy()
        return values
    if pa.types.is_boolean(labels.type):
        labels = labels.cast(pa.int8())
    return np.asarray(labels.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _labels(table: pa.Table, problem: ProblemType) -> tuple[Floats, tuple[str, ...]]:
    column = table["label"]
    classes: tuple[str, ...] = ()
    if problem == "multiclass":
        classes = tuple(sorted(column.cast(pa.string()).unique().to_pylist()))
    labels = label_indices(column, problem, classes)
    if labels.size == 0:
        raise LabelsNeededError(
            "the training set has no labelled rows. Check target.label and target.label_time: "
            "a label counts once its label_time lies before the end of the partition."
        )
    values = np.unique(labels)
    if not np.isfinite(values).all():
        raise TrainingError(
            "labels hold NaN or infinite values. Make target.label NULL where there is no truth."
        )
    if values.size < 2:
        shown = classes[0] if classes else f"{values[0]:g}"
        raise LabelsNeededError(
            f"all {labels.size} labelled rows have the label {shown}: there is nothing to tell apart. "
            "Check target.label, or widen model.train_window."
        )
    if 2 * len(classes) > labels.size:
        raise LabelsNeededError(
            f"{labels.size} labelled rows have {len(classes)} labels: most come once, and nothing is learned of them. "
            "Check target.label, or declare problem: regression."
        )
    if problem == "binary" and not np.isin(values, (0, 1)).all():
        raise TrainingError(
            f"binary labels are 0 and 1; found {values[:5].tolist()}. "
            "Make target.label a condition, or declare problem: multiclass or regression."
        )
    return labels, classes
