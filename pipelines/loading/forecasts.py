"""Forecasts of a declaration spelled out: instants from the horizon, and the view of the values that differences are taken to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

from declaration.features import FeatureViewSpec
from declaration.forecast import (
    BEFORE,
    BEFORE_ENTITY,
    BEFORE_VALUE,
    GENERATED,
    HORIZON,
    SEASON_PLACE,
    DifferenceSpec,
    added_columns,
    event_instant_of,
    hours,
    prediction_time_sql,
)
from declaration.spec import PipelineSpec
from declaration.sql import quote_identifier
from declaration.target import TargetSpec
from declaration.target_sql import LabelError, target_event_time, target_key
from pipelines.loading.checks.expressions import columns_of, declared_types, empty_database
from pipelines.loading.problems import Fault, KeyPath
from pipelines.loading.recovery import is_unreliable

UNKNOWN_LAG = timedelta(days=31)
"""Time that labels are thought to take where it depends on more than the event time."""


def forecast_faults(spec: PipelineSpec, unreliable_paths: Collection[KeyPath]) -> Iterator[Fault]:
    """Find instants that nothing says, or two things say, and names that a forecast needs for itself."""
    target = spec.target
    if target is None or is_unreliable(("target",), unreliable_paths):
        return
    for key in ("prediction_time", "label_time"):
        if not target.horizon and not getattr(target, key):
            text = f"missing key '{key}' in target. Declare it; of a forecast `horizon` says it."
            yield Fault(("target", key), text)
    if target.horizon and target.prediction_time:
        text = "target.prediction_time and target.horizon both say when a prediction is made. Keep one."
        yield Fault(("target", "prediction_time"), text)
    if len(set(target.horizon)) < len(target.horizon):
        yield Fault(("target", "horizon"), "target.horizon has a span twice. Name each once.")
    if target.difference is not None and target.problem != "regression":
        text = f"target.difference is for a regression, and the target is {target.problem}. Leave it out."
        yield Fault(("target", "difference"), text)
    yield from _taken_names(spec, target)


def _taken_names(spec: PipelineSpec, target: TargetSpec) -> Iterator[Fault]:
    dataset = spec.datasets.get(target.dataset)
    columns = {name.lower() for name in dataset.columns} if dataset else set()
    names = [HORIZON] if len(target.horizon) > 1 else []
    if target.difference is not None:
        names.append(SEASON_PLACE)
        for block, name, taken in (
            ("features", BEFORE, spec.features),
            ("entities", BEFORE_ENTITY, spec.entities),
        ):
            if name in taken:
                text = f"{block}.{name}: target.difference makes one of that name. Choose another."
                yield Fault((block, name), text)
    for name in names:
        if name in columns:
            text = f"datasets.{target.dataset} has a column '{name}', which a forecast adds to its rows. Rename it."
            yield Fault(("datasets", target.dataset, "columns", name), text)
    if HORIZON in names and HORIZON in target.request_features:
        text = (
            f"target.request_features.{HORIZON}: with several horizons it is a feature by itself. Remove it."
        )
        yield Fault(("target", "request_features", HORIZON), text)


def with_forecast(spec: PipelineSpec, texts: Mapping[str, str]) -> tuple[PipelineSpec, Mapping[str, str]]:
    """Spell a forecast out: what `horizon` and `difference` say as instants, key, features, and a view with its SQL.

    A declaration without them, or whose rows have no event time or key, comes back as it is.
    """
    target = spec.target
    if target is None or not (target.horizon or target.difference):
        return spec, texts
    try:
        event_time, key = target_event_time(spec), target_key(spec)
    except LabelError:
        return spec, texts
    if target.horizon:
        target = _with_instants(spec, target, event_time, key)
        spec = spec.model_copy(update={"target": target})
    if target.difference is None:
        return spec, texts
    series = tuple(name for name in key if name not in (event_time, HORIZON))
    keys = (*series, *(name for name in added_columns(spec, event_time) if name == SEASON_PLACE))
    view = FeatureViewSpec(
        entity=BEFORE_ENTITY if keys else None,
        sql=GENERATED,
        lookback=_label_lag(spec, event_time),
        ttl=target.difference.reach,
        description=_described(target.difference),
    )
    update: dict[str, object] = {"features": {**spec.features, BEFORE: view}}
    if keys:
        update["entities"] = {**spec.entities, BEFORE_ENTITY: keys}
    sql = _before_sql(spec, target.difference, event_time, series)
    return spec.model_copy(update=update), {**texts, GENERATED: sql}


def _with_instants(
    spec: PipelineSpec, target: TargetSpec, event_time: str, key: tuple[str, ...]
) -> TargetSpec:
    instant = event_instant_of(spec, event_time)
    update: dict[str, object] = {
        "prediction_time": prediction_time_sql(instant, target.horizon),
        "label_time": target.label_time or _known(spec, target, instant),
    }
    if len(target.horizon) > 1:
        update["key"] = (*key, HORIZON)
        update["request_features"] = {**target.request_features, HORIZON: HORIZON}
    return target.model_copy(update=update)


def _known(spec: PipelineSpec, target: TargetSpec, instant: str) -> str:
    """Return the SQL of when the last of the label's columns is known: by default with the event."""
    from sqlglot.errors import SqlglotError

    dataset = spec.datasets.get(target.dataset)
    if dataset is None:
        return instant
    try:
        read = columns_of(target.label)
    except SqlglotError:
        # Said of the label itself, where expressions are judged.
        return instant
    declared = (dataset.column(name).known_at for name in dataset.columns if name.lower() in read)
    known = list(dict.fromkeys(sql for sql in declared if sql is not None))
    if len(known) > 1:
        return f"greatest({', '.join(known)})"
    return known[0] if known else instant


