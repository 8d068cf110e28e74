"""`driftline model compare [NAME] A B`: two versions side by side."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output
from driftline.printing import print_json

KEYS = {
    "pipeline": "its name",
    "versions": "the two, in the order that they were named in",
    "versions[].version": "its number",
    "versions[].stage": "dev, staging, production or archived",
    "versions[].trained_as_of": "partition that it was trained as of",
    "versions[].candidate": "winning candidate, with its algorithm",
    "versions[].training_set": "table and version that it learned from",
    "versions[].n_training_rows": "rows that it learned from",
    "versions[].span": "name of the rows that it learned from: all, or a newer part",
    "versions[].period": "first and last instant of its training set",
    "versions[].metric": "name of the metric of its holdout",
    "versions[].holdout_metric": "its value on its own holdout",
    "versions[].holdout_low": "lower end of its 95 % interval",
    "versions[].holdout_high": "upper end",
    "settings": "settings that differ",
    "settings[].name": "name of the setting",
    "settings[].first": "value of the first version; null where it was not recorded",
    "settings[].second": "value of the second",
    "n_settings_alike": "settings that are alike",
    "features": "features that only one of them reads",
    "features.only_first": "of the first version",
    "features.only_second": "of the second",
    "features.n_of_both": "how many both read",
    "environment": "software and machine that differ; null where one of them did not record it",
    "environment[].name": "what differs",
    "environment[].first": "at the first version's training",
    "environment[].second": "at the second's",
    "same_rows": "both on rows that neither learned from; null where there are none",
    "same_rows.n_rows": "rows",
    "same_rows.n_recorded": "of them judged when the earlier version was trained; the others it scored now",
    "same_rows.since": "instant of the first",
    "same_rows.until": "instant of the last",
    "same_rows.metrics": "every metric of the problem",
    "same_rows.metrics[].metric": "its name",
    "same_rows.metrics[].first": "value of the first version",
    "same_rows.metrics[].first_low": "lower end of its 95 % interval",
    "same_rows.metrics[].first_high": "upper end",
    "same_rows.metrics[].second": "value of the second version",
    "same_rows.metrics[].second_low": "lower end of its 95 % interval",
    "same_rows.metrics[].second_high": "upper end",
    "same_rows.metrics[].gain": "improvement of the second over the first; positive is better",
    "same_rows.metrics[].gain_low": "lower end of its 95 % interval; null where rows are too few",
    "same_rows.metrics[].gain_high": "upper end",
    "why_no_same_rows": "why there are none; null where there are",
}


@click.command()
@click.argument("words", metavar="[NAME] A B", nargs=-1)
@json_output(KEYS)
def compare(words: tuple[str, ...], as_json: bool) -> int:
    """Show two versions side by side.

    Their settings, features, periods and software, as far as they differ, and every metric with its interval on the same
    rows: those that judged the later version and that the earlier one has not learned from.
    """
    from driftline.model.side_by_side import comparison_document, print_comparison, read_comparison
    from pipelines.loading.declared import find_pipeline

    *names, first, second = words if len(words) in (2, 3) else ("", "", "", "")
    if not (first.isdecimal() and second.isdecimal()):
        raise click.UsageError(
            "which two versions? driftline model compare [NAME] A B, such as: compare flights 2 3"
        )
    pipeline = find_pipeline(names[0] if names else None)
    comparison = read_comparison(pipeline, int(first), int(second))
    if as_json:
        print_json(comparison_document(comparison))
    else:
        print_comparison(comparison)
    return SUCCESS
