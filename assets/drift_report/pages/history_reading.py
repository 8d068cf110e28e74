"""Reads of the model history: what the lake, the registry and the ledger hold of a pipeline's windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from assets.drift_report.pages.history import (
    MAX_WINDOWS,
    HistoryWindow,
    Judgement,
    ModelHistory,
    ServingVersion,
    courses,
    serving_since,
    trained_as_of,
)
from assets.drift_report.pages.history_rows import (
    FILE,
    read_current,
    read_outcomes,
    read_reference,
    read_states,
    read_windows,
    with_skill,
)
from assets.drift_report.signal_tables import SERVED_OUTCOMES
from assets.drift_report.skill_table import BASELINE_SKILL
from assets.drift_report.tables import DRIFT_DECISIONS, DRIFT_REPORT
from assets.drift_report.tables_read import kept_reference
from assets.materialization import Scope
from assets.model.tables import CANDIDATES
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from drift.performance.outcomes import Outcomes
from drift.sketch.table import WINDOW_SKETCHES
from resources.lake.lake import Lake, Snapshot, scan
from resources.model_registry.ledger import Decision, read_ledger

if TYPE_CHECKING:
    import duckdb


def read_model_history(
    pipeline: Pipeline,
    scope: Scope,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    written: Sequence[Snapshot],
    reference_key: Callable[[HistoryWindow], str],
) -> ModelHistory:
    """Read the content of the model history's page, as of the newest report: few columns of small tables, once.

    Parameters
    ----------
    pipeline, scope
        Whose history, and the clock.
    lake, connection
        Where the reports, decisions and sketches are.
    written
        The tables that the present report has written: the versions that are read.
    reference_key
        Names what a window was compared with, in `<pipeline>/sketches`.

    Returns
    -------
    ModelHistory
        The newest windows, and the whole ledger.
    """
    tables = {snapshot.table: snapshot for snapshot in written}
    decisions, reports, sketches = (
        tables[table.of(pipeline.name)] for table in (DRIFT_DECISIONS, DRIFT_REPORT, WINDOW_SKETCHES)
    )
    keys = decisions.partitions[-MAX_WINDOWS:]
    windows = read_windows(connection, scan(decisions, keys))
    skill = tables.get(BASELINE_SKILL.of(pipeline.name)) or _kept(lake, BASELINE_SKILL.of(pipeline.name))
    if skill is not None:
        measured = [key for key in keys if key in skill.partitions]
        windows = with_skill(connection, windows, scan(skill, measured))
    partition_of = {path: key for key in keys for path in reports.files.get(key, ())}
    states = read_states(connection, scan(reports, keys, file_column=FILE), partition_of)
    newest = windows[-1]
    reference = kept_reference(pipeline, reference_key(newest), lake)
    judgements = tuple(_judgement(entry) for entry in read_ledger(lake, pipeline.name))
    return ModelHistory(
        pipeline=pipeline.name,
        written_at=scope.clock,
        windows=windows,
        n_earlier=len(decisions.partitions) - len(keys),
        judgements=judgements,
        serving=_serving(pipeline, judgements, newest, lake, connection),
        columns=courses(states, keys),
        reference=read_reference(connection, reference) if reference else {},
        current=read_current(connection, scan(sketches, [newest.partition])) if reference else {},
        outcomes=_outcomes(tables.get(SERVED_OUTCOMES.of(pipeline.name)), windows, connection),
    )


def _kept(lake: Lake, table: str) -> Snapshot | None:
    return lake.snapshot(table) if lake.has(table) else None


def _outcomes(
    table: Snapshot | None, windows: Sequence[HistoryWindow], connection: duckdb.DuckDBPyConnection
) -> Outcomes | None:
    """Read the outcomes of the predictions of the version whose labels came last."""
    labelled = [window for window in windows if window.n_labelled and window.model_version is not None]
    if table is None or not labelled or labelled[-1].model_version is None:
        return None
    partitions = [window.partition for window in windows if window.partition in table.partitions]
    return read_outcomes(connection, scan(table, partitions), labelled[-1].model_version)


def _judgement(entry: Decision) -> Judgement:
    return Judgement(
        instant=entry.instant,
        partition=entry.partition,
        actor=entry.actor,
        action=entry.action,
        version=entry.version,
        champion_after=entry.champion_after,
        reason=entry.reason,
        explanation=entry.explanation,
    )


def _serving(
    pipeline: Pipeline,
    judgements: Sequence[Judgement],
    newest: HistoryWindow,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> ServingVersion | None:
    since = serving_since(judgements)
    if since is None or since.champion_after is None:
        return None
    version = since.champion_after
    learned = trained_as_of(judgements, version)
    window = Window(newest.partition, newest.start, newest.end)
    return ServingVersion(
        version=version,
        algorithm=_algorithm(pipeline, version, lake, connection),
        trained_as_of=learned,
        since=since,
        age=None if learned is None else partitioning(pipeline.spec.partitions).n_since(learned, window),
    )


def _algorithm(pipeline: Pipeline, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection) -> str:
    """Return the algorithm of a version, from the candidates that its training compared; '' where they are not kept."""
    table = CANDIDATES.of(pipeline.name)
    if not lake.has(table):
        return ""
    compared = scan(lake.snapshot(table), [str(version)])
    rows = connection.sql(f"SELECT any_value(algorithm) FROM {compared} WHERE is_best").fetchall()
    return str(rows[0][0] or "")
