"""Every policy on one draw of a stream; the unit of work of a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.policy.life import Life, live, trainer_of
from benchmarks.policy.ours import ours
from benchmarks.policy.policies import (
    AdwinOnErrors,
    OnDrift,
    evidently_default,
    p_and_effect,
    raw_ks,
)
from benchmarks.policy.streams import draw_stream
from benchmarks.policy.streams.stream import Stream
from declaration.drift import RetrainSpec
from drift.backtesting.course import Policy
from drift.backtesting.plain import EveryWindow, Never, evenly
from drift.backtesting.trainer import Trainer

PHASES = (0.25, 0.5, 0.75)
"""Places in its step at which a plain schedule starts; its figures are the mean, so that no draw is lucky."""

NEWEST = 8
"""Windows that the sliding window of a setting, and of the plain schedule, has."""


@dataclass(frozen=True)
class Setting:
    """Settings of the declaration that ours lives under; all else is the default."""

    span: int | None
    retrain: RetrainSpec


SETTINGS: Mapping[str, Setting] = {
    "defaults": Setting(None, RetrainSpec()),
    f"window of {NEWEST}": Setting(NEWEST, RetrainSpec()),
    "max_age 10": Setting(None, RetrainSpec(max_age=10)),
}
"""`retrain.max_age` is 3 by default."""

SPANS: Mapping[str, int | None] = {"all rows": None, f"newest {NEWEST}": NEWEST}
"""Spans that plain schedules learn from."""

NEVER = "never"

RULES: Mapping[str, Callable[[], Policy]] = {
    "raw KS": lambda: OnDrift(raw_ks),
    "Evidently's rule": lambda: OnDrift(evidently_default),
    "p and effect": lambda: OnDrift(p_and_effect),
    "ADWIN on errors": AdwinOnErrors,
}
"""Rules of others."""

SPEAKING = frozenset({*SETTINGS, *RULES})
"""Policies that may hold something to have changed."""

COMPARED = ("stationary", "autocorrelated .9", "virtual", "covariate", "abrupt", "gradual", "labels 1 late")
"""Streams on which the rules of others are lived under too."""


@dataclass(frozen=True)
class Done:
    """Lives of one draw.

    Attributes
    ----------
    stream, seed
        What was lived through.
    lives
        By policy; none of a real stream that is not here.
    onsets
        Live windows in which something changes.
    last_value
        Quality of saying the last known value, by live window; empty where there is none.
    is_fresh
        No rule was chosen by this stream.
    cpu_s
        CPU seconds.
    """

    stream: str
    seed: int
    lives: tuple[Life, ...] = ()
    onsets: tuple[int, ...] = ()
    last_value: tuple[float, ...] = ()
    is_fresh: bool = False
    cpu_s: float = 0.0


def schedule_name(setting: str, span: str) -> str:
    """Name a plain schedule of as many trainings as a setting had."""
    return f"as many as {setting}, {span}"


def every_batch_name(span: str) -> str:
    """Name the policy that trains with every window."""
    return f"every batch, {span}"


def lives_of(name: str, seed: int, settings: tuple[str, ...] = tuple(SETTINGS)) -> Done:
    """Live through one draw of a stream under the settings, and under the plain policies.

    Parameters
    ----------
    name, seed
        Stream and draw; nothing comes of a real one that is not here.
    settings
        Those of ours that are lived under.
    """
    started = time.process_time()
    stream = draw_stream(name, seed)
    if stream is None:
        return Done(name, seed)
    trainer = trainer_of(stream)
    lives = []
    for setting in settings:
        spec = SETTINGS[setting]
        life = live(setting, stream, ours(stream, spec.retrain, spec.span), trainer)
        lives += [life, *_scheduled(stream, trainer, setting, len(life.trainings))]
    plain: Mapping[str, Policy] = {
        every_batch_name(span): EveryWindow(stream.reach(windows)) for span, windows in SPANS.items()
    }
    rules = {label: rule() for label, rule in RULES.items()} if name in COMPARED else {}
    for label, policy in {NEVER: Never(), **plain, **rules}.items():
        lives.append(live(label, stream, policy, trainer))
    return Done(
        name,
        seed,
        tuple(lives),
        tuple(onset - stream.n_history for onset in stream.onsets),
        tuple(_last_value(stream, window) for window in stream.live) if stream.last_value else (),
        stream.is_fresh,
        time.process_time() - started,
    )


def _scheduled(stream: Stream, trainer: Trainer, setting: str, n_trainings: int) -> list[Life]:
    return [
        live(
            schedule_name(setting, span),
            stream,
            evenly(stream.live, n_trainings, phase, stream.reach(windows)),
            trainer,
        )
        for span, windows in SPANS.items()
        for phase in PHASES
    ]


def _last_value(stream: Stream, window: int) -> float:
    predicted = stream.windows[window][stream.last_value].to_numpy()
    return 1 - float(np.sqrt(np.mean((predicted - stream.truth(window)) ** 2))) / stream.spread
