"""Two versions beside each other: what differs between them, and how they do on the same rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rich.text import Text

from assets.model.recorded import Recorded
from assets.model.same_rows import JudgedVersion, SameRows, order_of, read_same_rows
from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from driftline.model.known import chosen_version
from driftline.model.table import holdout_text
from driftline.model.versions import VersionRow
from driftline.printing import Column, console, print_table
from learning.environment import differences
from learning.model_file import model_from_bytes
from learning.training_rows import instant
from learning.version_comparison import MetricOfBoth, metrics_of_both
from resources.connections import Connections, connect
from resources.deployment import deployment
from resources.lake.errors import LakeError
from resources.lake.lake import scan
from resources.model_registry.ledger import read_ledger, trusted_sha256
from resources.model_registry.version import ModelVersion

Period = tuple[datetime, datetime]


class VersionComparisonError(DriftlineError):
    """Two versions cannot be compared as asked."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes
    ----------
    row, version
        What ledger and registry say of it.
    settings
        Of its training, by name; None where MLflow's run is gone.
    recorded
        Its environment.
    period
        First and last instant of its training set; None where the table's version is gone.
    training_set
        Table and version.
    """

    row: VersionRow
    version: ModelVersion
    settings: Mapping[str, str] | None
    recorded: Recorded
    period: Period | None
    training_set: str


@dataclass(frozen=True)
class VersionComparison:
    """All that is shown of two versions.

    Attributes
    ----------
    pipeline, first, second
        Of what, and the two.
    same_rows, metrics
        Rows that neither learned from, and every metric on them; None and empty where there are none.
    why_not
        Why there are none; '' where there are.
    """

    pipeline: str
    first: Side
    second: Side
    same_rows: SameRows | None
    metrics: tuple[MetricOfBoth, ...]
    why_not: str = ""

    @property
    def settings(self) -> Sequence[tuple[str, str | None, str | None]]:
        """Settings that differ, by name."""
        first, second = self.first.settings or {}, self.second.settings or {}
        names = sorted({*first, *second})
        return [
            (name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
        ]

    @property
    def n_settings_alike(self) -> int:
        """Number of settings that are alike."""
        first, second = self.first.settings or {}, self.second.settings or {}
        return sum(second.get(name) == value for name, value in first.items())

    @property
    def environment(self) -> Mapping[str, tuple[str, str]] | None:
        """Software and machine that differ; None where one of the two did not record them."""
        first, second = self.first.recorded.environment, self.second.recorded.environment
        return None if first is None or second is None else differences(first, second)

    @property
    def only(self) -> tuple[Sequence[str], Sequence[str]]:
        """Features that the first alone reads, and those of the second."""
        first, second = self.first.version.feature_names, self.second.version.feature_names
        return [name for name in first if name not in second], [name for name in second if name not in first]


def read_comparison(pipeline: Pipeline, first: int, second: int) -> VersionComparison:
    """Read two versions of a pipeline and compare them.

    Raises
    ------
    UnknownVersionError
        If there is no such version.
    VersionComparisonError
        If both are the same, or the registry lacks one.
    """
    if first == second:
        raise VersionComparisonError(
            f"version {first} of '{pipeline.name}' is compared with itself. Name two versions."
        )
    connections = connect(deployment(os.environ))
    tags = connections.registry.version_tags(pipeline.name)
    sides = [
        _side(pipeline, chosen_version(pipeline, number), tags.get(number, {}), connections)
        for number in (first, second)
    ]
    same_rows, metrics, why_not = _same_rows(pipeline, sides[0], sides[1], connections)
    return VersionComparison(pipeline.name, sides[0], sides[1], same_rows, metrics, why_not)


def _side(pipeline: Pipeline, row: VersionRow, tags: Mapping[str, str], connections: Connections) -> Side:
    version = row.registered
    if version is None:
        raise VersionComparisonError(
            f"version {row.version} of '{pipeline.name}' is not in the registry: `driftline verify` tells what to do."
        )
    run = connections.registry.training_run(pipeline.name, row.version)
    table = pipeline.table("training_set")
    return Side(
        row=row,
        version=version,
        settings=run.params if run is not None else None,
        recorded=Recorded.from_tags(tags),
        period=_period(table, version, connections),
        training_set=f"{table}@{version.training_table_version}",
    )


def _period(table: str, version: ModelVersion, connections: Connections) -> Period | None:
    try:
        snapshot = connections.lake.snapshot(table, version.training_table_version)
    except LakeError:
        # Its version was cleaned away; what else is known is shown.
        return None
    with connections.engine.connect() as connection:
        ((since, until),) = connection.sql(
            "SELECT epoch_us(min(event_timestamp)), epoch_us(max(event_timestamp)) "
            f"FROM {scan(snapshot, [version.training_partition])}"
        ).fetchall()
    return None if since is None else (instant(since), instant(until))


def _same_rows(
    pipeline: Pipeline, first: Side, second: Side, connections: Connections
) -> tuple[SameRows | None, tuple[MetricOfBoth, ...], str]:
    """Compare both on the same rows; else say why that cannot be."""
    ordered = sorted((first, second), key=lambda side: order_of(pipeline, side.version))
    try:
        earlier, later = (_judged(pipeline, side, connections) for side in ordered)
        if earlier.model.problem != later.model.problem:
            return (
                None,
                (),
                f"one predicts a {earlier.model.problem} label, the other a {later.model.problem} one",
            )
        rows = read_same_rows(pipeline, earlier, later, lake=connections.lake, engine=connections.engine)
    except DriftlineError as error:
        # What else differs is shown all the same.
        return None, (), str(error)
    if rows is None:
        return None, (), "no judged row of the one is a row that the other has not learned from"
    # Gains are told as those of the second, in the order that was asked for.
    pair = rows.pair if ordered[1] is second else _turned(rows).pair
    metrics = metrics_of_both(pair, later.model.problem, seed=pipeline.spec.model.seed)
    return rows, metrics, ""


def _turned(rows: SameRows) -> SameRows:
    pair = rows.pair
    return replace(rows, pair=replace(pair, challenger=pair.champion, champion=pair.challenger))


def _judged(pipeline: Pipeline, side: Side, connections: Connections) -> JudgedVersion:
    number = side.version.version
    sha256 = trusted_sha256(read_ledger(connections.lake, pipeline.name), number)
    content = connections.registry.model_file(pipeline.name, number, sha256=sha256)
    return JudgedVersion(side.version, model_from_bytes(content, ledger_sha256=sha256))


def comparison_document(comparison: VersionComparison) -> Mapping[str, object]:
    """Return a comparison as JSON; its keys are those of the command."""
    environment, (only_first, only_second) = comparison.environment, comparison.only
    return {
        "pipeline": comparison.pipeline,
        "versions": [_side_document(side) for side in (comparison.first, comparison.second)],
        "settings": [
            {"name": name, "first": first, "second": second} for name, first, second in comparison.settings
        ],
        "n_settings_alike": comparison.n_settings_alike,
        "features": {
            "only_first": only_first,
            "only_second": only_second,
            "n_of_both": len(comparison.first.version.feature_names) - len(only_first),
        },
        "environment": None
        if environment is None
        else [{"name": name, "first": pair[0], "second": pair[1]} for name, pair in environment.items()],
        "same_rows": _rows_document(comparison),
        "why_no_same_rows": comparison.why_not or None,
    }


def _side_document(side: Side) -> Mapping[str, object]:
    version = side.version
    return {
        "version": version.version,
        "stage": side.row.stage,
        "trained_as_of": version.training_partition,
        "candidate": version.made_by,
        "training_set": side.training_set,
        "n_training_rows": version.n_training_rows,
        "span": version.span,
        "period": [end.isoformat() for end in side.period] if side.period else None,
        "metric": version.metric,
        "holdout_metric": version.holdout_metric,
        "holdout_low": version.holdout_low,
        "holdout_high": version.holdout_high,
    }


def _rows_document(comparison: VersionComparison) -> Mapping[str, object] | None:
    rows = comparison.same_rows
    if rows is None:
        return None
    since, until = _ends(rows)
    return {
        "n_rows": rows.pair.event_time_us.size,
        "n_recorded": rows.n_recorded,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "metrics": [_metric_document(metric) for metric in comparison.metrics],
    }


def _metric_document(metric: MetricOfBoth) -> Mapping[str, object]:
    low, high = metric.gain_interval or (None, None)
    return {
        "metric": metric.metric,
        "first": metric.first,
        "first_low": metric.first_interval[0],
        "first_high": metric.first_interval[1],
        "second": metric.second,
        "second_low": metric.second_interval[0],
        "second_high": metric.second_interval[1],
        "gain": metric.gain,
        "gain_low": low,
        "gain_high": high,
    }


def _ends(rows: SameRows) -> Period:
    times = rows.pair.event_time_us
    return instant(int(times.min())).astimezone(UTC), instant(int(times.max())).astimezone(UTC)


def print_comparison(comparison: VersionComparison) -> None:
    """Print a comparison for people."""
    first, second = comparison.first, comparison.second
    titles = tuple(f"version {side.version.version}" for side in (first, second))
    columns = (Column("what", comparison.pipeline), Column("first", titles[0]), Column("second", titles[1]))
    print_table(
        columns, [dict(zip(("what", "first", "second"), line, strict=True)) for line in _facts(comparison)]
    )
    to = console()
    for line in _alike(comparison):
        to.print(Text(f"  {line}", style="dim"), soft_wrap=True)
    if comparison.same_rows is None:
        to.print(Text(f"Not compared on the same rows: {comparison.why_not}."), soft_wrap=True)
        return
    since, until = _ends(comparison.same_rows)
    n_rows, n_recorded = comparison.same_rows.pair.event_time_us.size, comparison.same_rows.n_recorded
    print_table(
        (
            Column("metric", "metric"),
            Column("first", titles[0]),
            Column("second", titles[1]),
            Column("gain", f"gain of {titles[1]}"),
        ),
        [_metric_row(metric) for metric in comparison.metrics],
        title=f"On {n_rows:,} rows that neither learned from, {since:%Y-%m-%d} to {until:%Y-%m-%d}",
    )
    to.print(
        Text(
            f"  a gain above 0 is better; intervals are 95 %, by blocks of time; version {comparison.same_rows.earlier} scored "
            f"{n_rows - n_recorded:,} of the rows now, all other scores are those of the judgements, out of fold",
            style="dim",
        ),
        soft_wrap=True,
    )


def _metric_row(metric: MetricOfBoth) -> Mapping[str, object]:
    return {
        "metric": metric.metric,
        "first": _with_interval(f"{metric.first:.4f}", metric.first_interval, ".4f"),
        "second": _with_interval(f"{metric.second:.4f}", metric.second_interval, ".4f"),
        "gain": _with_interval(f"{metric.gain:+.4f}", metric.gain_interval, "+.4f"),
    }


def _with_interval(value: str, interval: tuple[float, float] | None, form: str) -> str:
    if interval is None or interval[0] != interval[0]:
        return value
    return f"{value} ({interval[0]:{form}} to {interval[1]:{form}})"


def _facts(comparison: VersionComparison) -> Iterator[tuple[str, str | None, str | None]]:
    """List what is told of both, and whatever differs."""
    sides = (comparison.first, comparison.second)

    def told(what: str, values: Sequence[str | None]) -> tuple[str, str | None, str | None]:
        return what, values[0], values[1]

    yield told("stage", [side.row.stage for side in sides])
    yield told("candidate", [side.version.made_by for side in sides])
    yield told("trained as of", [side.version.training_partition for side in sides])
    yield told("trained at (UTC)", [f"{side.version.registered_at:%Y-%m-%d %H:%M}" for side in sides])
    yield told("training set", [side.training_set for side in sides])
    yield told("rows learned from", [f"{side.version.n_training_rows:,}" for side in sides])
    yield told("period of the rows", [_period_text(side.period) for side in sides])
    yield told("span", [side.version.span for side in sides])
    yield told("own holdout", [holdout_text(side.row) for side in sides])
    only_first, only_second = comparison.only
    if only_first or only_second:
        yield told("features of it alone", [", ".join(only_first) or None, ", ".join(only_second) or None])
    for name, first, second in comparison.settings:
        yield told(f"setting {name}", [first, second])
    for name, pair in (comparison.environment or {}).items():
        yield told(name, list(pair))


def _period_text(period: Period | None) -> str | None:
    return f"{period[0]:%Y-%m-%d} to {period[1]:%Y-%m-%d}" if period else None


def _alike(comparison: VersionComparison) -> Iterator[str]:
    """Say what is alike, and what nobody knows."""
    n_features = len(comparison.first.version.feature_names) - len(comparison.only[0])
    yield f"alike: {n_features} features, {comparison.n_settings_alike} settings"
    for side in (comparison.first, comparison.second):
        if side.settings is None:
            yield f"the settings of version {side.version.version} are gone with MLflow's run"
        if side.recorded.environment is None:
            yield f"software and machine of version {side.version.version} were not recorded"
    if comparison.environment == {}:
        yield "software and machine are the same"
