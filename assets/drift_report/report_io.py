"""What every drift report reads and writes beside what it compares: quality, the pages, the tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from assets.drift_report.bins import SketchError
from assets.drift_report.examination import Findings
from assets.drift_report.life import (
    MAX_WINDOWS,
    Judgement,
    Life,
    LifeWindow,
    Serving,
    courses,
    serving_since,
    trained_as_of,
)
from assets.drift_report.life_page import render_life
from assets.drift_report.life_rows import FILE, read_current, read_reference, read_states, read_windows
from assets.drift_report.lost_performance import OpenLoss
from assets.drift_report.pages import LIFE_PAGE
from assets.drift_report.policy import RetrainDecision
from assets.drift_report.signal_tables import loss_table, separation_table
from assets.drift_report.tables import (
    decision_table,
    report_table,
    slice_table,
    window_table,
)
from assets.materialization import Scope
from declaration.pipeline import Pipeline
from declaration.windows import Window, partitions_since
from resources.lake import Lake, Snapshot, scan
from resources.ledger import Decision, read_ledger

if TYPE_CHECKING:
    import duckdb

CRITICAL_QUALITY = 0.5
"""Quality score below which a window is broken: half of what was expected of it does not hold."""


@dataclass(frozen=True)
class Quality:
    """The least quality score of the window's datasets, what is broken, and the tables read."""

    score: float | None
    faults: tuple[str, ...]
    reads: tuple[str, ...]


def report_window(pipeline: Pipeline, scope: Scope) -> Window:
    """Return the partition that a report is about.

    Raises
    ------
    SketchError
        If none was given.
    """
    if scope.window is None:
        raise SketchError(
            f"the drift report of '{pipeline.name}' is about a partition, and none was given. "
            "Materialize it for a partition key."
        )
    return scope.window


