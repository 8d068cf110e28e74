"""`driftline model card [NAME] [VERSION]`: the model card of a version, as page, Markdown and JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument, opened
from driftline.printing import print_json

KEYS = {
    "pipeline": "its name",
    "version": "the version",
    "headline": "what it is",
    "question": "the question that the pipeline answers, as declared",
    "stage": "whether it serves, and since when",
    "is_serving": "whether it does",
    "path": "file that was written",
    "figures": "key figures",
    "figures[].name": "name",
    "figures[].value": "value, as it is shown",
    "figures[].note": "small print",
    "sections": "sections, in their order; pictures are in the page alone",
    "sections[].title": "heading",
    "sections[].texts": "sentences",
    "sections[].facts": "facts",
    "sections[].facts[].name": "name",
    "sections[].facts[].value": "value",
    "sections[].tables": "tables",
    "sections[].tables[].title": "heading; empty for none",
    "sections[].tables[].header": "names of the columns",
    "sections[].tables[].rows": "cells",
}


@click.command()
@name_argument
@click.argument("version", metavar="[VERSION]", required=False, type=int)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there: Markdown if the name ends in .md, else HTML. By default both lie beside the reports.",
)
@json_output(KEYS)
def card(name: str | None, version: int | None, out: Path | None, as_json: bool) -> int:
    """Write the model card of a version.

    By default the version that serves: data, features, candidates, errors, decisions, environment. The card is made
    anew of ledger, registry and lake, so that it says who let it serve, and when, as of now.
    """
    from assets.drift_report.pages.files import write_whole
    from assets.model.card.markdown import card_markdown
    from assets.model.card.page import card_page
    from driftline.model.known import chosen_version
    from pipelines.graph.model_card import read_card, write_card
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    if version is None and name is not None and name.isdecimal():
        # The only pipeline's name may be left out.
        version, name = int(name), None
    pipeline, connections = find_pipeline(name), connect(opened())
    number = chosen_version(pipeline, version).version
    made = read_card(pipeline, connections.lake, connections.registry, number, now=datetime.now(UTC))
    if out is None:
        path = write_card(made, Path(connections.reports.folder), connections.registry).page
    else:
        is_markdown = out.suffix.lower() == ".md"
        path = write_whole(out, card_markdown(made) if is_markdown else card_page(made))
    if as_json:
        print_json({**_plain(asdict(made)), "path": str(path)})
    else:
        click.echo(str(path))
    return SUCCESS


def _plain(document: dict[str, object]) -> dict[str, object]:
    """Return a card as JSON values, without its pictures."""
    figures, sections = document["figures"], document["sections"]
    assert isinstance(figures, tuple)
    assert isinstance(sections, tuple)
    return {
        **document,
        "figures": [dict(zip(("name", "value", "note"), figure, strict=True)) for figure in figures],
        "sections": [
            {
                **{key: value for key, value in section.items() if key != "pictures"},
                "facts": [{"name": fact, "value": value} for fact, value in section["facts"]],
            }
            for section in sections
        ],
    }
