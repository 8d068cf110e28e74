"""Trainings of a stream by the product's own functions, each done once whoever asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assets.model.tables import holdout_table
from benchmarks.policy.streams import Stream
from declaration.model import GateSpec, ModelSpec
from declaration.names import SOURCE_PARTITION
from learning.comparison import ScoredPair
from learning.gate import GateVerdict, judge_challenger
from learning.metrics import Scored
from learning.train import Training, train_model
from learning.training_rows import LabelsNeededError, TrainingSet, read_training_set


@dataclass(frozen=True)
class Version:
    """A trained model, and what it learned from.

    Attributes
    ----------
    window
        The training is as of this window's end.
    data
        Its labelled rows.
    training
        What came out.
    knows_until_us
        Instant up to which it has learned.
    """

    window: int
    data: TrainingSet
    training: Training
    knows_until_us: int
    _said: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def holdout(self) -> pa.Table:
        """Judged rows with label and score, out of fold."""
        return holdout_table(self.data, self.training)

    @property
    def learned(self) -> pa.Table:
        """The rows that it learned from: all, or the newest."""
        since = self.training.span.since_us
        if since is None:
            return self.data.rows
        return self.data.rows.filter(pa.array(self.data.event_time_us >= since))

    def score(self, rows: pa.Table) -> NDArray[np.float64]:
        """Score rows of the stream."""
        return self.training.model.score(rows)

    def score_window(self, stream: Stream, window: int) -> NDArray[np.float64]:
        """Score a window of the stream once, however many policies ask."""
        if window not in self._said:
            self._said[window] = self.score(stream.windows[window])
        return self._said[window]


@dataclass(frozen=True)
class Trainer:
    """Trains as of a window's end on the labels that are known then."""

    stream: Stream
    _done: dict[tuple[int, int | None, frozenset[int], bool, bool], Version | None] = field(
        default_factory=dict
    )

    def train(
        self,
        window: int,
        champion: Version | None,
        left_out: frozenset[int],
        *,
        is_loss_confirmed: bool = False,
        adapts: bool = False,
    ) -> Version | None:
        """Train; None when the known labels do not suffice.

        Parameters
        ----------
        window
            As of its end.
        champion
            With whom the challenger will be compared; None where nobody asks.
        left_out
            Windows that are not learned from.
        is_loss_confirmed
            The champion has surely lost, in this window.
        adapts
            As the model stage has it; plain policies learn from the whole window.
        """
        key = (window, champion.knows_until_us if champion else None, left_out, is_loss_confirmed, adapts)
        if key not in self._done:
            self._done[key] = self._train(*key)
        return self._done[key]

    def _train(
        self,
        window: int,
        champion_knows: int | None,
        left_out: frozenset[int],
        is_loss_confirmed: bool,
        adapts: bool,
    ) -> Version | None:
        end = self.stream.start_us(window + 1)
        first = max(0, window + 1 - self.stream.train_window)
        parts = [
            known_rows(self.stream.windows[i], until_us=end)
            .select(["row_id", "event_timestamp", *self.stream.features, "label", "label_time"])
            .append_column(
                SOURCE_PARTITION, pa.array([f"{i:03}"] * _n_known(self.stream.windows[i], end), pa.string())
            )
            for i in range(first, window + 1)
            if i not in left_out
        ]
        try:
            data = read_training_set(pa.concat_tables(parts), "binary")
            training = train_model(
                data,
                self.model_spec.model_copy(update={"adapt_window": adapts}),
                champion_knows_until_us=champion_knows,
                loss_since_us=self.stream.start_us(window) if is_loss_confirmed else None,
            )
        except LabelsNeededError:
            return None
        return Version(window, data, training, end)

    @property
    def model_spec(self) -> ModelSpec:
        """What would be declared."""
        return ModelSpec(candidates=(self.stream.candidate,), train_window=self.stream.train_window)


def known_rows(rows: pa.Table, *, until_us: int, since_us: int | None = None) -> pa.Table:
    """Return the rows whose label became known in [since, until)."""
    until = pa.scalar(until_us, pa.timestamp("us", "UTC"))
    is_known = pc.fill_null(pc.less(rows["label_time"], until), False)
    if since_us is not None:
        since = pa.scalar(since_us, pa.timestamp("us", "UTC"))
        is_known = pc.and_(is_known, pc.fill_null(pc.greater_equal(rows["label_time"], since), False))
    return rows.filter(is_known)


def _n_known(rows: pa.Table, until_us: int) -> int:
    return int(known_rows(rows, until_us=until_us).num_rows)


def judge(challenger: Version, champion: Version, *, is_loss_confirmed: bool) -> GateVerdict:
    """Put a challenger through the gate, as the model stage does."""
    return judge_challenger(
        scored_pair(challenger, champion),
        problem="binary",
        metric=challenger.training.metric,
        holdout_metric=challenger.training.holdout_metric,
        gate=GateSpec(),
        is_loss_confirmed=is_loss_confirmed,
        has_champion=True,
        seed=0,
    )


def scored_pair(challenger: Version, champion: Version) -> ScoredPair | None:
    """Score both on the challenger's judged rows: unseen ones by the champion's model, its own judged rows as recorded."""
    data, positions = challenger.data, challenger.training.judged
    instants = data.event_time_us[positions]
    is_unseen = data.label_time_us[positions] >= champion.knows_until_us
    scores = np.full(positions.size, np.nan)
    scores[is_unseen] = champion.score(data.rows.take(positions[is_unseen]))
    theirs = champion.holdout
    found = pc.index_in(
        data.rows["row_id"].take(positions[~is_unseen]), value_set=theirs["row_id"].combine_chunks()
    )
    recorded = pc.take(theirs["score"], found).to_numpy()
    scores[~is_unseen] = recorded
    is_blind = np.isfinite(scores)
    labels = data.labels[positions[is_blind]]
    if not labels.size:
        return None
    return ScoredPair(
        challenger=Scored(labels, challenger.training.holdout.scores[is_blind]),
        champion=Scored(labels, scores[is_blind]),
        event_time_us=instants[is_blind],
        windows=data.windows[positions[is_blind]],
    )
