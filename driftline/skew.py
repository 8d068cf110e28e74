"""Compare what was served online with what the offline join gives for the same instants.

python -m driftline.skew flight_delays --since 2013-06-01
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from declaration.errors import DriftlineError
from resources.connections import connections
from resources.deployment import deployment
from resources.feature_store.skew import FeatureSkew, measure_skew, skew_table, write_skew

LOOK_BACK = timedelta(days=1)
"""Span that is compared where none is asked for."""


def told(found: Sequence[FeatureSkew]) -> str:
    """Write what was found for people: one line a feature, and its examples."""
    lines = []
    for one in found:
        mean = "" if one.mean_abs_difference is None else f", mean difference {one.mean_abs_difference:.6g}"
        causes = ", ".join(f"{cause} {n}" for cause, n in one.causes.items())
        lines.append(
            f"{one.view}.{one.feature}: {one.n_different} of {one.n_compared} differ "
            f"({one.different_share:.2%}){mean}" + (f"; {causes}" if causes else "")
        )
        for example in one.examples:
            entity = ", ".join(f"{key} = {value}" for key, value in example.entity.items())
            lines.append(
                f"  {entity} at {example.served_at.astimezone(UTC).isoformat()}: "
                f"online {_shown(example.online)}, offline {_shown(example.offline)} ({example.cause})"
            )
    return "\n".join(lines)


def _shown(value: str | None) -> str:
    return "null" if value is None else value


@click.command(help="Compare what was served of PIPELINE's features with the offline join.")
@click.argument("pipeline")
@click.option(
    "--since", type=click.DateTime(), help="First instant (UTC) of the answers; by default a day ago."
)
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="Folder of Feast's own log (`write_logged_features`), in place of the lake's table.",
)
def main(pipeline: str, since: datetime | None, log: Path | None) -> None:
    """Measure from the command line; print it and keep it in the lake."""
    try:
        from pipelines.loading.declared import find_pipeline

        now = datetime.now(UTC)
        first = now - LOOK_BACK if since is None else since.replace(tzinfo=UTC)
        to = connections(deployment(os.environ))
        found = measure_skew(
            find_pipeline(pipeline), to.lake, to.engine, to.feature_store, since=first, feast_log=log
        )
        if not found:
            click.echo(
                f"Nothing of {pipeline} was logged since {first.isoformat()}. "
                "Give `read_online` a `ServedLog` to note what it serves, or name the folder of Feast's log with --log."
            )
            return
        write_skew(to.lake, pipeline, found, since=first, clock=now)
    except DriftlineError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo(told(found))
    click.echo(f"Kept in the lake's table {skew_table(pipeline)}.")


if __name__ == "__main__":
    main()
