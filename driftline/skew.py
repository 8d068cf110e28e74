"""`driftline skew [NAME]`: what was served online, compared with the offline join for the same instants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument, opened
from driftline.printing import print_json

if TYPE_CHECKING:
    from resources.feature_store.skew import FeatureSkew

LOOK_BACK = timedelta(days=1)
"""Span that is compared where none is asked for."""


def told(skews: Sequence[FeatureSkew]) -> str:
    """Write what was found for people: one line a feature, and its examples."""
    lines = []
    for feature_skew in skews:
        mean = (
            ""
            if feature_skew.mean_abs_difference is None
            else f", mean difference {feature_skew.mean_abs_difference:.6g}"
        )
        causes = ", ".join(f"{cause} {n}" for cause, n in feature_skew.causes.items())
        lines.append(
            f"{feature_skew.view}.{feature_skew.feature}: {feature_skew.n_different} of {feature_skew.n_compared} differ "
            f"({feature_skew.different_share:.2%}){mean}" + (f"; {causes}" if causes else "")
        )
        for example in feature_skew.examples:
            entity = ", ".join(f"{key} = {value}" for key, value in example.entity.items())
            lines.append(
                f"  {entity} at {example.served_at.astimezone(UTC).isoformat()}: "
                f"online {_shown(example.online)}, offline {_shown(example.offline)} ({example.cause})"
            )
    return "\n".join(lines)


def _shown(value: str | None) -> str:
    return "null" if value is None else value


KEYS = {
    "pipeline": "its name",
    "since": "first instant that is compared",
    "table": "the lake's table that keeps the result; null where nothing was logged",
    "features": "every feature that was served",
    "features[].view": "feature view",
    "features[].feature": "feature",
    "features[].n_compared": "answers",
    "features[].n_different": "answers that differ",
    "features[].different_share": "share of them, in [0, 1]",
    "features[].mean_abs_difference": "of answers where both values are numbers; null where there are none",
    "features[].causes": "number of differences, by cause",
    "features[].examples": "the first few, by instant",
    "features[].examples[].entity": "keys of the entity",
    "features[].examples[].served_at": "instant of the answer",
    "features[].examples[].online": "value that was served, as text",
    "features[].examples[].offline": "value that the offline join gives, as text",
    "features[].examples[].cause": "why they differ",
}


@click.command()
@name_argument
@click.option(
    "--since", type=click.DateTime(), help="First instant (UTC) of the answers; by default a day ago."
)
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="Folder of Feast's own log (`write_logged_features`), in place of the lake's table.",
)
@json_output(KEYS)
def skew(name: str | None, since: datetime | None, log: Path | None, as_json: bool) -> int:
    """Compare what was served online with the offline join.

    Every answer that was logged is held against the features that the offline join gives for the same instant. The
    result is printed, and kept in the lake.
    """
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect
    from resources.feature_store.skew import FEATURE_SKEW, measure_skew, write_skew

    now = datetime.now(UTC)
    first = now - LOOK_BACK if since is None else since.replace(tzinfo=UTC)
    pipeline = find_pipeline(name)
    connections = connect(opened())
    skews = measure_skew(
        pipeline, connections.lake, connections.engine, connections.feature_store, since=first, feast_log=log
    )
    table = FEATURE_SKEW.of(pipeline.name) if skews else None
    if skews:
        write_skew(connections.lake, pipeline.name, skews, since=first, clock=now)
    if as_json:
        plain = [_as_plain(feature_skew) for feature_skew in skews]
        print_json({"pipeline": pipeline.name, "since": first.isoformat(), "table": table, "features": plain})
    elif skews:
        click.echo(f"{told(skews)}\nKept in the lake's table {table}.")
    else:
        click.echo(
            f"Nothing of {pipeline.name} was logged since {first.isoformat()}. "
            "Give `read_online` a `ServedLog` to note what it serves, or name the folder of Feast's log with --log."
        )
    return SUCCESS


def _as_plain(feature: FeatureSkew) -> Mapping[str, object]:
    return {**asdict(feature), "different_share": feature.different_share}
