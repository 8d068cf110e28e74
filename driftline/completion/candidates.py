"""Candidates of the shell's completion: pipelines and partitions, read from declarations without their loader."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from declaration.errors import DriftlineError

FILE_NAME = "defs.yaml"

COMPONENT = "MLPipeline"
"""Last part of the type that a pipeline's declaration names."""


def complete_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a pipeline."""
    return [name for name in _declared(ctx) if name.startswith(incomplete)]


def complete_partitions(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a partition's key: of the pipeline that is named, or of the only one."""
    declared = _declared(ctx)
    # An option that still waits for its value leaves the argument among what was not parsed.
    named = [name for name in (ctx.params.get("name"), *ctx.args) if name is not None]
    chosen = named or (list(declared) if len(declared) == 1 else [])
    files = [declared[name] for name in chosen[:1] if name in declared]
    return [key for file in files for key in _partitions(ctx, file) if key.startswith(incomplete)]


def _declared(ctx: click.Context) -> Mapping[str, Path]:
    """List declarations by their folder's name; none where there is no project: a completion cannot complain."""
    from resources.project import project

    with suppress(DriftlineError, OSError, UnicodeDecodeError):
        folder = project(_environment(ctx)).defs
        files = sorted(folder.rglob(FILE_NAME))
        return {file.parent.name: file for file in files if COMPONENT in file.read_text(encoding="utf-8")}
    return {}


def _partitions(ctx: click.Context, file: Path) -> Iterator[str]:
    """List the partitions of a calendar that have ended; of others, those that have a report."""
    from datetime import UTC, datetime

    import yaml
    from pydantic import ValidationError

    from declaration.partitioning import partitioning
    from declaration.partitions import PartitionsSpec
    from resources.deployment import deployment

    with suppress(
        DriftlineError, OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError, LookupError, TypeError
    ):
        # The loader in C where there is one: a keystroke waits for it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        declared = yaml.load(file.read_text(encoding="utf-8"), loader)["attributes"]["partitions"]
        spec = PartitionsSpec.model_validate(declared)
        if partitioning(spec).ends_by_clock:
            yield from (window.key for window in partitioning(spec).windows(until=datetime.now(UTC)))
        else:
            reports = deployment(_environment(ctx)).home / "reports" / file.parent.name
            yield from sorted(page.stem for page in reports.glob("*.html"))


def _environment(ctx: click.Context) -> Mapping[str, str]:
    """Return the environment with the options before the command: nothing has run that would set them."""
    parameters: Mapping[str, Any] = ctx.find_root().params
    options = {"DRIFTLINE_PROJECT": parameters.get("project"), "DRIFTLINE_HOME": parameters.get("home")}
    return {**os.environ, **{name: str(value) for name, value in options.items() if value}}
