"""Trainings of a stream by the product's own functions, each done once whoever asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.model.tables import holdout_table
from benchmarks.policy.streams.stream import Floats, Stream
from declaration.model import GateSpec, ModelSpec
from declaration.names import SOURCE_PARTITION
from learning.comparison import ScoredPair
from learning.fitted import FittedModel
from learning.gate import GateVerdict, judge_challenger
from learning.metrics import Scored
from learning.out_of_fold import fit
from learning.score_columns import aligned_scores, classes_of_both, scores_from
from learning.train import Training, train_model
from learning.training_rows import LabelsNeededError, TrainingSet, read_training_set

SCORED_AT_ONCE = 6
"""Windows that a model scores in one call: a call costs more than a window's rows."""

CLIP = 0.001
"""Least probability in the log loss of the tables."""


@dataclass(frozen=True)
class Quality:
    """How a model did in a window, against the true labels.

    Attributes
    ----------
    share
        Accuracy; for a number 1 less the root mean squared error over the label's standard deviation.
    proper_loss
        Mean log loss; for a number the squared error as a share of the variance.
    """

    share: float
    proper_loss: float


@dataclass(frozen=True)
class Version:
    """A model, and what it learned from.

    Attributes
    ----------
    window
        The training is as of this window's end.
    data
        Its labelled rows.
    model
        What serves.
    knows_until_us
        Instant up to which it has learned.
    training
        What came out of the product's training; None where a plain schedule has fitted all rows.
    """

    window: int
    data: TrainingSet
    model: FittedModel
    knows_until_us: int
    training: Training | None = None
    _said: dict[int, Floats] = field(default_factory=dict)
    _quality: dict[int, Quality] = field(default_factory=dict)

    @property
    def trained(self) -> Training:
        """The product's training."""
        assert self.training is not None
        return self.training

    @property
    def holdout(self) -> pa.Table:
        """Judged rows with label and score, out of fold."""
        return holdout_table(self.data, self.trained)

    @property
    def learned(self) -> pa.Table:
        """The rows that it learned from: all, or the newest."""
        since = self.trained.span.since_us
        if since is None:
            return self.data.rows
        return self.data.rows.filter(pa.array(self.data.event_time_us >= since))

    def score_window(self, stream: Stream, window: int) -> Floats:
        """Score a window of the stream once, however many policies ask."""
        if window not in self._said:
            coming = stream.windows[window : window + SCORED_AT_ONCE]
            ends = np.cumsum([rows.num_rows for rows in coming])
            scores = np.split(self.model.score(pa.concat_tables(coming)), ends[:-1])
            self._said.update(enumerate(scores, start=window))
        return self._said[window]

    def quality(self, stream: Stream, window: int) -> Quality:
        """Measure it on a window once, however many policies let it serve."""
        if window not in self._quality:
            cost = float(np.mean(self.misses(stream, window)))
            share = 1 - float(np.sqrt(cost)) / stream.spread if stream.problem == "regression" else 1 - cost
            self._quality[window] = Quality(share, self._proper_loss(stream, window))
        return self._quality[window]

    def misses(self, stream: Stream, window: int) -> Floats:
        """Return what each row of a window costs against its true label: 1 for a wrong class, or the squared error."""
        scores = self.score_window(stream, window)
        if stream.problem == "regression":
            return (stream.truth(window) - scores) ** 2
        if stream.problem == "binary":
            is_missed = (scores >= 0.5) != stream.truth(window)
        else:
            is_missed = np.asarray(self.model.classes)[scores.argmax(axis=1)] != stream.true_classes(window)
        return np.asarray(is_missed, dtype=np.float64)

    def _proper_loss(self, stream: Stream, window: int) -> float:
        scores = self.score_window(stream, window)
        if stream.problem == "regression":
            return float(np.mean((stream.truth(window) - scores) ** 2)) / stream.spread**2
        if stream.problem == "binary":
            chosen = np.where(stream.truth(window) == 1, scores, 1 - scores)
        else:
            places = {name: place for place, name in enumerate(self.model.classes)}
            found = np.array([places.get(str(name), -1) for name in stream.true_classes(window)])
            chosen = np.where(found < 0, 0.0, scores[np.arange(found.size), found])
        return float(-np.log(np.clip(chosen, CLIP, 1.0)).mean())


@dataclass(frozen=True)
class Question:
    """What a training depends on: two policies that ask the same get the same model.

    Attributes
    ----------
    window, span
        As of this window's end; windows that are learned from, None for all.
    left_out
        Windows that are not learned from.
    champion_knows_until_us
        What the champion has learned; None where nobody serves.
    loss_since_us
        First instant of the loss that asks; None where none does.
    """

    window: int
    span: int | None
    left_out: frozenset[int] = frozenset()
    champion_knows_until_us: int | None = None
    loss_since_us: int | None = None


