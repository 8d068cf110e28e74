"""Put what was found into a declaration: complete, commented, and with `decide:` where only a person knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.model.leaks import Suspicion
from pipelines.scaffolding.clock import Clock
from pipelines.scaffolding.columns import Column, FileColumns
from pipelines.scaffolding.roles import Candidate, Key, Target
from pipelines.scaffolding.rules import Rule
from pipelines.scaffolding.text import comment, flow, scalar, sql_name
from pipelines.scaffolding.views import View, identifier
from pipelines.spec import Candidate as Algorithm
from pipelines.spec import ProblemType, SourceSpec

DECIDE = "decide:"
"""Begins a comment that asks for a person's decision."""

ALGORITHMS: Mapping[ProblemType, tuple[Algorithm, ...]] = {
    "binary": ("hist_gradient_boosting", "logistic_regression"),
    "multiclass": ("hist_gradient_boosting", "logistic_regression"),
    "regression": ("hist_gradient_boosting", "ridge"),
}
"""A strong learner, and a plain one that shows whether it is worth it."""

METRICS: Mapping[ProblemType, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}

MIN_RARE_ROWS = 30
"""Rows of the rarest class that must be known before a first model is trained."""

LEAST_LABELS = 300
"""Labels before a first model: a fifth of them, less what shares an instant, must leave 50 rows to compare on."""


@dataclass(frozen=True)
class Findings:
    """Everything that was found about a file.

    Attributes
    ----------
    dataset
        Name of the dataset, from the file's.
    source, path
        How the file is read, and its path as the declaration writes it.
    doubts
        What must be asked of the file's shape.
    label_time
        Expression of the instant at which the truth is known, and what to decide about it.
    request
        Columns known from the row itself.
    suspicions
        Those among them that know the answer.
    """

    dataset: str
    source: SourceSpec
    path: str
    n_rejected: int
    doubts: tuple[str, ...]
    columns: FileColumns
    clock: Clock
    key: Key
    entities: tuple[View, ...]
    rules: tuple[Rule, ...]
    target: Target | None
    candidates: tuple[Candidate, ...]
    label_time: str
    label_question: str
    request: tuple[Column, ...]
    suspicions: tuple[Suspicion, ...]
    lookback: str

    @property
    def event_time(self) -> str:
        """The column that is the clock, real or made."""
        made = {"rows": "row_time", "load": "load_time"}
        return self.clock.event_time or made[self.clock.every]

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self.columns.columns[0].n_rows


def write(found: Findings, *, type_name: str) -> str:
    """Return the text of `defs.yaml`."""
    name = Path(found.path).name
    lines = [
        *comment(
            f"Written by `dg scaffold` from {name}: {found.n_rows:,} rows, {len(found.columns.columns)} columns. "
            f"Comments with `{DECIDE}` ask for what the data cannot tell. Check with `dg check defs`, look before you run with "
            "`python -m pipelines.preview`, run with `python -m pipelines.replay`. Every key: docs/pipeline-reference.md.",
            0,
        ),
        f"type: {type_name}",
        "attributes:",
        f"  description: {scalar(_description(found))}",
        *_partitions(found),
        "",
        "  datasets:",
        f"    {found.dataset}:",
        *_source(found),
        *_columns(found),
        *_event_time(found),
        *_key(found),
        *_expectations(found),
    ]
    if found.entities:
        lines += ["", *_features(found)]
    lines += ["", *(_learning(found, found.target) if found.target is not None else _watching(found))]
    return "\n".join(lines) + "\n"


def _ask(text: str, indent: int) -> list[str]:
    return comment(f"{DECIDE} {text}", indent)


def _description(found: Findings) -> str:
    if found.target is None:
        return f"Is {found.dataset} what it used to be?"
    return f"What will {found.target.column} be?"


def _partitions(found: Findings) -> list[str]:
    clock = found.clock
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
                f"No clock: {clock.reason}. Each changed state of the file is a load, and loads are compared with each other.",
                2,
            ),
            "  partitions: {every: load}",
        ]
    assert clock.start is not None
    assert clock.end is not None
    start, end = (_day_or_hour(instant.isoformat(sep=" ")) for instant in (clock.start, clock.end))
    lines = comment(
        f"A run handles one partition. {clock.reason.capitalize()}; {clock.every} is the longest that gives enough of them.",
        2,
    )
    lines += _ask(
        "`end` is where the file ends. Remove it while data keeps arriving; then partitions close on the clock.",
        2,
    )
    if not _has_zone(found):
        lines += _ask(
            f"times in '{clock.event_time}' carry no zone, and are read as UTC. In which zone were they written?",
            2,
        )
    return [*lines, f"  partitions: {{every: {clock.every}, start: {start}, end: {end}, timezone: UTC}}"]


def _day_or_hour(text: str) -> str:
    return text.removesuffix(" 00:00:00") if text.endswith(" 00:00:00") else text.replace(" ", "T")


