"""Course of a history under one policy: predict, learn what became known, decide, perhaps train, perhaps promote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from declaration.drift import DriftSpec, RetrainSpec
from declaration.errors import DriftlineError
from declaration.model import GateSpec
from drift.backtesting.gate import judge
from drift.backtesting.history import History, known_rows
from drift.backtesting.recalibration import fit_calibration
from drift.backtesting.trainer import Question, Trainer
from drift.backtesting.versions import Version
from drift.examination import surely_lost
from drift.performance.realised import ScoredRows
from drift.retraining import former
from drift.retraining.probation import Probation, judge_probation, paired
from learning.metrics import Floats, Scored
from learning.score_columns import scores_from
from learning.training_rows import label_indices, microseconds

Way = Literal["judged", "plain", "recalibrated"]
"""How a policy trains: a challenger that the gate judges; a fit that serves; or only the scores' scale is fitted anew."""

RECALIBRATED = 8
"""Newest windows whose labels recalibrate a model."""


class BacktestError(DriftlineError):
    """A history cannot be lived through."""


@dataclass(frozen=True)
class Look:
    """State of a course at a window's end.

    Attributes
    ----------
    history, window
        Where we are.
    champion, number
        The model that scored the window, and its number.
    served, numbers
        Which version scored each window so far; nothing before the first live one.
    last_training
        Window of the last training, successful or not.
    trainings, loss_trainings
        Windows of all trainings, and of those that a loss asked for.
    faults
        What is broken in the window's data.
    probation
        How the champion does beside its predecessor; None where no probation runs.
    """

    history: History
    window: int
    champion: Version
    number: int
    served: Sequence[Version]
    numbers: Sequence[int]
    last_training: int
    trainings: Sequence[int]
    loss_trainings: Sequence[int]
    faults: tuple[str, ...] = ()
    probation: Probation | None = None


@dataclass(frozen=True)
class Answer:
    """Answer of a policy to a window.

    Attributes
    ----------
    is_requested
        Train.
    is_alarm
        It holds the data or the model to have changed: the dataset-level alarm.
    any_column
        At least one column was called drifted.
    loss_since
        Window from which on a confirmed loss asks; None where it does not.
    why
        In a word or two.
    """

    is_requested: bool
    is_alarm: bool = False
    any_column: bool = False
    loss_since: int | None = None
    why: str = ""

    @property
    def is_broken(self) -> bool:
        """True where the window's data is broken, and never learned from."""
        return self.why == "broken_data"


@dataclass(frozen=True)
class Rules:
    """Rules by which challengers are judged and new champions watched.

    Attributes
    ----------
    gate, drift, seed
        Of the declaration's `model` and `drift` blocks.
    probation
        Windows of a new champion on which its predecessor is looked at.
    is_adaptive
        A newer part of the rows may be learned from alone.
    """

    gate: GateSpec = field(default_factory=GateSpec)
    drift: DriftSpec = field(default_factory=DriftSpec)
    probation: int = RetrainSpec().probation
    is_adaptive: bool = True
    seed: int = 0


class Policy(Protocol):
    """Policy that decides at every window's end; it may remember."""

    @property
    def way(self) -> Way:
        """Way in which it trains."""
        ...

    @property
    def span(self) -> int | None:
        """Windows that a training learns from; None for all."""
        ...

    @property
    def rules(self) -> Rules:
        """Rules by which its challengers are judged, where it trains them so."""
        ...

    def look(self, look: Look) -> Answer:
        """Answer from the state at a window's end."""
        ...


@dataclass(frozen=True)
class Change:
    """A change of the serving model as of a window's end."""

    window: int
    after: Version
    before: Version