@dataclass
class Trainer:
    """Trains as of a window's end on the labels that are known then."""

    stream: Stream
    _read: dict[tuple[int, int, frozenset[int]], TrainingSet | None] = field(default_factory=dict)
    _fitted: dict[tuple[int, int, frozenset[int]], Version | None] = field(default_factory=dict)
    _trained: dict[Question, Version | None] = field(default_factory=dict)

    def fit(self, window: int, span: int | None, left_out: frozenset[int] = frozenset()) -> Version | None:
        """Fit all labelled rows, and hold none out; None where there are too few labels."""
        key = (window, self._first(window, span), left_out)
        if key not in self._fitted:
            self._fitted[key] = self._fit(window, self._data(*key))
        return self._fitted[key]

    def train(self, question: Question) -> Version | None:
        """Train as the model stage does; None where the known labels do not suffice."""
        if question not in self._trained:
            self._trained[question] = self._train(question)
        return self._trained[question]

    def model_spec(self, span: int | None) -> ModelSpec:
        """Return what would be declared."""
        windows = None if span is None else span + self.stream.label_delay
        return ModelSpec(candidates=(self.stream.candidate,), train_window=windows)

    def _first(self, window: int, span: int | None) -> int:
        return 0 if span is None else max(0, window + 1 - span - self.stream.label_delay)

    def _fit(self, window: int, data: TrainingSet | None) -> Version | None:
        if data is None:
            return None
        spec = self.model_spec(None)
        model = fit(spec.competitors[0], data.fit_rows(), data.classes, spec.seed, 1)
        return Version(window, data, model, self.stream.start_us(window + 1))

    def _train(self, question: Question) -> Version | None:
        first = self._first(question.window, question.span)
        data = self._data(question.window, first, question.left_out)
        if data is None:
            return None
        try:
            training = train_model(
                data,
                self.model_spec(question.span),
                champion_knows_until_us=question.champion_knows_until_us,
                loss_since_us=question.loss_since_us,
            )
        except LabelsNeededError:
            return None
        end = self.stream.start_us(question.window + 1)
        return Version(question.window, data, training.model, end, training)

    def _data(self, window: int, first: int, left_out: frozenset[int]) -> TrainingSet | None:
        key = (window, first, left_out)
        if key not in self._read:
            self._read[key] = self._read_rows(*key)
        return self._read[key]

    def _read_rows(self, window: int, first: int, left_out: frozenset[int]) -> TrainingSet | None:
        columns = ["row_id", "event_timestamp", *self.stream.features, "label", "label_time"]
        parts = []
        for number in range(first, window + 1):
            if number in left_out:
                continue
            rows = known_rows(self.stream.windows[number], until_us=self.stream.start_us(window + 1))
            source = pa.array([f"{number:03}"] * rows.num_rows, pa.string())
            parts.append(rows.select(columns).append_column(SOURCE_PARTITION, source))
        try:
            return read_training_set(pa.concat_tables(parts), self.stream.problem)
        except LabelsNeededError:
            return None


def known_rows(rows: pa.Table, *, until_us: int, since_us: int | None = None) -> pa.Table:
    """Return the rows whose label became known in [since, until)."""
    until = pa.scalar(until_us, pa.timestamp("us", "UTC"))
    is_known = pc.fill_null(pc.less(rows["label_time"], until), False)
    if since_us is not None:
        since = pa.scalar(since_us, pa.timestamp("us", "UTC"))
        is_known = pc.and_(is_known, pc.fill_null(pc.greater_equal(rows["label_time"], since), False))
    return rows.filter(is_known)


def judge(challenger: Version, champion: Version, *, is_loss_confirmed: bool) -> GateVerdict:
    """Put a challenger through the gate, as the model stage does."""
    return judge_challenger(
        scored_pair(challenger, champion),
        problem=challenger.data.problem,
        metric=challenger.trained.metric,
        holdout_metric=challenger.trained.holdout_metric,
        gate=GateSpec(),
        is_loss_confirmed=is_loss_confirmed,
        has_champion=True,
        seed=0,
    )


def scored_pair(challenger: Version, champion: Version) -> ScoredPair | None:
    """Score both on the challenger's judged rows: unseen ones by the champion's model, its own judged rows as recorded."""
    data, positions = challenger.data, challenger.trained.judged
    theirs, wanted = champion.model.classes, classes_of_both(data.classes, champion.model.classes)
    is_unseen = data.label_time_us[positions] >= champion.knows_until_us
    fresh = champion.model.score(data.rows.take(positions[is_unseen]))
    recorded, places = _recorded(champion, data.rows["row_id"].take(positions[~is_unseen]))
    kept = np.concatenate([np.flatnonzero(~is_unseen)[places], np.flatnonzero(is_unseen)])
    scores = np.concatenate([recorded, fresh])
    labels = data.labels[positions[kept]]
    if not labels.size:
        return None
    own = challenger.trained.holdout.scores[kept]
    is_of_classes = data.problem == "multiclass"
    return ScoredPair(
        challenger=Scored(labels, aligned_scores(own, data.classes, wanted) if is_of_classes else own),
        champion=Scored(labels, aligned_scores(scores, theirs, wanted) if is_of_classes else scores),
        event_time_us=data.event_time_us[positions[kept]],
        windows=data.windows[positions[kept]],
    )


def _recorded(champion: Version, row_ids: pa.ChunkedArray) -> tuple[Floats, np.ndarray]:
    """Return the scores that a champion's judged rows have of some rows, and which of them it has."""
    held_out = champion.holdout
    found = pc.index_in(row_ids, value_set=held_out["row_id"].combine_chunks())
    places = np.flatnonzero(pc.is_valid(found).to_numpy())
    rows = held_out.take(found.drop_null())
    return scores_from(rows, champion.data.problem, len(champion.model.classes)), places
