"""The bars: what must hold, what was found, and by how much it is missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.policy.bad_challenger import BadChallengers
from benchmarks.policy.figures import Row
from benchmarks.policy.life import Life
from benchmarks.policy.lives import DEFAULTS, MATCHED, MATCHED_DEFAULTS
from benchmarks.policy.power import BAR, Detection
from benchmarks.policy.streams import N_HISTORY, onset_of

Rows = Mapping[str, Mapping[str, Row]]
"""By stream and policy."""

MAX_FALSE_ALARMS = {"stationary": 0.01, "virtual": 0.01, "autocorrelated": 0.05}
LEAST_SHARE_OF_GAIN, MOST_SHARE_OF_TRAININGS = 0.95, 0.25
MOST_BEHIND_SCHEDULE = 0.005
LEARNED_FROM_POISON = 6
"""Windows after the poisoned one whose trainings still read it."""


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


def judge_bars(
    rows: Rows, lives: Sequence[Life], power: Sequence[Detection], challengers: Sequence[BadChallengers]
) -> tuple[Bar, ...]:
    """Hold the figures against the bars, for the declared policy and for the shipped defaults."""
    bars = [_seen(one) for one in power]
    for policy, schedule in (("ours", MATCHED), (DEFAULTS, MATCHED_DEFAULTS)):
        bars += _false_alarms(rows, policy)
        bars += _losing(rows, policy)
        bars += _abrupt(rows, policy)
        bars += _against_schedule(rows, policy, schedule)
        mine = [life for life in lives if life.policy == policy]
        bars += [*_broken_sensor(policy, mine), *_flipped_labels(policy, mine)]
    return (*bars, *map(_bad_challenger, challengers))


def _seen(one: Detection) -> Bar:
    name = f"{one.case} at n = 5,000, sensitivity {one.sensitivity}, seen in its first window"
    return Bar(name, "decide_drift", one.share >= BAR, f"{one.share:.0%} of {one.n} (at least {BAR:.0%})")


def _false_alarms(rows: Rows, policy: str) -> list[Bar]:
    bars = []
    for stream, most in MAX_FALSE_ALARMS.items():
        if stream not in rows:
            continue
        row = rows[stream][policy]
        share, columns = row.false_alarms or 0.0, row.false_columns or 0.0
        found = f"{share:.2%} of windows (at most {most:.0%}); any column drifted in {columns:.2%}"
        bars.append(Bar(f"{stream}: dataset-level false alarms", policy, share <= most, found))
    return bars


def _losing(rows: Rows, policy: str) -> list[Bar]:
    bars = []
    for stream in MAX_FALSE_ALARMS:
        if stream not in rows:
            continue
        row = rows[stream][policy]
        found = f"{row.losing} of {row.n_promotions} promotions lose by more than two standard errors"
        bars.append(Bar(f"{stream}: no promotion that loses", policy, row.losing == 0, found))
    return bars


def _abrupt(rows: Rows, policy: str) -> list[Bar]:
    if "abrupt" not in rows:
        return []
    of = rows["abrupt"]
    never, every, ours = (of[name] for name in ("never", "every batch", policy))
    share = (ours.accuracy - never.accuracy) / (every.accuracy - never.accuracy)
    trained = ours.trainings / every.trainings
    return [
        Bar(
            "abrupt: share of what every batch gains",
            policy,
            share >= LEAST_SHARE_OF_GAIN,
            f"{share:.1%} (at least {LEAST_SHARE_OF_GAIN:.0%})",
        ),
        Bar(
            "abrupt: share of every batch's trainings",
            policy,
            trained <= MOST_SHARE_OF_TRAININGS,
            f"{trained:.1%} (at most {MOST_SHARE_OF_TRAININGS:.0%})",
        ),
    ]


def _against_schedule(rows: Rows, policy: str, schedule: str) -> list[Bar]:
    gaps = {stream: of[policy].accuracy - of[schedule].accuracy for stream, of in rows.items()}
    bars = [
        Bar(
            f"{stream}: not behind the schedule at equal trainings",
            policy,
            gap >= -MOST_BEHIND_SCHEDULE,
            f"{gap * 100:+.2f} points (at least {-MOST_BEHIND_SCHEDULE * 100:+.1f})",
        )
        for stream, gap in gaps.items()
    ]
    mean = float(np.mean(list(gaps.values())))
    found = f"{mean * 100:+.2f} points over {len(gaps)} streams (more than 0)"
    return [*bars, Bar("better than the schedule on average", policy, mean > 0, found)]


def _broken_sensor(policy: str, lives: Sequence[Life]) -> list[Bar]:
    broken = [life for life in lives if life.stream == "broken sensor"]
    windows = [life.answers[onset_of(life.seed) - N_HISTORY + i] for life in broken for i in (0, 1)]
    if not windows:
        return []
    n_blocked = sum(answer.is_broken and not answer.is_requested for answer in windows)
    # A training leaves out every window that was found to be broken: see `life`.
    found = f"{n_blocked} of {len(windows)} broken windows blocked and left out of later trainings"
    return [Bar("broken sensor: blocked, not learned", policy, n_blocked == len(windows), found)]


def _flipped_labels(policy: str, lives: Sequence[Life]) -> list[Bar]:
    flipped = [life for life in lives if life.stream == "flipped labels"]
    if not flipped:
        return []
    after = [
        promotion
        for life in flipped
        for promotion in life.promotions
        if 0 <= promotion.window - onset_of(life.seed) < LEARNED_FROM_POISON
    ]
    losing = sum(promotion.loses for promotion in after)
    found = (
        f"{losing} of {len(after)} promotions that learned from flipped labels lose, in {len(flipped)} draws"
    )
    return [Bar("flipped labels: no bad challenger serves", policy, losing == 0, found)]


def _bad_challenger(one: BadChallengers) -> Bar:
    when = "a loss is confirmed" if one.is_loss_confirmed else "nothing is known to be wrong"
    losing = sum(promotion.loses for promotion in one.promoted)
    found = (
        f"{len(one.promoted)} of {one.n} promoted and not sent back in probation ({one.n_sent_back} were), {losing} of them surely lose "
        f"(of all {one.n} challengers {one.n_losing} do; mean gain {one.mean_gain * 100:+.2f} points)"
    )
    name = f"challengers from {one.poisoned_share:.0%} coin labels, when {when}: none that loses is promoted"
    return Bar(name, "gate", losing == 0, found)
