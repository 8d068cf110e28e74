"""Show a rehearsal in the terminal: tables for what is many, sentences for what matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from pipelines.preview.columns import FeaturePlan, plan
from pipelines.preview.rehearsal import Rehearsal
from pipelines.spec import DatasetSpec
from pipelines.sql import quote_identifier
from pipelines.stages import stages
from resources.lake import scan

N_SAMPLE = 3
N_REASONS = 5
MAX_TEXT = 28
"""Characters of a value that are shown."""


def show(found: Rehearsal, console: Console, *, n_partitions: str) -> bool:
    """Print everything that was found; return whether a run would go through."""
    _graph(found, console, n_partitions)
    for name, dataset in found.pipeline.spec.datasets.items():
        _dataset(found, name, dataset, console)
    _views(found, console)
    plans = _features(found, console)
    return _verdict(found, plans, console)


def _title(console: Console, text: str) -> None:
    console.print()
    console.rule(f"[bold]{escape(text)}[/bold]", align="left")


def _graph(found: Rehearsal, console: Console, n_partitions: str) -> None:
    pipeline = found.pipeline
    console.print(f"[bold]{escape(pipeline.name)}[/bold]  {escape(pipeline.spec.description)}")
    console.print(
        f"{n_partitions} Rehearsed here: {', '.join(window.key for window in found.windows)}.",
        highlight=False,
    )
    tree = Tree("what will be materialized, each from those before it")
    rooms: dict[str, Tree] = {}
    for stage in stages(pipeline):
        room = rooms.get(stage.path[0]) or tree.add(stage.path[0])
        rooms[stage.path[0]] = room
        reads = _reads(list(stage.deps))
        name = "/".join(stage.path[1:])
        kind = "" if stage.is_partitioned else "  (reference table)"
        if name:
            room.add(f"{escape(name)}{kind}  [dim]{'from ' + escape(reads) if reads else ''}[/dim]")
        else:
            room.label = f"{stage.path[0]}  [dim]from {escape(reads)}[/dim]"
    console.print(tree)


def _reads(paths: Sequence[tuple[str, ...]]) -> str:
    """Name what a stage reads; many views are counted."""
    views = [path for path in paths if path[0] == "features"]
    if len(views) <= 2:
        return ", ".join("/".join(path) for path in paths)
    others = ["/".join(path) for path in paths if path not in views]
    return ", ".join([*others, f"{len(views)} feature views"])


def _dataset(found: Rehearsal, name: str, dataset: DatasetSpec, console: Console) -> None:
    _title(console, f"dataset {name}")
    raw, profiled = found.finding("raw", name), found.finding("profiled", name)
    if raw is None or raw.outcome is None:
        console.print(f"[red]cannot be read:[/red] {escape(raw.error if raw else 'not run')}")
        return
    facts = raw.outcome.metadata
    source = escape(dataset.source.path)
    console.print(
        f"{dataset.source.type} {source}: {_count(facts, 'n_source_rows')} rows in the source, {_count(facts, 'n_rows')} in this partition, "
        f"{_count(facts, 'n_rejected')} cannot be read, {_count(facts, 'n_out_of_range')} belong to no declared partition",
        highlight=False,
    )
    _rejects(found, name, console)
    _types(found, name, dataset, console)
    if profiled is None or profiled.outcome is None:
        console.print(f"[red]cannot be checked:[/red] {escape(profiled.error if profiled else 'not run')}")
        return
    _rules(found, name, dataset, console)


def _count(facts: Mapping[str, object], name: str) -> str:
    value = facts.get(name)
    return f"{value:,}" if isinstance(value, int) else "0"


def _rejects(found: Rehearsal, name: str, console: Console) -> None:
    table = found.pipeline.table("raw_rejects", name)
    if not found.to.lake.has(table):
        return
    with found.to.engine.connect() as connection:
        rows = connection.sql(
            "SELECT reason, count(*) AS n, any_value(line), any_value(raw_text) FROM "
            f"{scan(found.to.lake.snapshot(table))} GROUP BY reason ORDER BY n DESC, reason LIMIT {N_REASONS}"
        ).fetchall()
    for reason, n, line, text in rows:
        where = f"line {line}: " if line is not None else ""
        console.print(
            f"  [yellow]{n:,} rejected[/yellow]: {escape(_short(reason, 120))}  [dim]{where}{escape(_short(text, 60))}[/dim]"
        )


def _types(found: Rehearsal, name: str, dataset: DatasetSpec, console: Console) -> None:
    table = found.pipeline.table("raw", name)
    snapshot = found.to.lake.snapshot(table)
    with found.to.engine.connect() as connection:
        counted = ", ".join(
            f"count({quote_identifier(column)}), approx_count_distinct({quote_identifier(column)})"
            for column in dataset.columns
        )
        n_rows, *facts = connection.sql(f"SELECT count(*), {counted} FROM {scan(snapshot)}").fetchall()[0]
        rows = connection.sql(f"SELECT * FROM {scan(snapshot)} LIMIT {N_SAMPLE}").to_arrow_table().to_pylist()
    shown = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("column", "type", "missing", "values", "first rows"):
        shown.add_column(
            heading, justify="right" if heading in ("missing", "values") else "left", overflow="fold"
        )
    for position, column in enumerate(dataset.columns):
        present, distinct = facts[2 * position], facts[2 * position + 1]
        form = dataset.column(column)
        origin = " (computed)" if form.sql is not None else f" (from {form.source})" if form.source else ""
        missing = f"{1 - present / n_rows:.1%}" if n_rows else ""
        sample = " | ".join(_short(row[column]) for row in rows)
        shown.add_row(
            escape(column), f"{form.type}{escape(origin)}", missing, f"{distinct:,}", escape(sample)
        )
    console.print(shown)


def _rules(found: Rehearsal, name: str, dataset: DatasetSpec, console: Console) -> None:
    profiled = found.finding("profiled", name)
    if profiled is None or profiled.outcome is None or not dataset.expectations:
        return
    broken = _quarantined(found, name)
    console.print()
    for check, rule in zip(profiled.outcome.checks, dataset.expectations, strict=True):
        verdict = (
            "[green]holds[/green]"
            if check.is_passed
            else f"[red]fails[/red] ({rule.severity}, {rule.on_failure})"
        )
        aside = (
            f", [yellow]{broken[check.name]:,} rows would be quarantined[/yellow]"
            if check.name in broken
            else ""
        )
        arguments = ", ".join(f"{key} = {value}" for key, value in rule.arguments.items())
        console.print(
            f"  {verdict}  {escape(rule.expect)}({escape(_short(arguments, 90))}){aside}", highlight=False
        )


def _quarantined(found: Rehearsal, name: str) -> Mapping[str, int]:
    table = found.pipeline.table("quarantine", name)
    if not found.to.lake.has(table):
        return {}
    with found.to.engine.connect() as connection:
        rows = connection.sql(
            f"SELECT rule, count(*) FROM (SELECT unnest(broken_rules) AS rule FROM {scan(found.to.lake.snapshot(table))}) GROUP BY rule"
        ).fetchall()
    return dict(rows)


def _views(found: Rehearsal, console: Console) -> None:
    if not found.pipeline.spec.features:
        return
    _title(console, "feature views")
    for name, view in found.pipeline.spec.features.items():
        finding = found.finding("features", name)
        if finding is None or finding.outcome is None:
            console.print(
                f"  [red]{escape(name)}[/red]: {escape(finding.error if finding else 'reads what could not be made')}"
            )
            continue
        facts = finding.outcome.metadata
        console.print(
            f"  {escape(name)} of {escape(view.entity)}: {_count(facts, 'n_rows')} rows, {facts['n_features']} features, "
            f"{_count(facts, 'n_rows_without_key')} rows without key left out",
            highlight=False,
        )


def _features(found: Rehearsal, console: Console) -> Sequence[FeaturePlan]:
    target = found.pipeline.spec.target
    if target is None:
        return ()
    _title(console, f"target ({target.problem})")
    labels = found.finding("labels")
    if labels is None or labels.outcome is None:
        console.print(
            f"[red]cannot be made:[/red] {escape(labels.error if labels else 'reads what could not be made')}"
        )
        return ()
    facts = labels.outcome.metadata
    console.print(
        f"{_count(facts, 'n_rows')} rows to predict, {_count(facts, 'n_labelled')} with a label, {_count(facts, 'n_known_at_end')} of them known "
        f"when the partition ends; predictions from {facts['first_prediction']:%Y-%m-%d %H:%M} to {facts['last_prediction']:%Y-%m-%d %H:%M} UTC"
        if facts["n_rows"]
        else "no row to predict in this partition",
        highlight=False,
    )
    if found.rows is None or found.label is None:
        return ()
    plans = plan(found.rows, found.label, target.problem)
    shown = Table(header_style="bold", box=None, pad_edge=False)
    shown.add_column("feature", overflow="fold", min_width=36)
    shown.add_column("read as", overflow="fold")
    shown.add_column("missing", justify="right")
    shown.add_column("examples", overflow="fold", max_width=30)
    shown.add_column("warnings", overflow="fold")
    for one in plans:
        warned = f"[yellow]{escape('; '.join(one.warnings))}[/yellow]" if one.warnings else ""
        shown.add_row(
            escape(one.name),
            one.preprocessing,
            f"{one.missing:.1%}",
            escape(_short(one.examples, 40)),
            warned,
        )
    console.print(shown)
    return plans


def _verdict(found: Rehearsal, plans: Iterable[FeaturePlan], console: Console) -> bool:
    _title(console, "verdict")
    blocked = [
        f"{'/'.join(finding.path)}: the blocking {check.name} fails"
        for finding in found.findings
        if finding.outcome is not None and finding.path[0] == "profiled"
        for check, rule in zip(
            finding.outcome.checks, found.pipeline.spec.datasets[finding.path[1]].expectations, strict=True
        )
        if rule.on_failure == "block" and not check.is_passed
    ]
    refused = [f"{'/'.join(finding.path)}: {finding.error}" for finding in found.errors]
    for text in (*refused, *blocked):
        console.print(f"[red]would stop:[/red] {escape(text)}", highlight=False)
    warned = [one for one in plans if one.warnings]
    for one in warned:
        console.print(
            f"[yellow]think about[/yellow] {escape(one.name)}: {escape('; '.join(one.warnings))}",
            highlight=False,
        )
    if not refused and not blocked:
        console.print(
            f"[green]would run.[/green] Next: python -m pipelines.replay {escape(found.pipeline.name)}, or make dev",
            highlight=False,
        )
    return not refused and not blocked


def _short(value: object, limit: int = MAX_TEXT) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