def _has_zone(found: Findings) -> bool:
    name = found.clock.event_time
    return name is None or found.columns[name].type == "timestamp_tz"


def _source(found: Findings) -> list[str]:
    source = found.source
    written: dict[str, object] = {"type": source.type, "path": found.path}
    for key in ("mode", "delimiter", "encoding", "sheet"):
        if key in source.model_fields_set:
            written[key] = getattr(source, key)
    if len(found.columns.null_values) > 1:
        written["null_values"] = list(found.columns.null_values)
    lines = [line for doubt in found.doubts for line in _ask(doubt, 6)]
    if found.n_rejected:
        total = found.n_rows + found.n_rejected
        lines += _ask(
            f"{found.n_rejected:,} of {total:,} lines could not be read, and will be kept among the rejects. Are they worth mending?",
            6,
        )
        share = found.n_rejected / total
        if share > 0.01:
            written["max_rejected_share"] = round(min(1.0, share + 0.01), 3)
    if len(found.columns.null_values) > 1:
        lines += comment(
            f"Numbers and times are missing where the file says {', '.join(found.columns.null_values[1:])}.",
            6,
        )
    if source.type == "csv" and "encoding" in source.model_fields_set:
        lines += _ask(
            f"the file is not UTF-8, and is read as {source.encoding}. Are names with accents right?", 6
        )
    return [*lines, f"      source: {flow(written)}"]


def _columns(found: Findings) -> list[str]:
    lines = ["      columns:"]
    for column in found.columns.columns:
        kind = "timestamp_tz" if column.name == found.clock.event_time else column.type
        if column.question:
            lines += _ask(f"{column.name}: {column.question}", 8)
        notes = [note for note in (column.note, _fullness(column)) if note]
        written: dict[str, object] = {"type": kind}
        if column.sql is not None:
            written["sql"] = column.sql
        if column.null_values is not None:
            written["null_values"] = list(column.null_values)
        shown = f"{scalar(column.name)}: {flow(written) if len(written) > 1 else kind}"
        lines.append(f"        {shown}" + (f"  # {_one_line('; '.join(notes))}" if notes else ""))
    return lines


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


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _event_time(found: Findings) -> list[str]:
    lines = comment("Says which partition a row belongs to.", 6)
    if found.clock.others:
        lines = _ask(
            f"this says which partition a row belongs to. It could also be {', '.join(found.clock.others)}. Which is when a row came to be?",
            6,
        )
    if found.clock.every == "rows":
        lines = comment("Made by Driftline: row n of the file is minute n after 2000-01-01.", 6)
    if found.clock.every == "load":
        lines = comment(
            "Made by Driftline: a load is a day after 2000-01-01, its rows spread over the day by their key.",
            6,
        )
    return [*lines, f"      event_time: {scalar(found.event_time)}"]


def _key(found: Findings) -> list[str]:
    text = f"Identifies a row: {found.key.reason}."
    lines = _ask(f"{text} Is there a better one?", 6) if found.key.is_made else comment(text, 6)
    return [*lines, f"      key: {flow(list(found.key.columns))}"]


def _expectations(found: Findings) -> list[str]:
    lines = comment(
        "What held in this file, with margins. `severity` (info, warning, critical) weighs a rule in the quality score; `on_failure: quarantine` puts "
        "failing rows aside, `on_failure: block` stops everything downstream.",
        6,
    )
    lines += _ask("which of these are rules, and which only happened to hold? Delete the latter.", 6)
    lines.append("      expectations:")
    for rule in found.rules:
        written: dict[str, object] = {"expect": rule.expect, **dict(rule.arguments)}
        if rule.severity != "warning":
            written["severity"] = rule.severity
        if rule.on_failure != "report":
            written["on_failure"] = rule.on_failure
        lines += comment(rule.reason, 8)
        lines.append(f"        - {flow(written)}")
    return lines


def _features(found: Findings) -> list[str]:
    lines = comment("Whom rows are about, and the columns that identify one.", 2)
    entities = {view.entity: list(view.keys) for view in found.entities}
    lines += [f"  entities: {flow(entities)}", "", "  features:"]
    for view in found.entities:
        lines += [
            f"    {view.name}:",
            f"      entity: {scalar(view.entity)}",
            f"      sql: {scalar(f'features/{view.name}.sql')}",
            *_ask(f"how far back does the past of {', '.join(view.keys)} matter?", 6),
            f"      lookback: {found.lookback}",
            f"      ttl: {found.lookback}",
        ]
    return lines


