"""Versions of a model within a backtest: the rows each learned from, its judgement, and its scores of the windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.model import Metric
from declaration.names import SOURCE_PARTITION
from declaration.target import ProblemType
from drift.backtesting.history import INSTANT, History, known_rows
from drift.backtesting.recalibration import Calibration
from learning.comparison import ScoredPair
from learning.fitted import FittedModel
from learning.metrics import Floats, Scored
from learning.score_columns import aligned_scores, classes_of_both, scores_from
from learning.training_rows import label_indices, microseconds

SCORED_AT_ONCE = 6
"""Windows that a model scores in one call: a call costs more than a window's rows."""

NAIVE_PREFIX = "naive/"
"""Beginning of the columns of judged rows that hold what each naive forecast said; null in rows that had none."""


@dataclass(frozen=True)
class Judgement:
    """Judgement of a training.

    Attributes
    ----------
    rows
        Judged rows in order of time: row_id, event_timestamp, label and scores, out of fold, with `label_time`, and
        `window` and `place`: the number of the window that they are of, and their place in it; and what naive forecasts
        said of them, see `NAIVE_PREFIX`.
    metric, holdout_metric
        What candidates were compared by, and its value.
    importances
        Share of each feature in the model's skill.
    """

    rows: pa.Table
    metric: Metric
    holdout_metric: float
    importances: Mapping[str, float]


@dataclass(frozen=True)
class Version:
    """Version of a model, and the rows it learned from.

    Attributes
    ----------
    window
        The training is as of this window's end.
    model
        What serves.
    knows_until_us
        Instant up to which it has learned.
    first, left_out, since_us
        First window that it may have learned from, windows that it did not, and the instant since which it did;
        None for all.
    judgement
        What the product's training says of it; None where a plain schedule has fitted all rows.
    cpu_s
        CPU seconds of the training.
    calibration
        What is done to the model's scores; None for nothing.
    """

    window: int
    model: FittedModel
    knows_until_us: int
    first: int = 0
    left_out: frozenset[int] = frozenset()
    since_us: int | None = None
    judgement: Judgement | None = None
    cpu_s: float = 0.0
    calibration: Calibration | None = None
    _said: dict[int, Floats] = field(default_factory=dict, compare=False)

    @property
    def judged(self) -> Judgement:
        """Judgement of the product's training."""
        assert self.judgement is not None
        return self.judgement

    @property
    def holdout(self) -> pa.Table:
        """Judged rows with label and scores, out of fold."""
        rows = self.judged.rows
        naive = [name for name in rows.column_names if name.startswith(NAIVE_PREFIX)]
        return rows.drop_columns(["label_time", "window", "place", *naive])

    def learned(self, history: History) -> pa.Table:
        """Return the rows that it learned from, with the partition of each."""
        rows = labelled_until(history, self.window, self.first, self.left_out)
        if self.since_us is None:
            return rows
        return rows.filter(pc.greater_equal(rows["event_timestamp"], pa.scalar(self.since_us, INSTANT)))

    def score_window(self, history: History, window: int) -> Floats:
        """Score a window once, however many policies ask."""
        if window not in self._said:
            coming = history.windows[window : window + SCORED_AT_ONCE]
            ends = np.cumsum([rows.num_rows for rows in coming])
            scores = self.model.score(pa.concat_tables(coming))
            if self.calibration is not None:
                scores = self.calibration.applied(scores)
            self._said.update(enumerate(np.split(scores, ends[:-1]), start=window))
        return self._said[window]

    def scored_window(self, history: History, window: int) -> Scored:
        """Return a window's labels that are known in the end, with its scores."""
        rows = history.windows[window]
        is_known = pc.is_valid(rows["label"]).to_numpy()
        labels = label_indices(rows["label"].drop_null(), history.problem, self.model.classes)
        return Scored(labels, self.score_window(history, window)[is_known])


def labelled_until(
    history: History, window: int, first: int = 0, left_out: frozenset[int] = frozenset()
) -> pa.Table:
    """Return the rows of some windows whose label is known at a window's end, as a training set has them."""
    columns = ["row_id", "event_timestamp", *history.features, "label", "label_time"]
    parts = []
    for number in range(first, window + 1):
        if number not in left_out:
            rows = known_rows(history.windows[number], until_us=history.end_us(window)).select(columns)
            source = pa.array([history.names[number]] * rows.num_rows, pa.string())
            parts.append(rows.append_column(SOURCE_PARTITION, source))
    return pa.concat_tables(parts)


def scored_pair(history: History, challenger: Version, champion: Version) -> ScoredPair | None:
    """Score both on the challenger's judged rows: unseen ones by the champion's model, its own judged rows as recorded."""
    rows, problem = challenger.judged.rows, history.problem
    ours, theirs = challenger.model.classes, champion.model.classes
    classes = classes_of_both(ours, theirs)
    is_unseen = microseconds(rows["label_time"]) >= champion.knows_until_us
    unseen, seen = np.flatnonzero(is_unseen), np.flatnonzero(~is_unseen)
    # Its own judged rows were scored by models that had not learned from them: those scores are as blind.
    recorded, positions = _recorded(champion, rows.take(seen), problem)
    places = np.concatenate([seen[positions], unseen])
    if not places.size:
        return None
    scores = np.concatenate([recorded, _said_of(history, champion, rows.take(unseen))])
    chosen = rows.take(places)
    labels, own = label_indices(chosen["label"], problem, ours), scores_from(chosen, problem, len(ours))
    is_of_classes = problem == "multiclass"
    return ScoredPair(
        challenger=Scored(labels, aligned_scores(own, ours, classes) if is_of_classes else own),
        champion=Scored(labels, aligned_scores(scores, theirs, classes) if is_of_classes else scores),
        event_time_us=microseconds(chosen["event_timestamp"]),
        windows=np.asarray(chosen["window"].to_numpy()),
        positions=places,
    )


def _recorded(champion: Version, rows: pa.Table, problem: ProblemType) -> tuple[Floats, NDArray[np.int64]]:
    """Return a champion's recorded scores of some rows, and the positions of the rows that have one."""
    judged = champion.judged.rows
    keys, row_keys = _row_keys(judged), _row_keys(rows)
    order = np.argsort(keys)
    places = np.searchsorted(keys, row_keys, sorter=order)
    positions = order[np.minimum(places, keys.size - 1)]
    is_found = keys[positions] == row_keys
    scores = scores_from(judged.take(positions[is_found]), problem, len(champion.model.classes))
    return scores, np.flatnonzero(is_found)


def _row_keys(judged: pa.Table) -> NDArray[np.int64]:
    """Give each judged row a number: its window and its place in it."""
    windows, places = (judged[name].to_numpy().astype(np.int64) for name in ("window", "place"))
    keys: NDArray[np.int64] = (windows << 32) + places
    return keys


def _said_of(history: History, version: Version, judged: pa.Table) -> Floats:
    """Look up a version's scores of judged rows."""
    n_classes = len(version.model.classes)
    scores = np.empty((judged.num_rows, n_classes) if n_classes else judged.num_rows)
    windows, places = judged["window"].to_numpy(), judged["place"].to_numpy()
    for window in np.unique(windows):
        is_here = windows == window
        scores[is_here] = version.score_window(history, int(window))[places[is_here]]
    return scores
