"""Pages of a training's comparison: candidates with their intervals and gaps, and the gate's limits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence

from assets.model.naive import NaiveResults
from charts import as_markdown_image, bars
from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric, candidate_text
from learning.candidate_comparison import SURE_LEVEL, CandidateComparison, Gap, Interval
from learning.limits.finding import LimitFinding
from learning.skill import BASELINE_WORDS
from learning.spans import ALL
from learning.train import Training


def candidates_page(training: Training, comparison: CandidateComparison, naive: NaiveResults) -> str:
    """Compare candidates and naive baselines in tables, and in bars of the first metric."""
    metrics = list(METRICS_BY_PROBLEM[training.model.problem])
    table = [
        f"| candidate | {' | '.join(metrics)} | CPU seconds |",
        f"|---|{'---:|' * (len(metrics) + 1)}",
        *(
            f"| {candidate_text(result.name, result.algorithm)} "
            f"| {_figures(metrics, result.metrics, comparison.intervals[result.name])} | {result.fit_seconds:.1f} |"
            for result in training.results
        ),
        *(
            f"| {BASELINE_WORDS[baseline]} | {_figures(metrics, values, naive.intervals[baseline])} | – |"
            for baseline, values in naive.figures.items()
        ),
    ]
    picture = bars(
        [
            *((result.name, result.metrics[metrics[0]]) for result in training.results),
            *((name, values[metrics[0]]) for name, values in naive.figures.items() if metrics[0] in values),
        ],
        title=f"{metrics[0]} out of fold",
        highlight=[training.model.name],
    )
    parts = [
        "\n".join(table),
        "In brackets: 95 % intervals by blocks of time. Each candidate learned from all rows."
        + _of_span(training),
        *gaps_parts(comparison.gaps, training.metric),
        as_markdown_image(picture, "Candidates out of fold"),
    ]
    return "\n\n".join(parts)


def _of_span(training: Training) -> str:
    """Say that the version has other figures than its candidate, where it learned from a part of the rows."""
    if training.span == ALL:
        return ""
    return f" The version learned from a part of them ({training.span.name}), and has other figures than its candidate here."


def _figures(
    metrics: Sequence[Metric], values: Mapping[Metric, float], intervals: Mapping[Metric, Interval]
) -> str:
    return " | ".join(_figure(values.get(metric), intervals.get(metric)) for metric in metrics)


def _figure(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4f}" if interval is None else f"{value:.4f} ({interval[0]:.4f} to {interval[1]:.4f})"


def gaps_parts(gaps: Sequence[Gap], metric: Metric) -> Iterator[str]:
    """Compare each candidate with the best in a table, and say which tests were not made, and why."""
    if not gaps:
        return
    names = [test.name for test in gaps[0].tests]
    yield "\n".join(
        [
            f"| behind {gaps[0].best} | {metric} worse by | by blocks, p by Holm | {' | '.join(names)} |",
            f"|---|---:|---|{'---:|' * len(names)}",
            *(
                f"| {gap.candidate} | {_gap_figure(gap)} | {_gap_verdict(gap)} "
                f"| {' | '.join(f'{test.result.p_value:.3g}' if test.result else 'not made' for test in gap.tests)} |"
                for gap in gaps
            ),
        ]
    )
    yield (
        "The p-values by blocks are adjusted over all pairs of candidates, since the best one was found in the same figures. "
        f"Those of {', '.join(names)} are not, and decide nothing."
    )
    for name in names:
        faults = {
            test.fault: gap.candidate
            for gap in gaps
            for test in gap.tests
            if test.name == name and test.fault
        }
        if faults:
            reasons = "; ".join(f"{fault} ({candidate})" for fault, candidate in faults.items())
            yield f"{name} is not made where its assumptions do not hold: {reasons}."


def _gap_figure(gap: Gap) -> str:
    interval = None if gap.low is None or gap.high is None else (gap.low, gap.high)
    return _figure(gap.gap, interval)


def _gap_verdict(gap: Gap) -> str:
    if gap.p_value is None:
        return "too few rows to tell"
    return f"{'surely behind' if gap.p_value < SURE_LEVEL else 'not surely behind'}, {gap.p_value:.3g}"


def limits_page(limits: Sequence[LimitFinding]) -> str:
    """List what was found of each limit; those that stop the challenger first."""
    ordered = sorted(limits, key=lambda finding: (not finding.is_broken, not finding.is_beyond))
    rows = (
        f"| {_escaped(finding.about)} | {_limit_figure(finding)} | {finding.side} {finding.limit:g} | {_limit_verdict(finding)} "
        f"| `{finding.key}` |"
        for finding in ordered
    )
    header = ["| measured | value | allowed | verdict | key |", "|---|---:|---|---|---|"]
    return "\n".join([*header, *rows])


def _limit_figure(finding: LimitFinding) -> str:
    if finding.value is None:
        return "–"
    if finding.low is None or finding.high is None:
        return f"{finding.value:.4g}"
    return f"{finding.value:.4g} ({finding.low:.4g} to {finding.high:.4g})"


def _limit_verdict(finding: LimitFinding) -> str:
    if finding.value is None:
        return f"not judged: {_escaped(finding.note)}"
    if finding.is_broken:
        return "**beyond the limit**"
    return "beyond it, not surely" if finding.is_beyond else "kept"


def _escaped(text: str) -> str:
    """Write text from outside so that it is no Markdown and no HTML."""
    shown = re.sub(r"([\\`*_\[\]#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    return shown.replace("|", "&#124;")