@dataclass
class Course:
    """Course of a history under a policy, as far as it has come.

    Attributes
    ----------
    champion, number
        What serves, and its number.
    first
        What served at first.
    last_training
        Window of the last training, successful or not.
    served, numbers, answers
        By live window.
    versions, ledger
        Every version that served, by its number; changes of the serving one, with the window as of whose end each was made.
    trained, trainings, loss_trainings
        What came of each training; windows of all, and of those that a loss asked for.
    changes, rollbacks
        What was promoted; windows after which the champion before served again.
    """

    champion: Version
    first: Version
    number: int = 1
    n_versions: int = 1
    last_training: int = 0
    previous: tuple[Version, int] | None = None
    versions: dict[int, Version] = field(default_factory=dict)
    ledger: list[tuple[int, former.Change]] = field(default_factory=list)
    served: list[Version] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    trained: list[Version] = field(default_factory=list)
    trainings: list[int] = field(default_factory=list)
    loss_trainings: list[int] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    rollbacks: list[int] = field(default_factory=list)
    broken: frozenset[int] = frozenset()

    def roll_back(self, window: int, number: int) -> None:
        """Let an earlier champion serve again."""
        self.rollbacks.append(window)
        self.ledger.append((window, former.Change(self.number, number, "rollback")))
        self.champion, self.number, self.previous = self.versions[number], number, None

    def promote(self, window: int, challenger: Version, *, is_watched: bool, is_loss: bool) -> None:
        """Let a challenger serve; one that is watched may be sent back."""
        self.changes.append(Change(window, challenger, self.champion))
        self.previous = (self.champion, self.number) if is_watched else None
        if is_watched:
            cause: former.Cause = "loss" if is_loss else "training"
            self.ledger.append((window, former.Change(self.number, self.n_versions, cause)))
            self.versions[self.n_versions] = challenger
        self.champion, self.number = challenger, self.n_versions


def live(
    history: History, policy: Policy, trainer: Trainer, *, seen: Callable[[int], None] | None = None
) -> Course:
    """Live through a history.

    Parameters
    ----------
    history, policy, trainer
        What happens, who decides, who trains.
    seen
        Called with the number of each window before it is lived through.

    Raises
    ------
    BacktestError
        If what comes before the live windows does not suffice for a first model.
    BudgetSpentError
        If a training is asked for that the trainer may not do.
    """
    first = trainer.train(first_question(history, policy))
    if first is None:
        raise BacktestError(
            f"the labels known at the end of window {history.names[history.n_history - 1]} do not suffice for a first model."
        )
    course = Course(first, first, last_training=first.window, versions={1: first}, broken=first.left_out)
    for window in history.live:
        if seen is not None:
            seen(window)
        course.served.append(course.champion)
        course.numbers.append(course.number)
        look = _look(history, window, policy, course)
        answer = policy.look(look)
        course.answers.append(answer)
        course.broken |= {window} if answer.is_broken else set()
        if look.probation is not None and look.probation.is_failed:
            course.roll_back(window, look.probation.previous)
        elif answer.is_requested and policy.way == "recalibrated":
            _recalibrate(history, window, course)
        elif answer.is_requested:
            _train(history, window, policy, trainer, course, answer.loss_since)
    return course


def first_question(history: History, policy: Policy) -> Question:
    """Ask for the first model of a policy: the product's training, broken windows left out."""
    broken = frozenset(window for window in history.faults if window < history.n_history)
    return Question(history.n_history - 1, policy.span, broken, is_adaptive=policy.rules.is_adaptive)


def _look(history: History, window: int, policy: Policy, course: Course) -> Look:
    faults = history.faults.get(window, ()) if policy.way == "judged" else ()
    return Look(
        history,
        window,
        course.champion,
        course.number,
        course.served,
        course.numbers,
        course.last_training,
        course.trainings,
        course.loss_trainings,
        faults,
        None if faults else _probation(history, window, policy, course),
    )


def _probation(history: History, window: int, policy: Policy, course: Course) -> Probation | None:
    """Compare the champion with its predecessor in its first windows, and with the model that a loss replaced."""
    probation, rules = None, policy.rules
    if not rules.probation:
        return None
    if course.previous is not None:
        served = served_windows(history, course.champion.window, window, rules.probation)
        before, number = course.previous
        probation = probation_of(history, course.champion, before, served, window, rules, number=number)
    version = former.former_champion(change for _, change in course.ledger)
    if version is None or (probation is not None and (probation.is_failed or probation.is_beaten)):
        return probation
    since = range(course.ledger[-1][0] + 1, window + 1)
    watched = probation_of(
        history,
        course.champion,
        course.versions[version],
        since,
        window,
        rules,
        number=version,
        n_looks=former.N_LOOKS,
        since_us=history.starts_us[window],
    )
    return watched if watched is not None and watched.is_failed else probation


