"""A comparison as a page: self-contained HTML with the curves, every text escaped, no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from charts import Columns, Course, Event, columns_of, page_style, timeline
from charts.colours import PALETTE
from charts.drawing import environment
from drift.backtesting.advice import Compared
from driftline.backtest.compare import Comparison
from driftline.backtest.wording import SCALE, caveats, headline, reasons, score_range, verdict
from learning.proper_score import SCORE_NAMES

WIDTH, NARROW_WIDTH, NARROW_WINDOWS = 1220, 354, 12
"""Widths of a picture in px, on a desk and on a telephone, and the newest windows that the latter shows."""

HEIGHTS = ("-0.000",)
"""Widest number beside an axis: room is left for it."""


def comparison_page(comparison: Comparison, diff: str) -> str:
    """Write what each policy would have given as one HTML file that needs no other."""
    templates = environment(Path(__file__).parent)
    drawn = _drawn(comparison)
    return templates.get_template("page.html.j2").render(
        style=page_style(),
        pipeline=comparison.pipeline,
        metric=comparison.metric,
        score=SCORE_NAMES[comparison.past.history.problem],
        headline=headline(comparison),
        is_recommended=comparison.advice.recommended is not None,
        reasons=list(reasons(comparison)),
        caveats=list(caveats(comparison)),
        reads=comparison.past.reads,
        diff=diff,
        rows=[_row(policy) for policy in comparison.advice.compared],
        pictures=[
            (
                Markup(_gains(comparison, drawn, is_narrow=is_narrow)),
                Markup(_metrics(comparison, drawn, is_narrow=is_narrow)),
            )
            for is_narrow in (False, True)
        ],
    )


def _drawn(comparison: Comparison) -> Sequence[Compared]:
    """Choose the policies that are drawn: what is declared, the best setting, and plain ones beside it."""
    compared = comparison.advice.compared
    settings = [
        policy for policy in compared if policy.line.kind == "setting" and verdict(policy) != "the same"
    ]
    plain = [policy for policy in compared if policy.line.kind == "plain"]
    best = comparison.advice.recommended or comparison.advice.ahead
    chosen = [compared[0], *([best] if best else [])]
    by_name = {policy.line.name: policy for policy in plain}
    others = [by_name[name] for name in ("never", "recalibrate only") if name in by_name]
    others += sorted(
        (policy for policy in plain if policy not in others), key=lambda policy: policy.outcome.mean_loss
    )
    others += sorted(
        (policy for policy in settings if policy is not best), key=lambda policy: policy.outcome.mean_loss
    )
    return [*chosen, *others][: len(PALETTE)]


def _columns(comparison: Comparison, *, is_narrow: bool) -> tuple[Columns, slice]:
    shown = slice(-NARROW_WINDOWS if is_narrow else None, None)
    names = comparison.live[shown]
    if is_narrow:
        return columns_of(names, HEIGHTS, width=NARROW_WIDTH), shown
    return columns_of(names, HEIGHTS, width=WIDTH), shown


def _gains(comparison: Comparison, drawn: Sequence[Compared], *, is_narrow: bool) -> str:
    """Draw how much each policy has gained over the declared one up to each window, a window on average."""
    columns, shown = _columns(comparison, is_narrow=is_narrow)
    base = comparison.declared.loss
    courses = []
    for policy in drawn:
        gains = base - policy.outcome.loss
        is_judged = np.isfinite(gains)
        totals = np.cumsum(np.where(is_judged, gains, 0.0)) / max(1, int(is_judged.sum()))
        courses.append(_course(policy.line.name, np.where(is_judged, totals, np.nan)[shown].tolist()))
    return timeline(
        columns,
        title="Better than declared, up to each window"
        if is_narrow
        else f"{SCORE_NAMES[comparison.past.history.problem]} better than as declared, on average up to each window (higher is better)",
        courses=courses,
    )


def _metrics(comparison: Comparison, drawn: Sequence[Compared], *, is_narrow: bool) -> str:
    """Draw each policy's metric by window, and when the declared one trained."""
    columns, shown = _columns(comparison, is_narrow=is_narrow)
    n_hidden = len(comparison.live) - len(comparison.live[shown])
    first = comparison.past.history.n_history + n_hidden
    names = comparison.past.history.names
    events = [
        Event(window - first + 1.0, "up", f"{names[window]}: trained as declared")
        for window in comparison.declared.trained_in
        if window >= first
    ]
    return timeline(
        columns,
        title=f"{comparison.metric} by window",
        courses=[_course(policy.line.name, policy.outcome.metric[shown].tolist()) for policy in drawn],
        events=events,
        event_names={"up": "trained as declared"} if events else {},
    )


def _course(name: str, values: Sequence[float]) -> Course:
    unknown = [math.nan] * len(values)
    return Course(name, values, unknown, unknown)


def _row(policy: Compared) -> tuple[object, ...]:
    """Return a policy's cells: name, verdict and its class, metric, score, gain, and the counts."""
    word = verdict(policy)
    style = {"surely better": "", "surely worse": "bad", "not sure": "wait"}.get(word, "mute")
    outcome = policy.outcome
    return (
        policy.line.name,
        word,
        style,
        f"{outcome.mean_metric:.{SCALE}f}",
        f"{outcome.mean_loss:.{SCALE}f}",
        score_range(policy.loss) or "–",
        outcome.n_trainings,
        outcome.n_promotions,
        outcome.n_losing,
        outcome.n_rollbacks,
        f"{outcome.cpu_s:.0f}",
    )
