"""Declaration of a source, written: complete, commented, and with `decide:` where only a person knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from declaration.forecast import span_sql
from declaration.types import Block
from pipelines.scaffolding.columns import Column
from pipelines.scaffolding.findings import DECIDE, Findings, ask
from pipelines.scaffolding.learning import features, learning, watching
from pipelines.scaffolding.text import comment, flow, one_line, scalar, sql_name

MAX_SHARE = 0.01
"""Share of rejects that a source may have when nothing is declared, and how much more one may have that has some."""


def write(findings: Findings, *, type_name: str) -> str:
    """Return the text of `defs.yaml`."""
    name = Path(findings.path).name
    lines = [
        *comment(
            f"Written by `dg scaffold` from {name}: {_rows(findings)}, {len(findings.columns.columns)} columns. "
            f"Comments with `{DECIDE}` ask for what the data cannot tell. Check with `dg check defs`, look before you run with "
            "`driftline preview`, run with `driftline replay`. Every key: docs/pipeline-reference.md.",
            0,
        ),
        f"type: {type_name}",
        "attributes:",
        f"  description: {scalar(_description(findings))}",
        *_partitions(findings),
        "",
        "  datasets:",
        f"    {findings.dataset}:",
        *_meaning(findings.known.comment),
        *_source(findings),
        *_columns(findings),
        *_event_time(findings),
        *_key(findings),
        *_expectations(findings),
    ]
    if findings.entities:
        lines += ["", *features(findings)]
    lines += [
        "",
        *(learning(findings, findings.target) if findings.target is not None else watching(findings)),
    ]
    return "\n".join(lines) + "\n"


def _rows(findings: Findings) -> str:
    return f"the first {findings.n_rows:,} rows" if findings.is_sample else f"{findings.n_rows:,} rows"


def _description(findings: Findings) -> str:
    if findings.target is None:
        return f"Is {findings.dataset} what it used to be?"
    return f"What will {findings.target.column} be?"


def _partitions(findings: Findings) -> list[str]:
    clock = findings.clock
    if clock.every == "rows":
        return [
            *comment(
                f"{clock.reason.capitalize()}. A partition is complete when all its rows have arrived.", 2
            ),
            f"  partitions: {{every: rows, size: {clock.size}}}",
        ]
    if clock.every == "load":
        return [
            *comment(
                f"No clock: {clock.reason}. Each changed state of the {'list' if findings.paths else 'file'} is a load, and loads are "
                "compared with each other.",
                2,
            ),
            *(ask(clock.question, 2) if clock.question else []),
            "  partitions: {every: load}",
        ]
    assert clock.start is not None
    assert clock.end is not None
    start, end = (_day_or_hour(instant.isoformat(sep=" ")) for instant in (clock.start, clock.end))
    lines = comment(
        f"A run handles one partition. {clock.reason.capitalize()}; {clock.every} is the longest that gives enough of them.",
        2,
    )
    lines += ask(
        f"`start` and the length of a partition come from the first {findings.n_rows:,} rows alone. From when on are rows wanted?"
        if findings.is_sample
        else f"`end` is where the {'list' if findings.paths else 'file'} ends. Remove it while data keeps arriving; then partitions close on "
        "the clock.",
        2,
    )
    if not _has_zone(findings):
        lines += ask(
            f"times in '{clock.event_time}' carry no zone, and are read as UTC. In which zone were they written?",
            2,
        )
    ends = "" if findings.is_sample else f" end: {end},"
    return [*lines, f"  partitions: {{every: {clock.every}, start: {start},{ends} timezone: UTC}}"]


def _day_or_hour(text: str) -> str:
    return text.removesuffix(" 00:00:00") if text.endswith(" 00:00:00") else text.replace(" ", "T")


def _has_zone(findings: Findings) -> bool:
    name = findings.clock.event_time
    return name is None or findings.columns[name].type == "timestamp_tz"


def _meaning(comment_of_table: str) -> list[str]:
    return [f"      description: {scalar(one_line(comment_of_table))}"] if comment_of_table else []


def _source(findings: Findings) -> list[str]:
    source = findings.source
    written: dict[str, object] = {"type": source.type}
    if "path" in type(source).model_fields:
        written["path"] = findings.path
    for key in type(source).model_fields:
        if key in source.model_fields_set - {"type", "path", "null_values", "max_rejected_share"}:
            value = getattr(source, key)
            written[key] = value.model_dump(exclude_unset=True) if isinstance(value, Block) else value
    if len(findings.columns.null_values) > 1:
        written["null_values"] = list(findings.columns.null_values)
    lines = comment(findings.note, 6) if findings.note else []
    lines += [line for doubt in findings.doubts for line in ask(doubt, 6)]
    total = findings.n_rows + findings.n_rejected
    if isinstance(written.get("url"), dict):
        lines += ask(
            "is the variable set wherever this runs? It holds the database's URL, which no declaration does.",
            6,
        )
    if findings.cursor is not None:
        written["cursor"] = findings.cursor.column
        if findings.cursor.evidence:
            lines += comment(f"{findings.cursor.column}: {findings.cursor.evidence}.", 6)
        lines += ask(findings.cursor.question, 6)
    if findings.n_rejected:
        lines += ask(
            f"{findings.n_rejected:,} of {total:,} lines could not be read, and will be kept among the rejects. Are they worth mending?",
            6,
        )
    share = (findings.n_rejected + _n_without_time(findings)) / total
    if share > MAX_SHARE:
        written["max_rejected_share"] = round(min(1.0, share + MAX_SHARE), 3)
    if len(findings.columns.null_values) > 1:
        lines += comment(
            f"Numbers and times are missing where the file says {', '.join(findings.columns.null_values[1:])}.",
            6,
        )
    if "encoding" in written:
        lines += ask(
            f"the file is not UTF-8, and is read as {written['encoding']}. Are names with accents right?", 6
        )
    return [*lines, f"      source: {flow(written)}"]


def _columns(findings: Findings) -> list[str]:
    lines = ["      columns:"]
    if findings.series is not None:
        lines += ask(
            "when are a step's values known? When the step is over is assumed (`known_at`). Later, if they are published late; "
            "at its beginning, if they are read then; long before, if they are planned.",
            8,
        )
    for column in findings.columns.columns:
        kind = "timestamp_tz" if column.name == findings.clock.event_time else column.type
        if column.question:
            lines += ask(f"{column.name}: {column.question}", 8)
        notes = [note for note in (column.note, _fullness(column)) if note]
        written: dict[str, object] = {"type": kind}
        if column.sql is not None:
            written["sql"] = column.sql
        elif (path := findings.paths.get(column.name)) is not None:
            if path != column.name:
                written["source"] = path
            # An API leaves out what has no value: the rows of a window may all lack it.
            if column.n_null:
                written["optional"] = True
        if column.null_values is not None:
            written["null_values"] = list(column.null_values)
        if column.name in findings.known.comments:
            written["description"] = one_line(findings.known.comments[column.name])
        if findings.series is not None and column.name not in findings.key.columns:
            written["known_at"] = f"{sql_name(findings.event_time)} + {span_sql(findings.series.step)}"
        if column.sql is not None and findings.paths.get(column.name, column.name) != column.name:
            lines.append(_read_from(column, findings))
        shown = f"{scalar(column.name)}: {flow(written) if len(written) > 1 else kind}"
        lines.append(f"        {shown}" + (f"  # {one_line('; '.join(notes))}" if notes else ""))
    return lines


def _read_from(column: Column, findings: Findings) -> str:
    """Return the line of the column that a computed one is made of, where it stands in an object: what no column names is not read."""
    name = f"{column.name}_text"
    while name in findings.paths:
        name += "_2"
    written: dict[str, object] = {"type": "string", "source": findings.paths[column.name]}
    if column.n_null:
        written["optional"] = True
    return f"        {scalar(name)}: {flow(written)}"


def _fullness(column: Column) -> str:
    if column.n_null == column.n_rows:
        return ""
    parts = [f"{column.n_null / column.n_rows:.1%} missing"] if column.n_null else []
    if column.is_constant:
        parts.append("always the same")
    elif column.type == "string":
        parts.append(f"{column.n_distinct:,} values")
    elif column.is_number:
        parts.append(f"{column.low:.6g} to {column.high:.6g}" if column.low is not None else "")
    elif column.is_time:
        parts.append(f"{column.low_text[:19]} to {column.high_text[:19]}")
    return ", ".join(part for part in parts if part)


def _event_time(findings: Findings) -> list[str]:
    lines = comment("Says which partition a row belongs to.", 6)
    if findings.clock.others:
        lines = ask(
            f"this says which partition a row belongs to. It could also be {', '.join(findings.clock.others)}. Which is when a row came to be?",
            6,
        )
    if findings.clock.every == "rows":
        lines = comment("Made by Driftline: row n of the file is minute n after 2000-01-01.", 6)
    if findings.clock.every == "load":
        lines = comment(
            "Made by Driftline: a load is a day after 2000-01-01, its rows spread over the day by their key.",
            6,
        )
    if n_missing := _n_without_time(findings):
        lines += ask(
            f"{n_missing:,} rows have no {findings.event_time}: they belong to no partition and will be kept among the rejects. Is there a better column?",
            6,
        )
    return [*lines, f"      event_time: {scalar(findings.event_time)}"]


def _n_without_time(findings: Findings) -> int:
    name = findings.clock.event_time
    return findings.columns[name].n_null if name is not None else 0


def _key(findings: Findings) -> list[str]:
    text = f"Identifies a row: {findings.key.reason}."
    is_asked = findings.key.is_made or findings.is_sample
    lines = ask(f"{text} Is there a better one?", 6) if is_asked else comment(text, 6)
    return [*lines, f"      key: {flow(list(findings.key.columns))}"]


def _expectations(findings: Findings) -> list[str]:
    held_in = "the first rows" if findings.is_sample else "these rows" if findings.paths else "this file"
    lines = comment(
        f"What held in {held_in}, with margins. `severity` (info, warning, critical) weighs a rule in the quality score; "
        "`on_failure: quarantine` puts failing rows aside, `on_failure: block` stops everything downstream.",
        6,
    )
    lines += ask("which of these are rules, and which only happened to hold? Delete the latter.", 6)
    lines.append("      expectations:")
    for rule in findings.rules:
        written: dict[str, object] = {"expect": rule.expect, **dict(rule.arguments)}
        if rule.severity != "warning":
            written["severity"] = rule.severity
        if rule.on_failure != "report":
            written["on_failure"] = rule.on_failure
        lines += comment(rule.reason, 8)
        lines.append(f"        - {flow(written)}")
    return lines


def decisions(text: str) -> Sequence[tuple[int, str]]:
    """List the `decide:` comments of a declaration, with their lines."""
    questions: list[tuple[int, str]] = []
    is_open = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith(f"# {DECIDE}"):
            questions.append((number, stripped.removeprefix(f"# {DECIDE}").strip()))
            is_open = True
        elif is_open and stripped.startswith("# ") and questions:
            questions[-1] = (questions[-1][0], f"{questions[-1][1]} {stripped.removeprefix('# ')}")
        else:
            is_open = False
    return questions
