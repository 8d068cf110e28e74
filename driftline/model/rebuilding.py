"""Versions rebuilt for `driftline model reproduce`: which, how it is written down, and how it is printed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.text import Text

from assets.model.reproduction import Reproduction, reproduce
from declaration.pipeline import Pipeline
from driftline.model.known import chosen_version
from driftline.model.moved import mover
from driftline.model.table import read_versions
from driftline.model.versions import VersionRow
from driftline.printing import console
from resources.connections import connect
from resources.deployment import deployment

_STYLES: Mapping[str, str] = {"same bytes": "green", "other bytes": "yellow", "not rebuilt": "red"}


def versions_to_rebuild(pipeline: Pipeline, version: int | None, *, is_all: bool) -> Sequence[VersionRow]:
    """Return the version that is named or serves, or all of them.

    Raises
    ------
    UnknownVersionError
        If there is no such version, or none at all.
    """
    chosen = chosen_version(pipeline, version)
    return read_versions(pipeline.name) if is_all else [chosen]


def rebuilt(pipeline: Pipeline, row: VersionRow, *, actor: str, reason: str) -> Reproduction:
    """Rebuild a version, and write into the ledger what came of it; one that was never judged has no row there."""
    who = mover(pipeline.name, actor, reason)
    connections = connect(deployment(os.environ))
    found = reproduce(
        pipeline,
        row.version,
        lake=connections.lake,
        engine=connections.engine,
        registry=connections.registry,
    )
    if row.decisions:
        who.note_rebuilt(row.version, found.outcome, found.findings)
    return found


def reproduction_document(found: Reproduction) -> Mapping[str, object]:
    """Return what came of a version as JSON; its keys are those of the command."""
    document = asdict(found)
    del document["obstacle"]
    return {"outcome": found.outcome, "explanation": found.explanation, **document}


def print_reproduction(pipeline: str, found: Reproduction) -> None:
    """Print what came of a version for people."""
    to = console()
    to.print(
        Text.assemble(
            (f"{pipeline} version {found.version}: ", "bold"), (found.outcome, _STYLES[found.outcome]),
            (f" ({found.cpu_seconds:.1f} CPU s)" if found.found_sha256 else "", "dim"),
        )
    )  # fmt: skip
    for line in _lines(found):
        to.print(Text(f"  {line}"), soft_wrap=True)


def _lines(found: Reproduction) -> Sequence[str]:
    if found.found_sha256 is None:
        return [found.obstacle]
    lines = [f"sha256 {found.expected_sha256} registered"]
    if found.found_sha256 != found.expected_sha256:
        lines.append(f"sha256 {found.found_sha256} rebuilt")
    lines += map(str, (*found.differences, *found.results))
    if found.differing_parts:
        lines.append(f"other bytes in: {', '.join(found.differing_parts)}")
    lines += [f"not recorded: {what} (the version is older than the record)" for what in found.not_recorded]
    if found.largest_score_difference is not None and found.share_of_scores_that_differ is not None:
        lines.append(
            f"scores of the newest rows differ by {found.largest_score_difference:.3g} at most, "
            f"{found.share_of_scores_that_differ:.1%} of them at all"
        )
    return lines
