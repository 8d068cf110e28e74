"""Facts of a training's searches, calibration, decisions, intervals and quantiles: in words, as figures, and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from assets.model.quantiles import coverage_text
from declaration.decisions import quantile_column
from learning.quantiles import QuantileFigures, QuantileResult
from learning.search.tuning import SearchResult
from learning.train import Training

FOUND = "search/"
"""Beginning of the names of what searches found, among the parameters of a run."""


def tuning_facts(training: Training) -> Mapping[str, object]:
    """Return what the asset's metadata says of them; nothing of what is not declared."""
    facts: dict[str, object] = {
        f"search_{name}": search_text(result) for name, result in training.searches.items()
    }
    if training.note:
        facts["validation"] = training.note
    finish = training.finish
    if finish is None:
        return facts
    if finish.calibration is not None:
        facts["calibration"] = (
            f"{finish.calibration.curves[0].method}, log loss {finish.calibration_gain:+.4f} better out of fold"
        )
    if finish.decisions is not None:
        if finish.decisions.threshold is not None:
            facts["threshold"] = finish.decisions.threshold
        if finish.decisions.mean_cost is not None:
            facts["mean_cost"] = finish.decisions.mean_cost
            facts["mean_cost_without_threshold"] = finish.decisions.plain_cost
    if finish.intervals is not None:
        facts["interval"] = (
            f"{finish.intervals.intervals.level:.0%} declared, {finish.intervals.coverage:.1%} of the judged rows inside, "
            f"{finish.intervals.mean_width:.4g} wide on average"
        )
    if finish.quantiles is not None:
        facts["quantiles"] = "; ".join(map(_quantile_text, overall(finish.quantiles)))
    return facts


def tuning_figures(training: Training) -> Mapping[str, float]:
    """Return what is recorded with the version as numbers."""
    figures: dict[str, float] = {}
    finish = training.finish
    for name, result in training.searches.items():
        figures[f"search/{name}/trials"] = float(len(result.trials))
        figures[f"search/{name}/cpu_seconds"] = result.cpu_seconds
    if finish is None:
        return figures
    if finish.decisions is not None and finish.decisions.threshold is not None:
        figures["threshold"] = finish.decisions.threshold
    if finish.decisions is not None and finish.decisions.mean_cost is not None:
        figures["mean_cost"] = finish.decisions.mean_cost
    if finish.intervals is not None:
        figures["interval_coverage"] = finish.intervals.coverage
        figures["interval_width"] = finish.intervals.mean_width
    for one in overall(finish.quantiles) if finish.quantiles is not None else ():
        figures[f"{quantile_column(one.share)}/coverage"] = one.coverage
        figures[f"{quantile_column(one.share)}/pinball"] = one.pinball
    return figures


def overall(result: QuantileResult) -> Iterator[QuantileFigures]:
    """Give the figures of each quantile over all horizons."""
    return (one for one in result.figures if one.horizon is None)


def _quantile_text(one: QuantileFigures) -> str:
    return f"{one.share:g} has {coverage_text(one)} at or below, pinball loss {one.pinball:.4g} (labels' quantile {one.label_pinball:.4g})"


def tuning_params(training: Training) -> Mapping[str, str]:
    """Return the settings that searches chose, as JSON."""
    return {
        f"{FOUND}{name}": json.dumps(dict(result.candidate.params), sort_keys=True)
        for name, result in training.searches.items()
    }


def search_text(result: SearchResult) -> str:
    """Say what a search did and found."""
    if result.obstacle:
        return f"nothing was tried, and the settings stay as declared: {result.obstacle}."
    best, first = result.best, result.trials[0]
    known = f" ({result.n_known} of an earlier run)" if result.n_known else ""
    ended = (
        " The CPU seconds ended it: on another machine it may try another number of settings, and find others."
        if result.has_ended_by_time
        else ""
    )
    settings = ", ".join(f"{name}: {_short(value)}" for name, value in best.params.items())
    return (
        f"{len(result.trials)} trials{known} on {result.n_rows:,} rows that do not judge, {result.cpu_seconds:.1f} CPU seconds. "
        f"Best is trial {best.number}, by {first.loss - best.loss:.4g} better than the settings as declared"
        f"{f': {settings}' if settings else ''}.{ended}"
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def search_page(searches: Mapping[str, SearchResult]) -> str:
    """Show every trial of every search, best first."""
    lines = []
    for name, result in searches.items():
        lines += [f"### {name}", "", search_text(result), ""]
        if result.trials:
            lines += ["| trial | loss | CPU seconds | settings |", "|---:|---:|---:|---|"]
            for trial in sorted(result.trials, key=lambda one: (one.loss, one.number)):
                settings = ", ".join(f"{key}: {_short(value)}" for key, value in trial.params.items())
                lines.append(
                    f"| {trial.number} | {trial.loss:.5g} | {trial.cpu_seconds:.2f} | {settings or 'as declared'} |"
                )
            lines.append("")
    return "\n".join(lines)
