"""Grid of policies that a history is lived through under: as declared, a few other settings, and plain schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from declaration.drift import DriftSpec, RetrainSpec, RetrainTrigger
from declaration.model import ModelSpec
from drift.backtesting.course import Policy, Rules
from drift.backtesting.declared import Declared
from drift.backtesting.history import History
from drift.backtesting.plain import EveryWindow, Never, Schedule, evenly, every

Kind = Literal["declared", "setting", "plain"]
"""The declaration as it is; another setting of it; what no declaration says."""

NEWEST = 8
"""Windows with labels that a sliding training window has."""

AGES = (3, 10)
"""Ages after which a schedule asks, beside asking in each window."""

DROPS = (0.02, 0.1)
"""Losses of the metric that are accepted."""

PHASE = 0.5
"""Where in its step an even schedule trains."""

AS_DECLARED = "as declared"

Changes = Mapping[tuple[str, ...], object]
"""Values by the path of their key in the declaration; None takes a key away."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a declaration that a policy is made of."""

    model: ModelSpec
    drift: DriftSpec
    retrain: RetrainSpec

    def changed(self, changes: Changes) -> Blocks:
        """Return the blocks with other values."""
        plain = {name: getattr(self, name).model_dump() for name in ("model", "drift", "retrain")}
        for path, value in changes.items():
            place = plain
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
        return Blocks(
            ModelSpec.model_validate(plain["model"]),
            DriftSpec.model_validate(plain["drift"]),
            RetrainSpec.model_validate(plain["retrain"]),
        )


@dataclass(frozen=True)
class Line:
    """One policy of the grid.

    Attributes
    ----------
    name, kind
        For the tables.
    make
        Makes the policy, which remembers, anew.
    changes
        What a setting changes of the declaration.
    """

    name: str
    kind: Kind
    make: Callable[[], Policy]
    changes: Changes = field(default_factory=dict)


def declared_line(blocks: Blocks, lookback: int) -> Line:
    """Return the policy as it is declared."""
    return _setting(AS_DECLARED, "declared", blocks, {}, lookback)


def setting_lines(blocks: Blocks, *, lookback: int, delay: int) -> Iterator[Line]:
    """Yield the other settings that are tried, none that equals the declared one.

    Parameters
    ----------
    blocks
        As declared.
    lookback
        Earlier windows whose labels may arrive in a window.
    delay
        Windows that labels are late: a sliding window reaches back as much further.
    """
    model, retrain, reach = blocks.model, blocks.retrain, NEWEST + delay
    tried: list[Changes] = [_aged(retrain, age) for age in AGES if age != retrain.max_age]
    window = None if model.train_window is not None else reach
    tried.append({("model", "train_window"): window})
    tried.append({("model", "adapt_window"): not model.adapt_window})
    other = "promote" if model.gate.inconclusive == "keep" else "keep"
    tried.append({("model", "gate", "inconclusive"): other})
    tried += [
        {("drift", "max_performance_drop"): drop}
        for drop in DROPS
        if drop != blocks.drift.max_performance_drop
    ]
    # What costs most comes last: a training in each window, and all columns judged of each.
    if retrain.max_age != 1:
        tried.append(_aged(retrain, 1))
    tried.append({("retrain", "on"): _with_or_without_drift(retrain)})
    for changes in tried:
        yield _setting(_named(changes), "setting", blocks, changes, lookback)


def _aged(retrain: RetrainSpec, age: int) -> Changes:
    """Ask at an age; a cooldown that would hold it back until later gives way."""
    waits: Changes = {("retrain", "cooldown"): age - 1} if retrain.cooldown >= age else {}
    return {("retrain", "max_age"): age, **waits}


def _with_or_without_drift(retrain: RetrainSpec) -> tuple[RetrainTrigger, ...]:
    """Let drift ask for trainings where it does not, or not any more where it does; somebody must ask."""
    if "drift" not in retrain.on:
        return (*retrain.on, "drift")
    return tuple(cause for cause in retrain.on if cause != "drift") or RetrainSpec().on


def plain_lines(
    history: History, blocks: Blocks, *, n_trainings: int, step: int, delay: int
) -> Iterator[Line]:
    """Yield the plain schedules.

    Parameters
    ----------
    history, blocks
        What is lived through, and what is declared: the first model is that of the declaration.
    n_trainings
        As many as the declaration's policy had.
    step
        Windows between trainings of a schedule.
    delay
        Windows that labels are late.
    """
    live, newest = history.live, NEWEST + delay
    rules = Rules(is_adaptive=blocks.model.adapt_window)
    yield Line("never", "plain", lambda: Never(rules=rules))
    yield Line("recalibrate only", "plain", lambda: EveryWindow(way="recalibrated", rules=rules))
    steps: Mapping[str, Callable[[int | None], Schedule]] = {
        "as many trainings, evenly": lambda span: evenly(live, n_trainings, PHASE, span),
        "every window" if step == 1 else f"every {step} windows": lambda span: every(live, step, span),
    }
    for words, schedule in steps.items():
        for name, span in (("all rows", None), (f"newest {newest}", newest)):
            yield Line(
                f"{words}, {name}",
                "plain",
                lambda schedule=schedule, span=span: replace(schedule(span), rules=rules),  # type: ignore[misc]
            )


def _setting(name: str, kind: Kind, blocks: Blocks, changes: Changes, lookback: int) -> Line:
    changed = blocks.changed(changes)

    def make() -> Policy:
        return Declared(
            changed.model,
            changed.retrain,
            changed.drift,
            watches="drift" in changed.retrain.on,
            lookback=lookback,
        )

    return Line(name, kind, make, changes)


def _named(changes: Changes) -> str:
    return ", ".join(
        f"{'.'.join(path)}: {_written(value)}" if value is not None else f"no {'.'.join(path)}"
        for path, value in changes.items()
    )


def _written(value: object) -> str:
    """Write a value as a declaration has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
