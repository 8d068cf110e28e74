"""Assets of a declaration in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from declaration.pipeline import Pipeline
from driftline.show.assets import AssetView
from driftline.show.settings import Setting
from driftline.show.statements import Statement


def print_assets(
    pipeline: Pipeline,
    views: Sequence[AssetView],
    statements: Mapping[str, Sequence[Statement]],
    to: Console,
    *,
    is_overview: bool,
) -> None:
    """Print assets in lineage order; an overview leaves out the settings.

    Parameters
    ----------
    pipeline
        Whose.
    views
        Its assets.
    statements
        Their SQL by key; empty where it was not asked for.
    to
        Where to.
    is_overview
        Whether settings are left out.
    """
    to.print(Text.assemble((pipeline.name, "bold"), "  ", pipeline.spec.description), soft_wrap=True)
    to.print(Text(f"declared in {pipeline.folder}", style="dim"), soft_wrap=True)
    for view in views:
        to.print()
        to.print(Text(view.key, style="bold cyan"))
        for title, text in _lines(view):
            to.print(Text.assemble((f"  {title:<10} ", "dim"), text), soft_wrap=True)
        if not is_overview:
            _print_settings(view.settings, to)
        for statement in statements.get(view.key, ()):
            _print_statement(statement, to)


def _lines(view: AssetView) -> Iterator[tuple[str, Text]]:
    yield "is", Text(view.description)
    if view.reads:
        yield "reads", Text(", ".join(f"{read.key} ({read.partitions})" for read in view.reads))
    yield "writes", Text(", ".join(view.writes))
    yield "partitions", Text(view.partitions)
    if view.checks:
        named = (f"{check.name}{' (blocks)' if check.is_blocking else ''}" for check in view.checks)
        yield "checks", Text(", ".join(named))
    yield "made by", Text(view.function)
    if view.files:
        yield "files", Text(", ".join(view.files))


def _print_settings(settings: Sequence[Setting], to: Console) -> None:
    width = max((len(setting.path) for setting in settings), default=0)
    for setting in settings:
        text = Text.assemble(
            "    ", f"{setting.path:<{width}}  ", json.dumps(setting.value, ensure_ascii=False)
        )
        if setting.is_default:
            text.append("  (default)")
            text.stylize("dim")
        to.print(text, soft_wrap=True)


def _print_statement(statement: Statement, to: Console) -> None:
    to.print()
    to.print(
        Text.assemble("  ", (f"-- {statement.title}", "green"), (f"  {statement.built_by}", "dim")),
        soft_wrap=True,
    )
    if statement.sql is None:
        to.print(Text(f"  -- not shown: {statement.reason}", style="yellow"), soft_wrap=True)
    else:
        to.print(Text(f"{statement.sql.strip().rstrip(';')};"), soft_wrap=True)
