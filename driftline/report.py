"""`driftline report [NAME]`: where the newest page of a pipeline lies, or the index over all of them."""

from __future__ import annotations

import os
import webbrowser
from datetime import UTC, datetime
from pathlib import Path

import click

from declaration.errors import DriftlineError
from driftline.cli import FAULT, SUCCESS
from driftline.completion.candidates import complete_names
from driftline.installation import json_output
from driftline.printing import print_json
from resources.deployment import Deployment, deployment

KEYS = {
    "pipeline": "the one that was named; null for the index",
    "path": "file of the page",
    "url": "the same as a URL",
}


class NoReportError(DriftlineError):
    """There is no page to show yet."""


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_names)
@click.option("--open", "is_opened", is_flag=True, help="Open the page in the browser.")
@json_output(KEYS)
def report(name: str | None, is_opened: bool, as_json: bool) -> int:
    """Print where the newest page is; open it.

    With NAME the page of the pipeline's newest drift report, without it the index over all pipelines. Pages are
    files below the home that need no server.
    """
    installed = deployment(os.environ)
    page = index_page(installed) if name is None else newest_page(installed, name)
    if as_json:
        print_json({"pipeline": name, "path": str(page), "url": page.as_uri()})
    else:
        click.echo(str(page))
    if is_opened and not webbrowser.open(page.as_uri()):
        click.echo(f"No browser could be opened here. Open {page.as_uri()} yourself.", err=True)
        return FAULT
    return SUCCESS


def newest_page(installed: Deployment, name: str) -> Path:
    """Return the page of the newest window that has a report.

    Raises
    ------
    NoReportError
        If no window has one, or its page was taken away.
    """
    from driftline.status.reading import read_windows
    from pipelines.loading.declared import find_pipeline
    from resources.lake.lake import Lake

    pipeline = find_pipeline(name)
    windows = read_windows(pipeline, Lake(root=str(installed.lake_root)), 1)
    folder = installed.reports_folder.resolve()
    if not windows or not windows[-1].page:
        raise NoReportError(
            f"'{name}' has no drift report in {folder}. `driftline run {name} --partition KEY` or "
            f"`driftline replay {name}` makes one."
        )
    page = (folder / windows[-1].page).resolve()
    if not page.is_relative_to(folder) or not page.is_file():
        raise NoReportError(
            f"the page of '{name}', partition {windows[-1].partition}, is not at {page}. "
            f"`driftline run {name} --partition {windows[-1].partition}` writes it again."
        )
    return page


def index_page(installed: Deployment) -> Path:
    """Write the index over all pipelines from the summaries beside their pages, and return it.

    Raises
    ------
    NoReportError
        If no report was written yet.
    """
    from assets.drift_report.pages.index import write_index

    if not installed.reports_folder.is_dir():
        raise NoReportError(
            f"no index over all pipelines: there are no reports at {installed.reports_folder}. The first drift "
            "report writes both. `driftline run` or `driftline replay` makes one."
        )
    return write_index(installed.reports_folder, written_at=datetime.now(UTC))
