"""`driftline model show [NAME] [VERSION]`: all that is known of one version."""

from __future__ import annotations

import os

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument
from driftline.model.listing import VERSION_KEYS
from driftline.printing import print_json

KEYS = {
    "pipeline": "its name",
    **VERSION_KEYS,
    "training_table_version": "version of the table `training_set` that it learned from",
    "n_training_rows": "rows that it learned from",
    "holdout_start": "first instant of the holdout",
    "n_judged": "rows of the holdout; null where a version held out the newest rows whole",
    "n_folds": "folds in which they were held out",
    "span": "name of the rows that it learned from: all, or a newer part",
    "learned_since": "first instant of what it learned from; null for all rows",
    "artifact_sha256": "hash of the model file that the ledger trusts",
    "features": "what it reads, in order",
    "importances": "share of the skill, by feature",
    "settings": "settings of the training, by name",
    "environment": "packages, Python, code and machine of the training, by name; null where they were not recorded",
    "mlflow_run": "MLflow's run",
    "model_file": "where the model file is",
    "preprocessing": "the declared preprocessing as the model learned it, a row for each feature; empty without one",
    "preprocessing[].feature": "its name, or all columns",
    "preprocessing[].kind": "how it is read",
    "preprocessing[].steps": "its steps in words, with what they learned",
    "candidates": "what its training compared, a row for each candidate and metric",
    "candidates[].candidate": "name of the candidate, or baseline/<name>",
    "candidates[].algorithm": "its algorithm",
    "candidates[].metric": "name of a metric",
    "candidates[].value": "its value on the holdout",
    "candidates[].fit_seconds": "CPU seconds of the fit",
    "candidates[].is_best": "whether it was chosen",
    "candidates[].low": "lower end of the value's 95 % interval; null where there is none",
    "candidates[].high": "upper end",
    "candidates[].gap": "by how much the best candidate is better in the declared metric; null of the best",
    "candidates[].gap_low": "lower end of its 95 % interval",
    "candidates[].gap_high": "upper end",
    "candidates[].gap_p_value": "p-value of no gap, by Holm over all pairs of candidates",
    "quantiles": "the declared quantiles on the judged rows, a row for each and horizon; empty where none are declared",
    "quantiles[].share": "which quantile",
    "quantiles[].horizon": "hours ahead; null for all horizons",
    "quantiles[].n": "judged rows",
    "quantiles[].coverage": "share of the truths at or below",
    "quantiles[].coverage_low": "lower end of its 95 % interval; null where there are too few rows",
    "quantiles[].coverage_high": "upper end",
    "quantiles[].below": "share of them below: less where truths equal the quantile",
    "quantiles[].pinball": "mean pinball loss",
    "quantiles[].label_pinball": "that of the labels' own quantile, the same for every row",
    "quantiles[].naive_pinball": "that of the same quantile around the naive forecast",
    "quantiles[].skill": "share of the loss of the labels' quantile that is avoided",
    "quantiles[].naive_skill": "share of the loss of the naive forecast's quantile that is avoided",
    "decisions": "the ledger's rows about the version, oldest first",
    "decisions[].at": "instant",
    "decisions[].partition": "partition that it was decided as of",
    "decisions[].actor": "gate, probation or a person",
    "decisions[].action": "promoted, kept, rolled back, archived or reproduced",
    "decisions[].reason": "why the decision was asked for",
    "decisions[].outcome": "verdict",
    "decisions[].explanation": "why",
    "decisions[].limits": "what was found of the gate's limits, in words",
    "decisions[].approve_until": "instant up to which a person may promote the version; null where nobody is asked",
    "decisions[].champion_before": "version that served before",
    "decisions[].champion_after": "version that serves after",
    "decisions[].dagster_run": "Dagster's run; null for a person's",
}


@click.command()
@name_argument
@click.argument("version", metavar="[VERSION]", required=False, type=int)
@json_output(KEYS)
def show(name: str | None, version: int | None, as_json: bool) -> int:
    """Show one version: candidates, importances, settings.

    By default the version that serves. The training set and its version in the lake, the candidates that were
    compared, the importance of each feature, the settings of the training, the model file, and every decision
    about it.
    """
    from driftline.model.known import chosen_version, known_document, print_known, read_known
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect
    from resources.deployment import deployment

    if version is None and name is not None and name.isdecimal():
        # The only pipeline's name may be left out.
        version, name = int(name), None
    pipeline = find_pipeline(name)
    row = chosen_version(pipeline, version)
    facts = read_known(pipeline, row, connect(deployment(os.environ)))
    if as_json:
        print_json({"pipeline": pipeline.name, **known_document(facts)})
    else:
        print_known(pipeline, facts)
    return SUCCESS