def _before_sql(
    spec: PipelineSpec, difference: DifferenceSpec, event_time: str, series: tuple[str, ...]
) -> str:
    """Return the query of a row for each label, stamped with when it became known."""
    target, instant = spec.learned, event_instant_of(spec, event_time)
    columns = [quote_identifier(name) for name in series]
    if place := difference.place_sql(instant, spec.partitions.timezone):
        columns.append(f"{place} AS {SEASON_PLACE}")
    columns.append(f"CAST({target.label_time} AS TIMESTAMPTZ) AS event_timestamp")
    listed = ",\n  ".join(columns)
    grouped = ", ".join(str(number) for number in range(1, len(columns) + 1))
    where = f"({target.where}) AND " if target.where else ""
    return (
        f"-- Made of target.difference. Of labels that became known at one instant the newest counts.\n"
        f"SELECT\n  {listed},\n  arg_max(CAST({target.label} AS DOUBLE), {instant}) AS {BEFORE_VALUE}\n"
        f"FROM {quote_identifier(target.dataset)}\n"
        f"WHERE {where}({target.label}) IS NOT NULL AND ({target.label_time}) IS NOT NULL\nGROUP BY {grouped}\n"
    )


def _label_lag(spec: PipelineSpec, event_time: str) -> timedelta:
    """Return how long after its event a label is known, an hour more than is needed; of other columns `UNKNOWN_LAG`."""
    import duckdb

    target, dataset = spec.learned, spec.datasets.get(spec.learned.dataset)
    if dataset is None:
        return UNKNOWN_LAG
    types = declared_types(dataset)
    row = ", ".join(
        f"CAST({'moment' if name == event_time else 'NULL'} AS {kind}) AS {quote_identifier(name)}"
        for name, kind in types.items()
    )
    lag = f"CAST(({target.label_time}) AS TIMESTAMPTZ) - {event_instant_of(spec, event_time)}"
    # All hours of a year: what is published at a fixed hour takes longer for some events than for others.
    moments = (
        "SELECT unnest(range(TIMESTAMP '2024-01-01', TIMESTAMP '2025-01-01', INTERVAL 1 HOUR)) AS moment"
    )
    with empty_database() as connection:
        try:
            found = connection.sql(
                f"SELECT max(epoch({lag})), count({lag}) = count(*) FROM (SELECT {row} FROM ({moments}))"
            ).fetchall()
        except duckdb.Error:
            # Said of `label_time` itself, where expressions are judged.
            return UNKNOWN_LAG
    (longest, is_known) = found[0]
    return timedelta(seconds=max(0.0, longest)) + timedelta(hours=1) if is_known else UNKNOWN_LAG


def _described(difference: DifferenceSpec) -> str:
    if difference.to == "last":
        return "The newest known value of the series, which the label's change is taken against."
    season = "a year" if difference.to == "year" else f"a season of {hours(difference.to):g} hours"
    return f"The value of the series {season} before, or of the newest such place that was known: the label's change is taken against it."
