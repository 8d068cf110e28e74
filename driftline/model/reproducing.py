"""`driftline model reproduce [NAME] [VERSION] --reason TEXT`: a version rebuilt from its pinned training set."""

from __future__ import annotations

import click

from driftline.cli import FAULT, SUCCESS
from driftline.installation import json_output, name_argument
from driftline.model.arguments import moved_by, named_version
from driftline.printing import print_json

DIFFERENCE_KEYS = {
    "kind": "input, setting, package, code, machine or result",
    "name": "what differs",
    "then": "how it was at the training",
    "now": "how it is",
}

KEYS = {
    "pipeline": "its name",
    "versions": "every version that was asked for, oldest first",
    "versions[].version": "its number",
    "versions[].outcome": "same bytes, other bytes or not rebuilt",
    "versions[].explanation": "why, in a sentence",
    "versions[].expected_sha256": "hash of the registered model file",
    "versions[].found_sha256": "hash of the rebuilt one; null where none was built",
    "versions[].differences": "inputs, settings, packages, code and machine that are not as they were",
    **{f"versions[].differences[].{key}": text for key, text in DIFFERENCE_KEYS.items()},
    "versions[].results": "what came out otherwise",
    **{f"versions[].results[].{key}": text for key, text in DIFFERENCE_KEYS.items()},
    "versions[].not_recorded": "of what nothing is known, since the version is older than its record",
    "versions[].differing_parts": "parts of the model file whose bytes differ",
    "versions[].largest_score_difference": "between both models on the newest rows; null where bytes agree",
    "versions[].share_of_scores_that_differ": "of these rows",
    "versions[].cpu_seconds": "what the rebuilding cost",
}


@click.command()
@name_argument
@click.argument("version", metavar="[VERSION]", required=False, type=int)
@click.option("--all", "is_all", is_flag=True, help="Every version, oldest first.")
@moved_by
@json_output(KEYS)
def reproduce(
    name: str | None, version: int | None, is_all: bool, reason: str, actor: str, as_json: bool
) -> int:
    """Rebuild a version from its pinned training set, and compare the bytes.

    By default the version that serves. The training is done again with the rows, settings and seed that the
    version was made of; nothing is registered, and no other version serves. Where the model file has other bytes,
    it is told which input, setting, package, code or machine differs. What came of it becomes a row of the ledger. Ends
    with exit code 1 where a version cannot be rebuilt to the same bytes.
    """
    from driftline.model.rebuilding import (
        print_reproduction,
        rebuilt,
        reproduction_document,
        versions_to_rebuild,
    )
    from pipelines.loading.declared import find_pipeline

    name, version = named_version(name, version)
    if is_all and version is not None:
        raise click.UsageError("give a version, or --all.")
    pipeline = find_pipeline(name)
    reproductions = []
    for row in versions_to_rebuild(pipeline, version, is_all=is_all):
        reproductions.append(rebuilt(pipeline, row, actor=actor, reason=reason))
        if not as_json:
            print_reproduction(pipeline.name, reproductions[-1])
    if as_json:
        print_json(
            {
                "pipeline": pipeline.name,
                "versions": [reproduction_document(reproduction) for reproduction in reproductions],
            }
        )
    return SUCCESS if all(reproduction.outcome == "same bytes" for reproduction in reproductions) else FAULT