def _train(
    history: History,
    window: int,
    policy: Policy,
    trainer: Trainer,
    course: Course,
    loss_since: int | None,
) -> None:
    """Train, and let the challenger serve where it may."""
    is_judged, is_loss = policy.way == "judged", loss_since is not None
    question = Question(window, policy.span, course.broken, is_plain=not is_judged)
    if is_judged:
        question = replace(
            question,
            champion_knows_until_us=course.champion.knows_until_us,
            loss_since_us=None if loss_since is None else history.starts_us[loss_since],
            is_adaptive=policy.rules.is_adaptive,
        )
    challenger = trainer.train(question)
    if challenger is None:
        return
    course.trained.append(challenger)
    course.trainings.append(window)
    if is_loss:
        course.loss_trainings.append(window)
    course.last_training = window
    course.n_versions += 1
    rules = policy.rules
    if (
        not is_judged
        or judge(
            history, challenger, course.champion, rules.gate, is_loss_confirmed=is_loss, seed=rules.seed
        ).is_promoted
    ):
        # Plain schedules let serve what they train: nobody is on probation.
        course.promote(window, challenger, is_watched=is_judged, is_loss=is_loss)


def _recalibrate(history: History, window: int, course: Course) -> None:
    """Fit the first model's scores to the newest labels."""
    raw, windows = course.first, range(max(course.first.window + 1, window + 1 - RECALIBRATED), window + 1)
    labelled = [_known_of(history, raw, number, window) for number in windows]
    scored = Scored(
        np.concatenate([part.labels for part in labelled]), np.concatenate([part.scores for part in labelled])
    )
    calibration = fit_calibration(history.problem, scored)
    if calibration is not None:
        course.champion = replace(raw, calibration=calibration, _said={})


def _known_of(
    history: History, version: Version, window: int, until: int, since_us: int | None = None
) -> Scored:
    """Return a window's labels that have become known by a later one's end, with a version's scores."""
    rows = history.windows[window]
    numbered = rows.append_column("place", pa.array(range(rows.num_rows)))
    labelled = known_rows(numbered, until_us=history.end_us(until), since_us=since_us)
    labels = label_indices(labelled["label"], history.problem, version.model.classes)
    return Scored(labels, version.score_window(history, window)[labelled["place"].to_numpy()])


def served_windows(history: History, promoted: int, now: int, probation: int) -> Sequence[int]:
    """List the first windows that a champion served; none where no label of theirs is new."""
    windows = range(promoted + 1, min(now, promoted + probation) + 1)
    end, start = history.end_us(now), history.starts_us[now]
    fresh = (known_rows(history.windows[window], until_us=end, since_us=start).num_rows for window in windows)
    return windows if sum(fresh) else ()


def probation_of(
    history: History,
    champion: Version,
    previous: Version,
    windows: Sequence[int],
    now: int,
    rules: Rules,
    *,
    number: int = 1,
    n_looks: int | None = None,
    since_us: int | None = None,
) -> Probation | None:
    """Judge as the drift report does, on the labels of some windows that are known now; None where none is.

    Parameters
    ----------
    history, champion, previous
        Who serves, and whom it is compared with.
    windows, now
        What the champion has served, and the window whose end has come.
    rules
        Of the declaration.
    number
        The other's version.
    n_looks
        Windows that share the level; by default those of the probation.
    since_us
        Instant from which labels have become known; None for all.
    """
    parts = [
        known_rows(history.windows[window], until_us=history.end_us(now), since_us=since_us)
        for window in windows
    ]
    if not sum(part.num_rows for part in parts):
        return None
    rows = pa.concat_tables(parts)
    scores = [
        [_known_of(history, version, window, now, since_us).scores for window in windows]
        for version in (champion, previous)
    ]
    now_scores, before_scores = (np.concatenate(parts) for parts in scores)
    pair = paired(
        rows,
        history.problem,
        (now_scores, champion.model.classes),
        (before_scores, previous.model.classes),
    )
    return judge_probation(
        pair,
        version=number + 1,
        previous=number,
        problem=history.problem,
        alpha=rules.gate.alpha,
        n_looks=n_looks or rules.probation,
        seed=rules.seed,
        previous_loss=_loss_of(history, previous, rows, before_scores, rules),
    )


def _loss_of(history: History, version: Version, rows: pa.Table, scores: Floats, rules: Rules) -> str:
    """Describe a version's sure loss against its own judged rows."""
    problem, classes, judged = history.problem, version.model.classes, version.judged.rows
    instants = microseconds(rows["event_timestamp"])
    now = ScoredRows(Scored(label_indices(rows["label"], problem, classes), scores), instants)
    before = ScoredRows(
        Scored(label_indices(judged["label"], problem, classes), scores_from(judged, problem, len(classes))),
        microseconds(judged["event_timestamp"]),
    )
    return surely_lost(problem, version.judged.metric, before, now, drift=rules.drift, seed=rules.seed)
