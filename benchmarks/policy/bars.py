"""The bars: what must hold, what was found, and by how much it is missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from benchmarks.policy.bad_challenger import BadChallengers
from benchmarks.policy.changes import WITHIN, Change
from benchmarks.policy.figures import Row, quality_by_window
from benchmarks.policy.life import Life
from benchmarks.policy.lives import SETTINGS, SPANS, Done, every_batch_name, schedule_name
from benchmarks.policy.power import BAR, Detection

Rows = Mapping[str, Mapping[str, Row]]
"""By stream and policy."""

MAX_FALSE_ALARMS = {"stationary": 0.01, "autocorrelated .9": 0.05, "autocorrelated .95": 0.05}
MOST_BEHIND, LEAST_MEAN = 0.005, 0.025
"""Against the better of the two plain schedules, on any stream and on average."""

PRIOR_STREAMS = ("class prior", "class prior and back")
LEAST_ANSWERED = 0.95
MOST_WORSE_THAN_LAST = 2
"""Windows in a row: the one whose labels show it, and one more."""


@dataclass(frozen=True)
class Bar:
    """One requirement.

    Attributes
    ----------
    name, policy
        What is asked, of whom.
    is_met
        Whether it holds.
    found
        The figure, and what it is held against.
    """

    name: str
    policy: str
    is_met: bool
    found: str

    @property
    def line(self) -> str:
        """Write the bar as a line of a list."""
        return f"- {'PASS' if self.is_met else 'FAIL'}: {self.name} [{self.policy}]: {self.found}"


@dataclass(frozen=True)
class Gap:
    """Points of a setting over the better schedule on one stream.

    Attributes
    ----------
    stream, setting
        Where, and under which settings.
    mean, error
        Mean, and its standard error by windows, as a share: .01 is one point.
    n_draws
        Draws.
    """

    stream: str
    setting: str
    mean: float
    error: float
    n_draws: int

    @property
    def text(self) -> str:
        """Write it in points."""
        return f"{self.mean * 100:+.2f} ± {self.error * 100:.2f}"


def judge_bars(
    rows: Rows,
    done: Sequence[Done],
    power: Sequence[Detection],
    challengers: Sequence[BadChallengers],
    changes: Sequence[Change],
) -> tuple[Bar, ...]:
    """Hold the figures against the bars."""
    gaps = gaps_of(done)
    return (
        *(bar for setting in SETTINGS for bar in _against_schedules(gaps, setting)),
        *(bar for setting in SETTINGS for bar in _prior(rows, setting)),
        *_poisoned(challengers),
        *_answered(changes),
        *(bar for stream in MAX_FALSE_ALARMS for bar in _false_alarms(rows, stream)),
        *(bar for setting in SETTINGS for bar in _last_value(done, setting)),
        *_broken_sensor(done),
        *map(_seen, power),
    )


def gaps_of(done: Sequence[Done]) -> tuple[Gap, ...]:
    """Return by how much each setting lies before the better of the two schedules of as many trainings."""
    lives = [life for draw in done for life in draw.lives]
    gaps = []
    for stream in dict.fromkeys(life.stream for life in lives):
        for setting in SETTINGS:
            of = {
                policy: quality_by_window(
                    [life for life in lives if (life.stream, life.policy) == (stream, policy)]
                )
                for policy in (setting, *(schedule_name(setting, span) for span in SPANS))
            }
            ours, *schedules = of.values()
            if not ours:
                continue
            # The better one over all draws: the better of each draw would be chosen by luck.
            better = max(schedules, key=lambda of: np.mean(np.concatenate(list(of.values()))))
            differences = np.concatenate([ours[seed] - better[seed] for seed in ours])
            error = float(np.std(differences, ddof=1) / np.sqrt(differences.size))
            gaps.append(Gap(stream, setting, float(np.mean(differences)), error, len(ours)))
    return tuple(gaps)


def _against_schedules(gaps: Sequence[Gap], setting: str) -> list[Bar]:
    of = [gap for gap in gaps if gap.setting == setting]
    if not of:
        return []
    behind = [gap for gap in of if gap.mean < -MOST_BEHIND]
    worst = min(of, key=lambda gap: gap.mean)
    shown = behind or [worst]
    named = ", ".join(f"{gap.stream} {gap.text}" for gap in shown)
    mean = float(np.mean([gap.mean for gap in of]))
    median = float(np.median([gap.mean for gap in of]))
    return [
        Bar(
            f"no stream behind the better schedule by more than {MOST_BEHIND * 100:g} points",
            setting,
            not behind,
            f"{len(of) - len(behind)} of {len(of)}; {named}",
        ),
        Bar(
            f"at least {LEAST_MEAN * 100:g} points before the better schedule on average",
            setting,
            mean >= LEAST_MEAN,
            f"{mean * 100:+.2f} over {len(of)} streams, median {median * 100:+.2f}",
        ),
    ]


def _prior(rows: Rows, setting: str) -> list[Bar]:
    bars = []
    for stream in PRIOR_STREAMS:
        if stream not in rows or setting not in rows[stream]:
            continue
        best = max(rows[stream][every_batch_name(span)].quality for span in SPANS)
        gap = rows[stream][setting].quality - best
        text = f"{gap * 100:+.2f} points (at least {-MOST_BEHIND * 100:+.1f})"
        bars.append(Bar(f"{stream}: beside the better every batch", setting, gap >= -MOST_BEHIND, text))
    return bars


def _poisoned(challengers: Sequence[BadChallengers]) -> list[Bar]:
    if not challengers:
        return []
    on_schedule = [outcome for outcome in challengers if not outcome.is_loss_confirmed]
    n, n_served = sum(outcome.n for outcome in on_schedule), sum(outcome.n_served for outcome in on_schedule)
    after_loss = [outcome for outcome in challengers if outcome.is_loss_confirmed]
    stayed = [promotion for outcome in after_loss for promotion in outcome.promoted]
    text = (
        f"{n_served} of {n} serve; after a falsely confirmed loss {sum(outcome.n_served for outcome in after_loss)} of "
        f"{sum(outcome.n for outcome in after_loss)}, {len(stayed)} of them stay and {sum(promotion.loses for promotion in stayed)} surely lose"
    )
    return [Bar("no challenger from coin labels serves on schedule", "gate", n_served == 0, text)]


def _answered(changes: Sequence[Change]) -> list[Bar]:
    if not changes:
        return []
    share = float(np.mean([change.is_answered for change in changes]))
    ordered = sorted(changes, key=lambda change: change.n_rows)
    by_size = ", ".join(
        f"{size} rows {sum(change.is_answered for change in of)} of {len(of)}"
        for size, of in (
            (size, list(group)) for size, group in groupby(ordered, key=lambda change: change.n_rows)
        )
    )
    text = (
        f"{share:.0%} of {len(changes)} (at least {LEAST_ANSWERED:.0%}): {by_size}; a new model serves by then in "
        f"{np.mean([change.is_promoted for change in changes]):.0%}; {sum(change.n_early for change in changes)} asked before any change"
    )
    return [
        Bar(
            f"a loss asks for a training within {WITHIN} windows of labels",
            "defaults",
            share >= LEAST_ANSWERED,
            text,
        )
    ]


def _false_alarms(rows: Rows, stream: str) -> list[Bar]:
    settings = [rows[stream][setting] for setting in SETTINGS if setting in rows.get(stream, {})]
    if not settings:
        return []
    n = sum(row.n_calm for row in settings)
    share = sum((row.false_alarms or 0.0) * row.n_calm for row in settings) / n
    columns = sum((row.false_columns or 0.0) * row.n_calm for row in settings) / n
    most = MAX_FALSE_ALARMS[stream]
    text = f"{share:.2%} of {n} windows (at most {most:.0%}); any column drifted in {columns:.2%}"
    return [Bar(f"{stream}: dataset-level false alarms", "all settings", share <= most, text)]


def _last_value(done: Sequence[Done], setting: str) -> list[Bar]:
    of = [(draw, life) for draw in done if draw.last_value for life in draw.lives if life.policy == setting]
    if not of:
        return []
    longest = max(_longest_run(life, draw.last_value) for draw, life in of)
    worse = sum(
        mine < last for draw, life in of for mine, last in zip(life.quality, draw.last_value, strict=True)
    )
    text = (
        f"{longest} windows in a row at most (at most {MOST_WORSE_THAN_LAST}), {worse} of "
        f"{sum(len(life.quality) for _, life in of)} in all"
    )
    name = "season a day ahead: not served worse than the last value for long"
    return [Bar(name, setting, longest <= MOST_WORSE_THAN_LAST, text)]


def _longest_run(life: Life, last_value: Sequence[float]) -> int:
    """Count the windows in a row in which the last value would have done better."""
    is_worse = [mine < last for mine, last in zip(life.quality, last_value, strict=True)]
    return max((len(list(run)) for worse, run in groupby(is_worse) if worse), default=0)


def _broken_sensor(done: Sequence[Done]) -> list[Bar]:
    windows = [
        life.answers[draw.onsets[0] + since]
        for draw in done
        if draw.stream == "broken sensor"
        for life in draw.lives
        if life.policy in SETTINGS
        for since in (0, 1)
    ]
    if not windows:
        return []
    n_blocked = sum(answer.is_broken and not answer.is_requested for answer in windows)
    # A training leaves out every window that was found to be broken: see `life`.
    text = f"{n_blocked} of {len(windows)} broken windows blocked and left out of later trainings"
    return [Bar("broken sensor: blocked, not learned", "all settings", n_blocked == len(windows), text)]


def _seen(detection: Detection) -> Bar:
    name = f"{detection.case} at n = 5,000, sensitivity {detection.sensitivity}, seen in its first window"
    return Bar(
        name,
        "decide_drift",
        detection.share >= BAR,
        f"{detection.share:.0%} of {detection.n} (at least {BAR:.0%})",
    )
