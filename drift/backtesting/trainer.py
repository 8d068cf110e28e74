"""Trainings of a history by the product's own functions, each done once whoever asks for it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from declaration.errors import DriftlineError
from declaration.model import CandidateSpec, ModelSpec
from declaration.names import SOURCE_PARTITION
from drift.backtesting.conditions import naive_columns
from drift.backtesting.history import History
from drift.backtesting.versions import Judgement, Version, labelled_until
from learning.fitted import FittedModel
from learning.holdout_table import holdout_table
from learning.naive_forecast import NAIVE
from learning.out_of_fold import fit
from learning.train import Training, train_model
from learning.training_rows import LabelsNeededError, TrainingSet, read_training_set

MAX_SETS = 3
"""Training sets that are held at once: the next question is often about the same rows."""


class BudgetSpentError(DriftlineError):
    """A training was asked for when the CPU seconds were spent."""


@dataclass(frozen=True)
class Question:
    """Question that a training answers: two policies that ask the same get the same model.

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
    is_adaptive
        A newer part of the rows may be learned from alone.
    is_plain
        All rows are fitted by one candidate, and none is held out: what a schedule without a gate does.
    candidate
        Its name; None leaves it to the trainer.
    """

    window: int
    span: int | None
    left_out: frozenset[int] = frozenset()
    champion_knows_until_us: int | None = None
    loss_since_us: int | None = None
    is_adaptive: bool = True
    is_plain: bool = False
    candidate: str | None = None


class Kept(Protocol):
    """Store of trainings that were done before."""

    def read(self, question: Question) -> Version | None:
        """Return a training; None where it was not done."""
        ...

    def write(self, question: Question, version: Version) -> None:
        """Keep a training."""
        ...


@dataclass
class Trainer:
    """Trainer as of a window's end, on the labels that are known then.

    Attributes
    ----------
    history
        What is learned from.
    spec
        Candidates, metric and seed.
    chosen
        Names of the candidates that earlier trainings chose, by their window: a plain schedule fits the newest known by then. By
        default the first candidate.
    kept
        Where trainings are kept; None keeps them in memory alone.
    allow
        Called before each training that is not kept: raises `BudgetSpentError` where it may not be done.
    threads
        Threads of each fit.
    n_trained, n_read
        Trainings that were done, and that were kept from before.
    """

    history: History
    spec: ModelSpec
    chosen: Mapping[int, str] = field(default_factory=dict)
    kept: Kept | None = None
    allow: Callable[[], None] | None = None
    threads: int = 1
    n_trained: int = 0
    n_read: int = 0
    _sets: OrderedDict[tuple[int, int, frozenset[int]], TrainingSet | None] = field(
        default_factory=OrderedDict
    )
    _known: dict[Question, Version | None] = field(default_factory=dict)

    def train(self, question: Question) -> Version | None:
        """Train as the model stage does, or as a plain schedule; None where the known labels do not suffice."""
        if question.is_plain and question.candidate is None:
            question = replace(question, candidate=self._chosen_by(question.window))
        if question not in self._known:
            self._known[question] = self._found(question)
        return self._known[question]

    def _found(self, question: Question) -> Version | None:
        version = self.kept.read(question) if self.kept is not None else None
        if version is not None:
            self.n_read += 1
            return version
        if self.allow is not None:
            self.allow()
        started = time.process_time()
        version = self._fit(question) if question.is_plain else self._train(question)
        if version is None:
            return None
        self.n_trained += 1
        version = replace(version, cpu_s=time.process_time() - started)
        if self.kept is not None:
            self.kept.write(question, version)
        return version

    def _chosen_by(self, window: int) -> str:
        """Return the candidate that the newest training as of a window or before chose."""
        windows = [since for since in self.chosen if since <= window]
        return self.chosen[max(windows)] if windows else self.spec.competitors[0].label

    def _named(self, name: str | None) -> CandidateSpec:
        return next(candidate for candidate in (*self.spec.competitors, NAIVE) if candidate.label == name)

    def _first(self, question: Question) -> int:
        return 0 if question.span is None else max(0, question.window + 1 - question.span)

    def _fit(self, question: Question) -> Version | None:
        data = self._data(question)
        if data is None:
            return None
        candidate = self._named(question.candidate)
        rows = data.read_for(candidate).fit_rows()
        model = fit(candidate, rows, data.classes, self.spec.seed, self.threads)
        return self._version(question, model)

    def _train(self, question: Question) -> Version | None:
        data = self._data(question)
        if data is None:
            return None
        try:
            training = train_model(
                data,
                self.spec.model_copy(update={"adapt_window": question.is_adaptive}),
                champion_knows_until_us=question.champion_knows_until_us,
                loss_since_us=question.loss_since_us,
                threads=self.threads,
            )
        except LabelsNeededError:
            return None
        return self._version(question, training.model, training, data)

    def _version(
        self,
        question: Question,
        model: FittedModel,
        training: Training | None = None,
        data: TrainingSet | None = None,
    ) -> Version:
        return Version(
            question.window,
            model,
            self.history.end_us(question.window),
            self._first(question),
            question.left_out,
            training.span.since_us if training else None,
            _judgement(self.history, data, training, question.window) if training and data else None,
        )

    def _data(self, question: Question) -> TrainingSet | None:
        key = (question.window, self._first(question), question.left_out)
        if key not in self._sets:
            if len(self._sets) >= MAX_SETS:
                self._sets.popitem(last=False)
            try:
                self._sets[key] = read_training_set(
                    labelled_until(self.history, *key),
                    self.history.problem,
                    timezone=self.history.timezone,
                    folder=self.history.folder,
                    difference=self.history.difference,
                )
            except LabelsNeededError:
                self._sets[key] = None
        return self._sets[key]


def _judgement(history: History, data: TrainingSet, training: Training, window: int) -> Judgement:
    rows = holdout_table(data, training)
    names = pa.array(history.names)
    source = data.rows[SOURCE_PARTITION].take(training.judged)
    windows = pc.index_in(source, value_set=names).to_numpy()
    places = np.empty(windows.size, dtype=np.int64)
    for number in np.unique(windows):
        is_here = windows == number
        here = rows["row_id"].filter(pa.array(is_here))
        ids = history.windows[number]["row_id"].combine_chunks()
        places[is_here] = pc.index_in(here, value_set=ids).to_numpy()
    for name, column in (
        ("label_time", data.rows["label_time"].take(training.judged)),
        ("window", pa.array(windows.astype(np.int64))),
        ("place", pa.array(places)),
        *naive_columns(history, data, training, window).items(),
    ):
        rows = rows.append_column(name, column)
    return Judgement(rows, training.metric, training.holdout_metric, training.importances)
