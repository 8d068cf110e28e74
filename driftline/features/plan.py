"""Plan of a feature change: what a declaration changes of the registered features, before it happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assets.features.view_sql import FeatureError, stable_types
from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, queries_behind
from resources.connections import Connections
from resources.feature_store.changes import CONSEQUENCES, FeatureChange
from resources.feature_store.guard import Loss, accept_loss, champion_loss
from resources.lake.views import register_tables


@dataclass(frozen=True)
class Plan:
    """Plan of changes to a feature store.

    Attributes
    ----------
    registry
        What `apply` changes now.
    sql
        What the views' SQL changes with the next partition that is materialized.
    unread
        Views whose SQL could not be tried, and why.
    loss
        What the champion would lose; None where it loses nothing.
    """

    registry: tuple[FeatureChange, ...]
    sql: tuple[FeatureChange, ...]
    unread: tuple[str, ...]
    loss: Loss | None


def plan_features(pipeline: Pipeline, connections: Connections) -> Plan:
    """Compare a declaration and its SQL with the registry and the lake; nothing is written."""
    registry = connections.feature_store.planned(pipeline, connections.lake)
    sql: list[FeatureChange] = []
    unread: list[str] = []
    for view in pipeline.spec.features:
        try:
            sql.extend(_sql_changes(pipeline, view, connections))
        except DriftlineError as error:
            unread.append(f"{view}: {error}")
    uri = connections.registry.tracking_uri
    loss = champion_loss(pipeline.name, (*registry, *sql), connections.lake, tracking_uri=uri)
    return Plan(registry, tuple(sql), tuple(unread), loss)


def apply_features(
    pipeline: Pipeline, connections: Connections, *, force: bool, actor: str, clock: datetime
) -> Plan:
    """Register the features as declared; return what that changed.

    Parameters
    ----------
    pipeline
        Whose features.
    connections
        Lake and stores.
    force
        Whether the present champion may lose what it reads; that is written down.
    actor, clock
        Who and when (UTC); recorded with what is accepted.

    Raises
    ------
    FeatureChangeError
        If the champion would lose what it reads, without `force`; nothing is written then.
    """
    plan = plan_features(pipeline, connections)
    if force and plan.loss is not None:
        accept_loss(connections.lake, pipeline.name, plan.loss, actor=actor, clock=clock)
    connections.feature_store.apply(pipeline, connections.lake)
    return plan


def _sql_changes(pipeline: Pipeline, view: str, connections: Connections) -> Sequence[FeatureChange]:
    """Ask the engine for the columns that a view's SQL gives now, without running it."""
    import duckdb

    spec = pipeline.spec.features[view]
    table = pipeline.table("features", view)
    if not connections.lake.has(table) or not (partitions := connections.lake.snapshot(table).partitions):
        return ()
    newest = partitioning(pipeline.spec.partitions).window(partitions[-1])
    sql = pipeline.sql[spec.sql]
    with connections.engine.connect() as connection:
        register_tables(
            connection,
            pipeline,
            connections.lake,
            datasets=datasets_behind(pipeline, sql),
            queries=queries_behind(pipeline, sql),
            start=newest.start - spec.lookback,
            end=newest.end,
        )
        body = sql.strip().rstrip(";")
        keys = pipeline.spec.view_keys(view)
        try:
            schema = connection.sql(f"SELECT * FROM ({body}) LIMIT 0").to_arrow_table().schema
            typed = connection.sql(f"SELECT * FROM ({stable_types(body, schema, keys)}) LIMIT 0")
            columns = typed.to_arrow_table().schema
        except duckdb.Error as error:
            text = " ".join(str(error).split())
            raise FeatureError(f"feature view '{view}' ({spec.sql}): {text}. Correct its SQL.") from error
    return connections.feature_store.planned_columns(pipeline, view, columns, connections.lake)


def told(plan: Plan) -> str:
    """Write a plan for people."""
    lines: list[str] = []
    for title, changes in (("Registry", plan.registry), ("With the next partition", plan.sql)):
        if changes:
            lines.append(f"{title}:")
            for change in changes:
                lines += [f"  {change}", f"    {CONSEQUENCES[change.kind]}"]
    lines += [f"Not tried: {text}" for text in plan.unread]
    if plan.loss is not None:
        lines.append(
            f"Champion {plan.loss.champion} reads what would be lost: {', '.join(plan.loss.changes)}."
        )
    return "\n".join(lines) or "No changes: what is registered is what is declared."
