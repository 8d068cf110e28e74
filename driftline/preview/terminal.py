"""A preview in the terminal: tables for what is many, sentences for what matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from driftline.preview.findings import (
    AssetLine,
    ColumnFacts,
    DatasetFinding,
    FeaturePlan,
    Preview,
    RuleVerdict,
    TargetFinding,
    ViewFinding,
)
from learning.preprocess.text import ColumnText

MAX_NAME = 48
"""Characters of a name that are never broken."""

_MARKS = {"holds": "[green]holds[/green]", "fails": "[red]fails[/red]", "unknown": "[red]unknown[/red]"}


def show(preview: Preview, console: Console) -> None:
    """Print a preview."""
    console.print(f"[bold]{escape(preview.name)}[/bold]  {escape(preview.description)}")
    _say(console, preview.partitions)
    console.print(_tree(preview.graph))
    for dataset in preview.datasets:
        _dataset(dataset, console)
    for view in preview.views:
        _view(view, console)
    if preview.target is not None:
        _target(preview.target, console)
    _verdict(preview, console)


def _title(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{escape(text)}[/bold]", align="left")


def _say(console: Console, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        console.print(escape(sentence), highlight=False)


def _tree(graph: Sequence[AssetLine]) -> Tree:
    tree = Tree("what will be materialized, each from those before it")
    stages: dict[str, Tree] = {}
    for line in graph:
        reads = f"  [dim]from {escape(line.reads)}[/dim]" if line.reads else ""
        kind = "" if line.is_partitioned else "  (reference table)"
        if line.stage not in stages:
            stages[line.stage] = tree.add(line.stage if line.name else f"{line.stage}{reads}")
        if line.name:
            stages[line.stage].add(f"{escape(line.name)}{kind}{reads}")
    return tree


def _table(names: Iterable[str], *headings: str, right: Sequence[str] = ()) -> Table:
    """Make a table without lines: names stay whole up to `MAX_NAME`, and the last column is broken first."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    first, *middle, last = headings
    longest = max((len(name) for name in names), default=0)
    # Not `min_width`: rich adds it after fitting, and cuts what then hangs over the edge without a word.
    table.add_column(
        first, overflow="fold", no_wrap=longest <= MAX_NAME, width=None if longest <= MAX_NAME else MAX_NAME
    )
    for heading in middle:
        is_right = heading in right
        table.add_column(heading, justify="right" if is_right else "left", no_wrap=True)
    table.add_column(last, overflow="fold")
    return table


def _columns_table(columns: Sequence[ColumnFacts], second: str, third: str) -> Table:
    names = [column.name for column in columns]
    return _table(
        names, "column", second, third, "missing", "values", "first rows", right=("missing", "values")
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _dataset(finding: DatasetFinding, console: Console) -> None:
    _title(console, f"dataset {finding.name}")
    _say(console, [f"{finding.source}: {'; '.join(finding.counts)}" if finding.counts else finding.source])
    if finding.error:
        console.print(f"[red]refused:[/red] {escape(finding.error)}", highlight=False)
    for reject in finding.rejects:
        where = f"line {reject.line}: " if reject.line is not None else ""
        console.print(
            f"  [yellow]{reject.n_rows:,} rejected:[/yellow] {escape(reject.reason)}  [dim]{where}{escape(reject.text)}[/dim]",
            highlight=False,
        )
    if finding.columns:
        console.print()
        console.print(_columns(finding.columns))
    if finding.dropped:
        console.print(
            f"[dim]not declared, dropped:[/dim] {escape(', '.join(finding.dropped))}", highlight=False
        )
    if finding.rules:
        console.print()
    for rule in finding.rules:
        _rule(rule, console)
    if finding.n_quarantined:
        console.print(f"  {finding.n_quarantined:,} rows would be quarantined in all", highlight=False)


def _columns(columns: Sequence[ColumnFacts]) -> Table:
    shown = _columns_table(columns, "type", "source")
    for column in columns:
        is_same = column.found == column.declared.partition(" ")[0]
        kind = f"[dim]{escape(column.found)}[/dim]" if is_same else escape(column.found)
        sample = escape(" | ".join(column.sample))
        shown.add_row(
            escape(column.name),
            escape(column.declared),
            kind,
            _share(column.missing),
            f"{column.n_distinct:,}",
            sample,
        )
    return shown


def _rule(rule: RuleVerdict, console: Console) -> None:
    parts = [f"  {_MARKS[rule.verdict]}  {escape(rule.rule)}"]
    if rule.verdict != "holds":
        parts.append(f"({rule.policy})")
    if rule.detail:
        parts.append(f"[dim]{escape(rule.detail)}[/dim]")
    if rule.n_quarantined:
        examples = f" ({escape(', '.join(rule.examples))})" if rule.examples else ""
        parts.append(f"[yellow]{rule.n_quarantined:,} rows would be quarantined[/yellow]{examples}")
    if rule.blocks:
        parts.append("[red]would stop the run[/red]")
    console.print("  ".join(parts), highlight=False)


def _view(finding: ViewFinding, console: Console) -> None:
    _title(console, f"feature view {finding.name} of {finding.entity}")
    if finding.error:
        console.print(f"[red]refused:[/red] {escape(finding.error)}", highlight=False)
        return
    _say(console, ["; ".join(finding.counts)])
    console.print()
    shown = _columns_table(finding.features, "role", "type")
    for feature in finding.features:
        shown.add_row(
            escape(feature.name), feature.declared, escape(feature.found), _share(feature.missing), f"{feature.n_distinct:,}",
            escape(" | ".join(feature.sample)),
        )  # fmt: skip
    console.print(shown)


def _target(finding: TargetFinding, console: Console) -> None:
    _title(console, f"target ({finding.problem}): {finding.label}")
    if finding.error:
        console.print(f"[red]refused:[/red] {escape(finding.error)}", highlight=False)
        return
    _say(console, finding.counts)
    if not finding.plans:
        return
    console.print()
    console.print(_plans(finding.plans))
    console.print()
    for name, text in finding.models.items():
        console.print(f"  {name} [dim]reads {escape(text)}[/dim]", highlight=False)
    for name, columns in finding.preprocessing.items():
        console.print()
        console.print(f"  {name} [dim]prepares[/dim]", highlight=False)
        console.print(preprocessing_table(columns))


def preprocessing_table(columns: Sequence[ColumnText]) -> Table:
    """Make a table of the steps of each feature."""
    shown = _table([one.name for one in columns], "feature", "kind", "steps")
    for one in columns:
        shown.add_row(escape(one.name), escape(one.kind), escape(one.steps))
    return shown


def _plans(plans: Sequence[FeaturePlan]) -> Table:
    names = [plan.name for plan in plans]
    shown = _table(names, "feature", "read as", "missing", "doubt", "examples", right=("missing",))
    for plan in plans:
        doubts = ", ".join(doubt.short for doubt in plan.doubts)
        shown.add_row(
            escape(plan.name), plan.preprocessing, _share(plan.missing), f"[yellow]{escape(doubts)}[/yellow]",
            escape(plan.examples),
        )  # fmt: skip
    return shown


def _verdict(preview: Preview, console: Console) -> None:
    _title(console, "verdict")
    for text in preview.stops:
        console.print(f"[red]would stop:[/red] {escape(text)}", highlight=False)
    for name, doubt in preview.doubts:
        console.print(f"[yellow]think about[/yellow] {escape(name)}: {escape(doubt.text)}", highlight=False)
    if preview.is_sound:
        command = f"driftline replay {escape(preview.name)}"
        console.print(f"[green]would run.[/green] Next: {command}, or driftline dev", highlight=False)