def read_quality(
    pipeline: Pipeline, span: Window, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> Quality:
    """Read how good each dataset's partition was found to be."""
    scores, faults, reads = {}, [], []
    for name, dataset in pipeline.spec.datasets.items():
        table = pipeline.table("quality", name)
        if not dataset.is_partitioned or not lake.has(table):
            continue
        history = lake.snapshot(table)
        failures = "any_value(critical_failures)" if "critical_failures" in history.schema.names else "NULL"
        score, is_blocked, failed = connection.sql(
            f"SELECT max(score), bool_or(is_blocked), {failures} FROM {scan(history, [span.key])}"
        ).fetchall()[0]
        reads.append(f"{table}@{history.version}")
        if is_blocked:
            faults.append(f"a blocking expectation of {name} failed")
        elif failed:
            faults.append(f"{name} failed the critical {', '.join(failed)}")
        if score is not None:
            scores[name] = float(score)
            if score < CRITICAL_QUALITY:
                faults.append(f"quality score of {name} is {score:.2f}, below {CRITICAL_QUALITY}")
    return Quality(min(scores.values(), default=None), tuple(faults), tuple(reads))


def earlier_reports(pipeline: Pipeline, span: Window, lake: Lake) -> tuple[Snapshot, tuple[str, ...]] | None:
    """Return the table of the reports' decisions and its partitions before this window; None if there are none."""
    table = pipeline.table("drift_decisions")
    decisions = lake.snapshot(table) if lake.has(table) else None
    earlier = tuple(key for key in decisions.partitions if key < span.key) if decisions is not None else ()
    return (decisions, earlier) if decisions is not None and earlier else None


def read_open_loss(
    decisions: Snapshot, before: str, connection: duckdb.DuckDBPyConnection
) -> OpenLoss | None:
    """Read what was still to be regained after the report of an earlier partition."""
    if "objective" not in decisions.schema.names:
        return None
    rows = scan(decisions, [before])
    objective, since = connection.sql(f"SELECT objective, loss_since FROM {rows}").fetchall()[0]
    return None if objective is None else OpenLoss(objective, since)


def write_page(folder: Path, pipeline: Pipeline, span: Window, page: str) -> Path:
    """Write `<pipeline>/<partition>.html` whole or not at all."""
    return _write_whole(folder / pipeline.name / f"{span.key.replace(':', '')}.html", page)


def write_life(folder: Path, life: Life) -> Path:
    """Write `<pipeline>/index.html` whole or not at all: of reports at one time, the last one's page stays."""
    return _write_whole(folder / life.pipeline / LIFE_PAGE, render_life(life))


def _write_whole(path: Path, page: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs in two containers may share the folder and the process id.
    draft = path.with_suffix(f".{uuid4().hex}.part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path


def kept_reference(pipeline: Pipeline, key: str, lake: Lake) -> str | None:
    """Return the relation of a reference that is kept in `<pipeline>/sketches`; None where it is not."""
    table = pipeline.table("sketches")
    kept = lake.snapshot(table) if lake.has(table) else None
    return scan(kept, [key]) if kept is not None and key in kept.partitions else None


def read_life(
    pipeline: Pipeline,
    scope: Scope,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    written: Sequence[Snapshot],
    reference_key: Callable[[LifeWindow], str],
) -> Life:
    """Read what the page of the model's life shows, as of the newest report: few columns of small tables, once.

    Parameters
    ----------
    pipeline, scope
        Whose life, and the clock.
    lake, connection
        Where the reports, decisions and sketches are.
    written
        The tables that the present report has written: the versions that are read.
    reference_key
        Names what a window was compared with, in `<pipeline>/sketches`.

    Returns
    -------
    Life
        The newest windows, and the whole ledger.
    """
    tables = {snapshot.table: snapshot for snapshot in written}
    decisions, reports, sketches = (
        tables[pipeline.table(stage)] for stage in ("drift_decisions", "drift_report", "window_sketches")
    )
    keys = decisions.partitions[-MAX_WINDOWS:]
    windows = read_windows(connection, scan(decisions, keys))
    partition_of = {path: key for key in keys for path in reports.files.get(key, ())}
    states = read_states(connection, scan(reports, keys, file_column=FILE), partition_of)
    newest = windows[-1]
    kept = kept_reference(pipeline, reference_key(newest), lake)
    judgements = tuple(_judgement(entry) for entry in read_ledger(lake, pipeline.name))
    return Life(
        pipeline=pipeline.name,
        written_at=scope.clock,
        windows=windows,
        n_earlier=len(decisions.partitions) - len(keys),
        judgements=judgements,
        serving=_serving(pipeline, judgements, newest, lake, connection),
        columns=courses(states, keys),
        reference=read_reference(connection, kept) if kept else {},
        current=read_current(connection, scan(sketches, [newest.partition])) if kept else {},
    )


def _judgement(entry: Decision) -> Judgement:
    return Judgement(
        instant=entry.instant,
        partition=entry.partition,
        actor=entry.actor,
        action=entry.action,
        version=entry.version,
        champion_after=entry.champion_after,
        reason=entry.reason,
        explanation=_gate_explanation(entry.gate_report),
    )


def _gate_explanation(gate_report: str) -> str:
    """Take the sentence out of the gate's JSON; a rollback may have none, or words of its own."""
    try:
        verdict = json.loads(gate_report)
    except json.JSONDecodeError:
        return gate_report
    return str(verdict.get("explanation", "")) if isinstance(verdict, dict) else ""


def _serving(
    pipeline: Pipeline,
    judgements: Sequence[Judgement],
    newest: LifeWindow,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> Serving | None:
    since = serving_since(judgements)
    if since is None or since.champion_after is None:
        return None
    version = since.champion_after
    learned = trained_as_of(judgements, version)
    span = Window(newest.partition, newest.start, newest.end)
    return Serving(
        version=version,
        algorithm=_algorithm(pipeline, version, lake, connection),
        trained_as_of=learned,
        since=since,
        age=None if learned is None else partitions_since(pipeline.spec.partitions, learned, span),
    )


def _algorithm(pipeline: Pipeline, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection) -> str:
    """Return what a version is, of the candidates that its training compared; '' where they are not kept."""
    table = pipeline.table("candidates")
    if not lake.has(table):
        return ""
    compared = scan(lake.snapshot(table), [str(version)])
    found = connection.sql(f"SELECT any_value(algorithm) FROM {compared} WHERE is_best").fetchall()
    return str(found[0][0] or "")


def write_tables(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    findings: Findings,
    decision: RetrainDecision,
    quality: Quality,
    page: str,
    lake: Lake,
    open_loss: OpenLoss | None = None,
) -> tuple[Snapshot, ...]:
    """Write the statistics, the window's sketch and the decision; one commit each."""
    champion = findings.champion
    number = champion.version if champion else None
    row = decision_table(
        partition=span.key,
        window=(span.start, span.end),
        decided_at=scope.clock,
        version=number,
        n_current=findings.n_current,
        n_labelled=findings.n_labelled,
        verdict=findings.verdict,
        realised=findings.realised,
        estimated=findings.estimated,
        rise=findings.rise,
        reference_metric=champion.holdout_metric if champion else None,
        quality_score=quality.score,
        decision=decision,
        report_path=page,
        open_loss=open_loss,
    )
    rows = {
        "drift_report": report_table(number, findings.verdict),
        "window_sketches": window_table(number, findings.current),
        "drift_decisions": row,
    }
    if champion is not None:
        rows["loss_blocks"] = loss_table(span.key, number, findings.losses)
    if findings.separation is not None:
        rows["multivariate_drift"] = separation_table(number, findings.separation)
    if findings.slices:
        rows["slice_performance"] = slice_table(number, findings.slices)
    commit = scope.commit(pipeline)
    return tuple(
        lake.write(pipeline.table(stage), table, partition=span.key, commit=commit, cut=pipeline.cut())
        for stage, table in rows.items()
    )
