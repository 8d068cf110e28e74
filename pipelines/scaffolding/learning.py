"""The part of a declaration that learns: features, target, model, drift and retraining."""

from __future__ import annotations

from collections.abc import Mapping

from declaration.target import ProblemType
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.findings import Findings, ask
from pipelines.scaffolding.forecast_target import forecast_target, series_view
from pipelines.scaffolding.roles import Target
from pipelines.scaffolding.text import comment, flow, one_line, scalar, sql_name
from pipelines.scaffolding.views import identifier

ALGORITHMS: Mapping[ProblemType, tuple[str, ...]] = {
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


def features(findings: Findings) -> list[str]:
    """Return the lines of entities and feature views."""
    lines: list[str] = []
    entities = {view.entity: list(view.keys) for view in findings.entities if view.entity}
    if entities:
        lines += comment("Whom rows are about, and the columns that identify one.", 2)
        lines += [f"  entities: {flow(entities)}", ""]
    lines.append("  features:")
    if findings.series is not None:
        return [*lines, *series_view(findings.series)]
    for view in findings.entities:
        lines += [
            f"    {view.name}:",
            f"      entity: {scalar(view.entity)}",
            f"      sql: {scalar(f'features/{view.name}.sql')}",
            *ask(f"how far back does the past of {', '.join(view.keys)} matter?", 6),
            f"      lookback: {findings.lookback}",
            f"      ttl: {findings.lookback}",
        ]
    return lines


def learning(findings: Findings, target: Target) -> list[str]:
    """Return the lines of target, model, drift and retraining."""
    if findings.series is not None:
        return [*forecast_target(findings, findings.series, target), "", *_model(findings, target)]
    time = sql_name(findings.event_time)
    lines = [
        "  target:",
        f"    dataset: {findings.dataset}",
        *ask(
            "when is the prediction made? Features are joined as of this instant, and nothing known later may enter.",
            4,
        ),
        f"    prediction_time: {scalar(time)}",
    ]
    for question in target.questions:
        lines += ask(f"{target.column}: {question}", 4)
    lines += [
        *comment(
            f"The truth ({target.reason}; {target.n_labelled:,} of {findings.n_rows:,} rows have one).", 4
        ),
        f"    label: {scalar(target.label)}",
        *ask(findings.label_question, 4),
        f"    label_time: {scalar(findings.label_time)}",
        f"    problem: {target.problem}",
        *_request(findings),
        "",
        *_model(findings, target),
    ]
    return lines


def refuse_without_features(findings: Findings) -> None:
    """Refuse a target that nothing is left to learn from.

    Raises
    ------
    ScaffoldError
        With the columns that seem to know the answer, which are not taken for features unasked.
    """
    if findings.target is None or findings.entities or _is_learned_from(_request(findings)):
        return
    why = "".join(f"; '{s.column}' seems to know the answer ({s.evidence})" for s in findings.suspicions)
    raise ScaffoldError(
        f"--target {findings.target.column}: no other column can be a feature: keys, times and constants are none"
        f"{why}. Name a file with more columns, or leave --target out to watch this one."
    )


def _is_learned_from(request: list[str]) -> bool:
    return any(line.strip() == "request_features:" for line in request)


def _request(findings: Findings) -> list[str]:
    suspected = {suspicion.column: suspicion for suspicion in findings.suspicions}
    lines = ask(
        "is each of these known at the instant of the prediction? Delete what is written down only later.", 4
    )
    entries: list[str] = []
    taken: list[str] = []
    for column in findings.request:
        name = identifier(column.name, taken)
        taken.append(name)
        entry = f"{name}: {scalar(sql_name(column.name))}"
        if column.name in suspected:
            entries += ask(
                f"'{column.name}' seems to know the answer ({suspected[column.name].evidence}), so it is left out. "
                "Take it in if it is truly known beforehand.", 6,
            )  # fmt: skip
            entries.append(f"      # {one_line(entry)}")
        else:
            entries.append(f"      {entry}")
    time = sql_name(findings.event_time)
    clock_column = findings.clock.event_time
    if (
        clock_column is not None
        and findings.columns[clock_column].type != "date"
        and findings.clock.has_hours
    ):
        entries.append(f"      {identifier('hour_of_day', taken)}: {scalar(f'hour({time})')}")
    if clock_column is not None and findings.clock.every in ("hour", "day", "week", "month"):
        entries.append(f"      {identifier('day_of_week', taken)}: {scalar(f'dayofweek({time})')}")
    if not any(not entry.lstrip().startswith("#") for entry in entries):
        return [*lines, *entries]
    return [*lines, "    request_features:", *entries]


def _model(findings: Findings, target: Target) -> list[str]:
    per_partition = max(1, findings.clock.rows_per_partition)
    rows_wanted = round(MIN_RARE_ROWS / target.rare_share) if target.rare_share else LEAST_LABELS
    # Rare classes want more rows, but not so many that this file never sees a model.
    labels = max(LEAST_LABELS, min(rows_wanted, 10_000, target.n_labelled // 3))
    lines = ["  model:"]
    if target.n_labelled < labels:
        lines += ask(
            f"{target.n_labelled:,} labelled rows are too few to train and compare models on (about {labels:,} are needed). "
            "Until then data is checked and watched, and nothing is learned.", 4,
        )  # fmt: skip
    lines += [
        f"    candidates: {flow(list(ALGORITHMS[target.problem]))}",
        f"    metric: {METRICS[target.problem] if findings.series is None else 'mae'}",
    ]
    if findings.series is not None:
        lines.append("    intervals: {level: 0.9}")
    if findings.clock.every == "load":
        lines += [
            *comment("A load holds all rows: a model learns from the newest alone.", 4),
            "    train_window: 1",
        ]
    lines += ask("what must a model reach to be of use? Add gate: {min_metric: …}.", 4)
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
        f"  retrain: {{on: [performance, schedule], max_age: {_max_age(findings)}, min_new_labels: {labels}}}",
    ]


def _max_age(findings: Findings) -> int:
    return {"hour": 48, "day": 14, "week": 8, "month": 3, "rows": 8, "load": 5}[findings.clock.every]


def watching(findings: Findings) -> list[str]:
    """Return the lines of a pipeline that predicts nothing yet."""
    lines = comment("Nothing is predicted yet: quality is checked and drift is watched.", 2)
    if findings.candidates:
        ranked = "; ".join(
            f"{place}. {c.column} ({c.reason})" for place, c in enumerate(findings.candidates[:5], start=1)
        )
        lines += ask(
            f"is there something to predict? Plausible targets: {ranked}. Scaffold again with --target, or write a `target` block.",
            2,
        )
    min_rows = max(30, min(500, findings.clock.rows_per_partition // 2))
    reference = 1 if findings.clock.every == "load" else 3
    return [
        *lines,
        *ask("what is normal: the first partitions, or (reference: previous) those just before?", 2),
        f"  drift: {{sensitivity: medium, min_rows: {min_rows}, reference: first, reference_partitions: {reference}}}",
    ]
