"""`driftline backtest [NAME]`: a pipeline's history, decided under another policy, or lived through under many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftline.cli import INTERRUPTED, SUCCESS
from driftline.installation import json_output, name_argument, opened, partition_option
from driftline.printing import console, print_json

if TYPE_CHECKING:
    from driftline.backtest.decisions import Redecision
    from resources.deployment import Deployment

ROWS, BUDGET = 5_000, 900
"""Rows of a window at most, and CPU seconds, by default."""

POLICY_KEYS = {
    "pipeline": "its name",
    "windows": "with --policy: every window that has a drift report, oldest first",
    "windows[].partition": "key",
    "windows[].is_changed": "whether decision or reason differ",
    "windows[].was_requested": "whether a training was asked for",
    "windows[].was_reason": "why, or why not",
    "windows[].would_be_requested": "whether the other policy asks for one",
    "windows[].would_be_reason": "why, or why not",
    "windows[].drifted_before": "features that were called drifted",
    "windows[].drifted_now": "features that the other policy calls drifted",
}

COMPARE_KEYS = {
    "pipeline": "its name",
    "metric": "with --compare, as all that follows: the declared metric",
    "proper_score": "what policies are compared by: log loss or mean squared error",
    "reads": "tables that were read, `table@version`",
    "rows": "rows of a window at most",
    "n_rows": "rows that there are",
    "n_sampled": "windows of which a sample was drawn",
    "first_training": "partition of the first training, which all policies share",
    "partitions": "partitions that were lived through, oldest first",
    "policies": "every policy that was lived through, the declared one first",
    "policies[].name": "its name",
    "policies[].kind": "declared, setting (what a declaration can say) or plain (what none says)",
    "policies[].verdict": "declared, surely better, surely worse, not sure, or the same",
    "policies[].metric": "mean of the metric over the partitions",
    "policies[].score": "mean of the proper score; lower is better",
    "policies[].metric_by_partition": "metric by partition; null where it is not known",
    "policies[].score_by_partition": "proper score by partition; null where it is not known",
    "policies[].score_gain": "by how much the score is better than as declared; positive is better",
    "policies[].score_gain_low": "least such gain by the interval; null where there are too few partitions",
    "policies[].score_gain_high": "greatest such gain",
    "policies[].metric_gain": "by how much the metric is better than as declared",
    "policies[].metric_gain_low": "least such gain",
    "policies[].metric_gain_high": "greatest such gain",
    "policies[].n_partitions": "partitions that were compared",
    "policies[].block_length": "partitions that make a block of the interval",
    "policies[].n_needed": "partitions from which such a difference would be sure, or could be judged",
    "policies[].n_trainings": "trainings after the first",
    "policies[].trained_in": "their partitions",
    "policies[].n_promoted": "changes of the serving model",
    "policies[].n_lost": "those that surely cost more than the model they replaced",
    "policies[].n_rolled_back": "those that were taken back",
    "policies[].cpu_s": "CPU seconds of the trainings, done now or kept from before",
    "cut": "policies that the budget cut",
    "cpu_budget": "CPU seconds that were allowed",
    "cpu_s": "CPU seconds of this run",
    "n_trained": "trainings of this run",
    "n_kept": "trainings of earlier runs that were used again",
    "realised": "mean of the metric that the drift reports of these partitions have realised; null where none is known",
    "recommended": "setting that is surely better; null where none is",
    "headline": "what follows for the declaration",
    "reasons": "why",
    "caveats": "what to know before trusting it",
    "diff": "unified diff of the declaration; null where nothing is recommended",
    "page": "HTML page",
}

KEYS = {**POLICY_KEYS, **COMPARE_KEYS}


@click.command()
@name_argument
@click.option(
    "--policy",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with the blocks `drift` and `retrain` of the other policy.",
)
@click.option(
    "--compare",
    "is_comparison",
    is_flag=True,
    help="Live through the history under a grid of policies, training as each would have.",
)
@partition_option("--from", "first", "First partition to decide; by default the oldest.")
@partition_option("--to", "last", "Last partition to decide; by default the newest.")
@click.option(
    "--rows",
    type=click.IntRange(min=100),
    default=ROWS,
    show_default=True,
    metavar="N",
    help="With --compare: rows of a window at most; of more a sample is drawn.",
)
@click.option(
    "--cpu-budget",
    type=click.FloatRange(min=0),
    default=BUDGET,
    show_default=True,
    metavar="SECONDS",
    help="With --compare: CPU seconds after which no training is begun.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --compare: where the page is written; by default `backtest.html` among the pipeline's reports.",
)
@json_output(KEYS)
def backtest(
    name: str | None,
    policy: Path | None,
    is_comparison: bool,
    first: str | None,
    last: str | None,
    rows: int,
    cpu_budget: float,
    html: Path | None,
    as_json: bool,
) -> int:
    """Decide a pipeline's history anew under another policy.

    With --policy every window that has a drift report is judged again from the stored sketches, predictions and
    labels. Nothing is trained or written, and models served as they did.

    With --compare the history is lived through under many policies, each with the models that it would have
    trained, and a setting is recommended where it is surely better. Trainings are kept in the home: interrupt it
    at any time, and start it again to resume. Nothing is written to declaration, lake or registry.
    """
    if is_comparison == (policy is not None):
        raise click.UsageError("Give either --policy FILE or --compare.")
    if is_comparison and (first is not None or last is not None):
        raise click.UsageError("--from and --to go with --policy; --compare lives through the whole history.")
    if is_comparison:
        return _compare(opened(), name, rows, cpu_budget, html, as_json=as_json)
    assert policy is not None
    return _decide(opened(), name, policy, first, last, as_json=as_json)


def _decide(
    installed: Deployment,
    name: str | None,
    policy: Path,
    first: str | None,
    last: str | None,
    *,
    as_json: bool,
) -> int:
    from driftline.backtest.decisions import backtest as decide
    from driftline.backtest.decisions import print_backtest
    from pipelines.loading.declared import find_pipeline
    from pipelines.loading.read import read_with_policy
    from resources.connections import connect

    pipeline = read_with_policy(find_pipeline(name), policy)
    with console(stderr=True).status(f"{pipeline.name}: deciding anew"):
        decided = list(decide(pipeline, connect(installed), first=first, last=last))
    if as_json:
        print_json({"pipeline": pipeline.name, "windows": [as_plain(window) for window in decided]})
    else:
        print_backtest(pipeline, decided, console())
    return SUCCESS


def _compare(
    installed: Deployment,
    name: str | None,
    rows: int,
    cpu_budget: float,
    html: Path | None,
    *,
    as_json: bool,
) -> int:
    from rich.markup import escape

    from driftline.backtest.compare import compare
    from driftline.backtest.page import comparison_page
    from driftline.backtest.table import comparison_as_plain, print_comparison
    from pipelines.loading.declared import find_pipeline
    from pipelines.loading.edits import EditError, edit_diff
    from resources.connections import connect

    pipeline = find_pipeline(name)
    terminal = console(stderr=True)
    try:
        with terminal.status(escape(pipeline.name)) as status:
            compared = compare(
                pipeline,
                connect(installed),
                installed.home,
                rows=rows,
                budget_s=cpu_budget,
                progress=lambda text: status.update(escape(f"{pipeline.name}: {text}")),
            )
    except KeyboardInterrupt:
        terminal.print("Interrupted. The trainings that are done are kept: start it again to resume.")
        return INTERRUPTED
    best = compared.advice.recommended
    diff = ""
    if best is not None:
        try:
            diff = edit_diff(pipeline, best.line.changes)
        except EditError as error:
            # The advice stands, and is said in words.
            terminal.print(str(error), markup=False)
    page = html or installed.reports_folder / pipeline.name / "backtest.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(comparison_page(compared, diff), encoding="utf-8")
    if as_json:
        print_json(comparison_as_plain(compared, diff, str(page)))
        return SUCCESS
    shown = console()
    print_comparison(compared, diff, shown)
    shown.print(f"Page: {page}", markup=False)
    return SUCCESS


def as_plain(window: Redecision) -> Mapping[str, object]:
    """Return a window's two decisions as JSON values."""
    return {
        "partition": window.partition,
        "is_changed": window.is_changed,
        "was_requested": window.was_requested,
        "was_reason": window.was,
        "would_be_requested": window.now.is_requested,
        "would_be_reason": window.now.reason,
        "drifted_before": window.drifted_before,
        "drifted_now": window.drifted_now,
    }