def _learning(found: Findings, target: Target) -> list[str]:
    time = sql_name(found.event_time)
    lines = [
        "  target:",
        f"    dataset: {found.dataset}",
        *_ask(
            "when is the prediction made? Features are joined as of this instant, and nothing known later may enter.",
            4,
        ),
        f"    prediction_time: {scalar(time)}",
    ]
    for question in target.questions:
        lines += _ask(f"{target.column}: {question}", 4)
    lines += [
        *comment(f"The truth ({target.reason}; {target.n_labelled:,} of {found.n_rows:,} rows have one).", 4),
        f"    label: {scalar(target.label)}",
        *_ask(found.label_question, 4),
        f"    label_time: {scalar(found.label_time)}",
        f"    problem: {target.problem}",
        *_request(found),
        "",
        *_model(found, target),
    ]
    return lines


def _request(found: Findings) -> list[str]:
    suspected = {suspicion.column: suspicion for suspicion in found.suspicions}
    lines = _ask(
        "is each of these known at the instant of the prediction? Delete what is written down only later.", 4
    )
    entries: list[str] = []
    taken: list[str] = []
    for column in found.request:
        name = identifier(column.name, taken)
        taken.append(name)
        entry = f"{name}: {scalar(sql_name(column.name))}"
        if column.name in suspected:
            entries += _ask(
                f"'{column.name}' seems to know the answer ({suspected[column.name].evidence}), so it is left out. "
                "Take it in if it is truly known beforehand.", 6,
            )  # fmt: skip
            entries.append(f"      # {_one_line(entry)}")
        else:
            entries.append(f"      {entry}")
    time = sql_name(found.event_time)
    if found.clock.event_time is not None and found.columns[found.clock.event_time].type != "date":
        entries.append(f"      {identifier('hour_of_day', taken)}: {scalar(f'hour({time})')}")
    if found.clock.event_time is not None and found.clock.every in ("hour", "day", "week", "month"):
        entries.append(f"      {identifier('day_of_week', taken)}: {scalar(f'dayofweek({time})')}")
    if not any(not entry.lstrip().startswith("#") for entry in entries):
        return [*lines, *entries]
    return [*lines, "    request_features:", *entries]


def _model(found: Findings, target: Target) -> list[str]:
    per_partition = max(1, found.clock.rows_per_partition)
    wanted = round(MIN_RARE_ROWS / target.rare_share) if target.rare_share else LEAST_LABELS
    # Rare classes want more rows, but not so many that this file never sees a model.
    labels = max(LEAST_LABELS, min(wanted, 10_000, target.n_labelled // 3))
    lines = ["  model:"]
    if target.n_labelled < labels:
        lines += _ask(
            f"{target.n_labelled:,} labelled rows are too few to train and compare models on (about {labels:,} are needed). "
            "Until then data is checked and watched, and nothing is learned.", 4,
        )  # fmt: skip
    lines += [
        f"    candidates: {flow(list(ALGORITHMS[target.problem]))}",
        f"    metric: {METRICS[target.problem]}",
    ]
    if found.clock.every == "load":
        lines += [
            *comment("A load holds all rows: a model learns from the newest alone.", 4),
            "    train_window: 1",
        ]
    lines += _ask("what must a model reach to be of use? Add gate: {min_metric: …}.", 4)
    min_rows = max(30, min(500, per_partition // 2))
    return [
        *lines,
        "",
        *comment(
            "Drift: the least effect that counts (low, medium, high), and the least rows that tell anything.",
            2,
        ),
        f"  drift: {{sensitivity: medium, min_rows: {min_rows}}}",
        *comment(
            "A challenger is trained when performance is surely lost, and after `max_age` partitions at the latest.",
            2,
        ),
        f"  retrain: {{on: [performance, schedule], max_age: {_max_age(found)}, min_new_labels: {labels}}}",
    ]


def _max_age(found: Findings) -> int:
    return {"hour": 48, "day": 14, "week": 8, "month": 3, "rows": 8, "load": 5}[found.clock.every]


def _watching(found: Findings) -> list[str]:
    lines = comment("Nothing is predicted yet: quality is checked and drift is watched.", 2)
    if found.candidates:
        ranked = "; ".join(
            f"{place}. {c.column} ({c.reason})" for place, c in enumerate(found.candidates[:5], start=1)
        )
        lines += _ask(
            f"is there something to predict? Plausible targets: {ranked}. Scaffold again with --target, or write a `target` block.",
            2,
        )
    min_rows = max(30, min(500, found.clock.rows_per_partition // 2))
    reference = 1 if found.clock.every == "load" else 3
    return [
        *lines,
        *_ask("what is normal: the first partitions, or (reference: previous) those just before?", 2),
        f"  drift: {{sensitivity: medium, min_rows: {min_rows}, reference: first, reference_partitions: {reference}}}",
    ]


def decisions(text: str) -> Sequence[tuple[int, str]]:
    """List the `decide:` comments of a declaration, with their lines."""
    found: list[tuple[int, str]] = []
    is_open = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith(f"# {DECIDE}"):
            found.append((number, stripped.removeprefix(f"# {DECIDE}").strip()))
            is_open = True
        elif is_open and stripped.startswith("# ") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {stripped.removeprefix('# ')}")
        else:
            is_open = False
    return found
