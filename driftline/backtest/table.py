"""A comparison on the terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from drift.backtesting.advice import Compared
from drift.backtesting.difference import Difference
from driftline.backtest.compare import Comparison
from driftline.backtest.wording import SCALE, caveats, headline, reasons, score_range, verdict
from learning.proper_score import SCORE_NAMES

STYLES: Mapping[str, str] = {"surely better": "green", "surely worse": "red", "declared": "bold"}


def print_comparison(comparison: Comparison, diff: str, console: Console) -> None:
    """Print what each policy would have given, and what follows for the declaration."""
    score = SCORE_NAMES[comparison.past.history.problem]
    table = Table(title=f"{comparison.pipeline}: what each policy would have given", title_justify="left")
    table.add_column("policy", overflow="fold")
    for name in (
        comparison.metric,
        score,
        f"{score} better by",
        "trainings",
        "promoted",
        "lost",
        "back",
        "CPU s",
    ):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    for policy in comparison.advice.compared:
        table.add_row(*map(Text, _cells(policy)), style=STYLES.get(verdict(policy), ""))
    console.print(table)
    console.print(Text(headline(comparison), style="bold"))
    for sentence in reasons(comparison):
        console.print(Text(sentence))
    if diff:
        console.print(Syntax(diff, "diff", background_color="default") if console.is_terminal else Text(diff))
    for sentence in caveats(comparison):
        console.print(Text(f"· {sentence}", style="dim" if console.is_terminal else ""))
    console.print(
        Text(f"· Read: {', '.join(comparison.past.reads)}.", style="dim" if console.is_terminal else "")
    )


def _cells(policy: Compared) -> tuple[str, ...]:
    outcome = policy.outcome
    return (
        policy.line.name,
        f"{outcome.mean_metric:.{SCALE}f}",
        f"{outcome.mean_loss:.{SCALE}f}",
        score_range(policy.loss),
        str(outcome.n_trainings),
        str(outcome.n_promotions),
        str(outcome.n_losing),
        str(outcome.n_rollbacks),
        f"{outcome.cpu_s:.0f}",
        verdict(policy),
    )


def comparison_as_plain(comparison: Comparison, diff: str, page: str) -> Mapping[str, object]:
    """Return a comparison as JSON values."""
    past, names = comparison.past, comparison.past.history.names
    best = comparison.advice.recommended
    return {
        "pipeline": comparison.pipeline,
        "metric": comparison.metric,
        "proper_score": SCORE_NAMES[past.history.problem],
        "reads": list(past.reads),
        "rows": past.rows,
        "n_rows": past.n_rows,
        "n_sampled": past.n_sampled,
        "first_training": names[past.history.n_history - 1],
        "partitions": list(comparison.live),
        "policies": [_plain(policy, names) for policy in comparison.advice.compared],
        "cut": list(comparison.cut),
        "cpu_budget": comparison.budget_s,
        "cpu_s": round(comparison.cpu_s, 1),
        "n_trained": comparison.n_trained,
        "n_kept": comparison.n_kept,
        "realised": comparison.reality.mean(comparison.live),
        "recommended": best.line.name if best else None,
        "headline": headline(comparison),
        "reasons": list(reasons(comparison)),
        "caveats": list(caveats(comparison)),
        "diff": diff or None,
        "page": page,
    }


def _plain(policy: Compared, names: tuple[str, ...]) -> Mapping[str, object]:
    outcome = policy.outcome
    return {
        "name": policy.line.name,
        "kind": policy.line.kind,
        "verdict": verdict(policy),
        "metric": outcome.mean_metric,
        "score": outcome.mean_loss,
        "metric_by_partition": outcome.metric.tolist(),
        "score_by_partition": outcome.loss.tolist(),
        **_gain("score_gain", policy.loss),
        **_gain("metric_gain", policy.metric),
        "n_partitions": policy.loss.n_windows if policy.loss else None,
        "block_length": policy.loss.block_length if policy.loss else None,
        "n_needed": policy.loss.needed if policy.loss else None,
        "n_trainings": outcome.n_trainings,
        "trained_in": [names[window] for window in outcome.trained_in],
        "n_promoted": outcome.n_promotions,
        "n_lost": outcome.n_losing,
        "n_rolled_back": outcome.n_rollbacks,
        "cpu_s": round(outcome.cpu_s, 1),
    }


def _gain(name: str, gain: Difference | None) -> Mapping[str, float | None]:
    return {
        name: gain.mean if gain else None,
        f"{name}_low": gain.low if gain else None,
        f"{name}_high": gain.high if gain else None,
    }
