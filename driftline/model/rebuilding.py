"""Versions rebuilt for `driftline model reproduce`: which, how it is written down, and how it is printed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.text import Text

from assets.model.reproduction import Reproduction, reproduce
from declaration.pipeline import Pipeline
from driftline.model.known import chosen_version
from driftline.model.moved import mover, tell_cards
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
    reproduction = reproduce(
        pipeline,
        row.version,
        lake=connections.lake,
        engine=connections.engine,
        registry=connections.registry,
    )
    if row.decisions:
        noted = who.note_rebuilt(row.version, reproduction.outcome, reproduction.findings)
        tell_cards(pipeline.name, noted)
    return reproduction


def reproduction_document(reproduction: Reproduction) -> Mapping[str, object]:
    """Return what came of a version as JSON; its keys are those of the command."""
    document = asdict(reproduction)
    del document["obstacle"]
    return {"outcome": reproduction.outcome, "explanation": reproduction.explanation, **document}


def print_reproduction(pipeline: str, reproduction: Reproduction) -> None:
    """Print what came of a version for people."""
    to = console()
    to.print(
        Text.assemble(
            (f"{pipeline} version {reproduction.version}: ", "bold"), (reproduction.outcome, _STYLES[reproduction.outcome]),
            (f" ({reproduction.cpu_seconds:.1f} CPU s)" if reproduction.found_sha256 else "", "dim"),
        )
    )  # fmt: skip
    for line in _lines(reproduction):
        to.print(Text(f"  {line}"), soft_wrap=True)


def _lines(reproduction: Reproduction) -> Sequence[str]:
    if reproduction.found_sha256 is None:
        return [reproduction.obstacle]
    lines = [f"sha256 {reproduction.expected_sha256} registered"]
    if reproduction.found_sha256 != reproduction.expected_sha256:
        lines.append(f"sha256 {reproduction.found_sha256} rebuilt")
    lines += map(str, (*reproduction.differences, *reproduction.results))
    if reproduction.differing_parts:
        lines.append(f"other bytes in: {', '.join(reproduction.differing_parts)}")
    lines += [
        f"not recorded: {what} (the version is older than the record)" for what in reproduction.not_recorded
    ]
    if (
        reproduction.largest_score_difference is not None
        and reproduction.share_of_scores_that_differ is not None
    ):
        lines.append(
            f"scores of the newest rows differ by {reproduction.largest_score_difference:.3g} at most, "
            f"{reproduction.share_of_scores_that_differ:.1%} of them at all"
        )
    return lines
