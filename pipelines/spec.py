"""What a declaration may say: frozen, typed values for every block of a `defs.yaml`.

Nothing here knows Dagster or any vendor. A file is parsed once, at the door
(`pipelines.declaration`), and only these values travel further.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from pipelines.made_columns import MADE, made_sql

Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$"),
]
"""A name we put into asset keys, paths and tables: lower case, digits and underscores."""

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""A column as the source spells it. Untrusted: quote it in SQL, escape it in HTML."""

SqlExpression = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
"""One scalar expression in DuckDB's dialect."""

ColumnType = Literal["boolean", "int", "float", "decimal", "string", "date", "timestamp", "timestamp_tz"]
Cadence = Literal["hour", "day", "week", "month", "rows", "load"]
Severity = Literal["info", "warning", "critical"]
OnFailure = Literal["report", "quarantine", "block"]
Sensitivity = Literal["low", "medium", "high"]
ProblemType = Literal["binary", "multiclass", "regression"]
Candidate = Literal["hist_gradient_boosting", "lightgbm", "logistic_regression", "ridge", "random_forest"]
Metric = Literal[
    "roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1_macro", "rmse", "mae", "r2"
]
RetrainTrigger = Literal["performance", "drift", "schedule"]
DriftMethod = Literal["effect", "documented"]
MultivariateStage = Literal["never", "stable", "always"]
IncidentKind = Literal[
    "broken_data", "performance", "estimated_performance", "feature_drift", "prediction_drift", "label_drift",
    "rolled_back", "stale_features", "refresh_failed", "training_failed",
]  # fmt: skip

_DURATION_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


class DriftlineError(Exception):
    """Root of every error we raise: says what happened, where, and how to repair it."""


def parse_duration(text: object) -> object:
    """Read '90m', '12h', '28d' or '4w' as a time span; other values pass through to pydantic.

    Examples
    --------
    >>> parse_duration("28d")
    datetime.timedelta(days=28)
    """
    if not isinstance(text, str):
        if isinstance(text, timedelta):
            return text
        raise ValueError("a duration is a number and a unit: 90m, 12h, 28d or 4w")
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in _DURATION_UNITS or not number.isdecimal() or len(number) > 6 or int(number) == 0:
        raise ValueError("a duration is a positive number and a unit: 90m, 12h, 28d or 4w")
    return int(number) * _DURATION_UNITS[unit]


Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=str)]


def parse_instant(text: object) -> object:
    """Read a date, which is its first instant, or an instant; other values pass through to pydantic.

    Examples
    --------
    >>> parse_instant("2013-01-01")
    datetime.datetime(2013, 1, 1, 0, 0)
    """
    if not isinstance(text, str):
        return text
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date or an instant such as 2013-01-01 or 2013-01-01T06:00:00") from None


Instant = Annotated[datetime, BeforeValidator(parse_instant, json_schema_input_type=datetime)]


def check_address(text: str) -> str:
    """Refuse what is no plain e-mail address: a line break in one would be a header of its own."""
    if not re.fullmatch(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}", text, re.ASCII):
        raise ValueError("must be a plain e-mail address such as ops@example.org")
    return text


EmailAddress = Annotated[str, AfterValidator(check_address)]
"""A plain address, without a display name."""


def check_url_variable(text: str) -> str:
    """Keep variables that hold other secrets out of reach."""
    if not re.fullmatch(r"DRIFTLINE_ALERT_[A-Z0-9_]{1,64}", text):
        raise ValueError("must name an environment variable that begins with DRIFTLINE_ALERT_")
    return text


UrlVariable = Annotated[str, AfterValidator(check_url_variable)]


class Block(BaseModel):
    """A block of a declaration: immutable, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PartitionsSpec(Block):
    """How the data is cut into partitions."""

    every: Cadence = "day"
    """A length of time; `rows`: `size` rows of a source that has only an order; `load`: each state of a source without time (a snapshot)."""
    start: Instant = datetime(2000, 1, 1)  # noqa: DTZ001  # A wall clock in `timezone`.
    """First instant of the first partition, in `timezone`. Required, except with `every: rows` and `every: load`, whose clock is made and begins here."""
    end: Instant | None = None
    """First instant after the last partition; absent while data keeps arriving."""
    timezone: str = "UTC"
    """IANA name of the zone in which partitions begin and naive source times are read."""
    size: int | None = Field(default=None, ge=10)
    """Rows of one partition, with `every: rows`."""

    @property
    def is_calendar(self) -> bool:
        """Whether partitions are spans of real time."""
        return self.every not in ("rows", "load")


class ColumnSpec(Block):
    """One column of a dataset: its type, and where it comes from."""

    type: ColumnType
    """Type in the lake. `timestamp_tz` is an instant (UTC in the lake); `timestamp` is a wall clock."""
    source: ColumnName | None = None
    """Name in the source, where it differs from the name here: of a column or, where no file has it, of a folder's key (`year=2023`)."""
    optional: bool = False
    """Whether files may lack the column: their rows have NULL in it. A file that lacks any other column is refused."""
    sql: SqlExpression | None = None
    """Computed column: an expression over the source's columns, in DuckDB's dialect."""
    known_at: SqlExpression | None = None
    """Instant at which the value is known, over the dataset's columns; by default its row's event time. A feature view that uses it earlier is refused."""
    null_values: tuple[str, ...] | None = None
    """Texts that mean NULL in this column, in place of the source's: CSV, Excel and JSON."""
    description: str = ""
    """What the column holds, with its unit."""


class SourceSpec(Block):
    """Where a dataset's rows are read from."""

    type: Literal["csv", "parquet", "json", "excel", "python"]
    """Format. JSON is one object a line, or one array of objects; `python` is a .py file beside the declaration whose `read(start, end)` gives rows."""
    path: str = Field(min_length=1)
    """File or glob, relative to the declaration, absolute, or URL-like (`s3://…`); `package:<name>/<file>` is a file of an installed package."""
    mode: Literal["full", "incremental"] = "full"
    """`full`: the source holds all rows, a partition takes those of its window. `incremental`: the path contains `{partition}`."""
    missing: Literal["fail", "empty"] = "fail"
    """What a partition without its file is, with `mode: incremental`: a failure, or without rows. Where no partition has one, the path is wrong and fails."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Column separator of a CSV file."""
    encoding: Literal["utf-8", "utf-16", "latin-1", "windows-1252"] = "utf-8"
    """Encoding of a text file without a byte order mark."""
    sheet: str | None = Field(default=None, min_length=1)
    """Sheet of an Excel workbook; the first one when absent. Its first row names the columns."""
    null_values: tuple[str, ...] = ("",)
    """Texts that mean NULL in a CSV file or a sheet."""
    max_rejected_share: float = Field(default=0.01, ge=0, le=1)
    """Share of rows that may be unreadable before the asset fails. Rejected rows are kept with the reason."""


class ExpectationSpec(Block):
    """One expectation of Great Expectations, with what happens when it fails."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    expect: str
    """Great Expectations' name without `expect_`: `column_values_to_not_be_null`."""
    severity: Severity = "warning"
    """How bad a failure is; shown on the asset check and weighed in the quality score."""
    on_failure: OnFailure = "report"
    """`report` shows it; `quarantine` moves the failing rows aside (row rules only); `block` fails the asset and stops everything downstream."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Great Expectations' own arguments: every key that is not ours."""
        return self.model_extra or {}


class DatasetSpec(Block):
    """A named table that keeps arriving, or a reference table."""

    source: SourceSpec
    """Where the rows come from."""
    description: str = ""
    """What one row is."""
    columns: Mapping[ColumnName, ColumnSpec | ColumnType]
    """Columns kept in the lake, with types; a source column that is not named here is dropped."""
    event_time: ColumnName | None = None
    """Column that says which partition a row belongs to (`row_time` with `every: rows`, `load_time` with `every: load`); absent for a reference table."""
    key: tuple[ColumnName, ...] = ()
    """Columns that identify a row; duplicates are counted against uniqueness. `row_number`, the row's place in the source, where nothing else does."""
    expectations: tuple[ExpectationSpec, ...] = ()
    """What must hold for every partition of this dataset."""

    @model_validator(mode="after")
    def _add_made_columns(self) -> Self:
        """Add the columns that Driftline makes, where `event_time` or `key` names them and `columns` does not."""
        made = {
            name: ColumnSpec(type=kind, sql=made_sql(name, self.key), description="Made by Driftline.")
            for name, kind in MADE.items()
            if name in (*self.key, self.event_time) and name not in self.columns
        }
        # Still being made: nobody has seen the value that is completed here.
        self.__dict__["columns"] = {**self.columns, **made}
        return self

    def column(self, name: str) -> ColumnSpec:
        """Return the column's full form."""
        value = self.columns[name]
        return value if isinstance(value, ColumnSpec) else ColumnSpec(type=value)

    def is_made(self, name: str) -> bool:
        """Tell whether a column is one that Driftline makes."""
        return name in MADE and self.column(name).sql == made_sql(name, self.key)

    @property
    def watchable(self) -> tuple[str, ...]:
        """Columns whose distribution may say something: no keys and no clocks."""
        named, times = {*self.key, self.event_time}, ("date", "timestamp", "timestamp_tz")
        return tuple(n for n in self.columns if n not in named and self.column(n).type not in times)

    @property
    def is_partitioned(self) -> bool:
        """Reference tables have no event time and no partitions."""
        return self.event_time is not None


class FeatureViewSpec(Block):
    """A Feast feature view, computed by one SQL file over the profiled datasets."""

    entity: Identifier
    """Name of an entry of `entities`."""
    sql: str = Field(min_length=1)
    """SQL file beside the declaration. Gives the entity's keys, `event_timestamp`, features and, optionally, `created_timestamp`."""
    lookback: Duration = timedelta(0)
    """How much history before a partition the query needs."""
    ttl: Duration | None = None
    """How old a value may be and still be used; absent means for ever."""
    freshness: Duration | None = Field(default=None, ge=timedelta(minutes=1))
    """How far the view's newest event may lie behind, and how long it may stay without a new partition; absent means as long as it likes."""
    description: str = ""
    """What the view tells about its entity."""


class TargetSpec(Block):
    """What is predicted, when, and when the truth is known."""

    dataset: Identifier
    """Partitioned dataset, or named query, whose rows are predicted."""
    event_time: ColumnName | None = None
    """Column that says which partition a row belongs to; by default the dataset's own."""
    key: tuple[ColumnName, ...] = ()
    """Columns that identify a row; by default the dataset's own."""
    prediction_time: SqlExpression
    """Instant at which the prediction is made; features are joined as of it."""
    label: SqlExpression
    """The truth. NULL means that the row has no label."""
    label_time: SqlExpression
    """Instant at which the label becomes known; nothing before it may learn from it."""
    label_delay: Duration = timedelta(0)
    """How long after its row a label may still become known or be corrected: labels so far back are written again with each partition."""
    problem: ProblemType
    """Kind of prediction."""
    where: SqlExpression | None = None
    """Rows to predict; all when absent."""
    request_features: Mapping[Identifier, SqlExpression] = Field(default_factory=dict)
    """Features known from the row itself at the prediction instant. Must not use columns that are known only later."""


class GateSpec(Block):
    """When a challenger replaces the champion."""

    min_metric: float | None = None
    """Least value of `metric` on the holdout (greatest, for errors); absent means no floor."""
    min_gain: float = 0.0
    """Least improvement over the champion on the same rows."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided significance level of the paired block test."""
    inconclusive: Literal["keep", "promote"] = "keep"
    """What happens when the test cannot tell the two apart and nothing is known to be wrong."""


class ModelSpec(Block):
    """How models are trained and compared."""

    candidates: tuple[Candidate, ...] = Field(default=("hist_gradient_boosting",), min_length=1)
    """Algorithms trained on the same rows; the best on the holdout becomes the challenger."""
    metric: Metric | None = None
    """What is compared; by default roc_auc, log_loss or rmse after the problem."""
    train_window: int | None = Field(default=None, ge=1)
    """Partitions to learn from; absent means all so far (expanding window)."""
    adapt_window: bool = True
    """Learn from the newest third, or ninth, of these rows alone where that is surely better on the holdout."""
    holdout: float = Field(default=0.2, gt=0, lt=0.9)
    """Newest share of the training set that is held out, by prediction time."""
    seed: int = 0
    """Seed of everything random in training."""
    gate: GateSpec = Field(default_factory=GateSpec)
    """When the challenger is promoted."""


class FeatureDriftSpec(Block):
    """How the drift of one feature is judged, where it differs from the others."""

    sensitivity: Sensitivity | None = None
    """Least effect that counts for this feature; by default `drift.sensitivity`."""
    method: DriftMethod | None = None
    """Rule for this feature; by default `drift.method`."""
    ignore: bool = False
    """Show the feature's distances and judge nothing by them: it is no drift, and no part of the drift score."""


class MultivariateSpec(Block):
    """Whether all features together are judged: a classifier tells the window from the reference."""

    when: MultivariateStage = "never"
    """`stable`: where no single feature drifted; `always`; `never`. It costs about 5 CPU seconds a report."""
    max_rows: int = Field(default=20_000, ge=1_000, le=200_000)
    """Rows of each window that are compared at most, chosen by a hash of their keys."""


class DriftSpec(Block):
    """How drift is judged."""

    method: DriftMethod = "effect"
    """`effect`: the sure effect reaches a threshold. `documented`: a significant p-value (Benjamini-Hochberg) and Cohen's d or Cramér's V; blind to shape."""
    sensitivity: Sensitivity = "medium"
    """Least effect size that counts as drift: low 0.20, medium 0.10, high 0.05 (KS distance, Cramér's V); by `documented` Cohen's large, medium, small."""
    features: Mapping[ColumnName, FeatureDriftSpec] = Field(default_factory=dict)
    """Features that are judged differently, by the report's name: `<view>__<feature>`, `request__<feature>`; without a target, the column."""
    multivariate: MultivariateSpec = Field(default_factory=MultivariateSpec)
    """Whether all features together are judged, beside each by itself; never asks for a retrain."""
    min_rows: int = Field(default=500, ge=2)
    """Fewer rows in the current window are 'insufficient data'."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Family-wise level of the lower confidence bounds."""
    max_performance_drop: float = Field(default=0.05, ge=0)
    """Loss of the metric against the champion's holdout that asks for a retrain when it is certain at `alpha`."""
    slices: tuple[ColumnName, ...] = ()
    """Columns for whose values the realised metric is also told apart: keys, entity columns or request features of the target's rows."""
    min_slice_rows: int = Field(default=100, ge=2)
    """Values of a slice with fewer labelled rows are listed and not judged."""
    dataset: Identifier | None = None
    """Without a target: the dataset that is watched; by default the only one with partitions."""
    reference: Literal["first", "previous"] = "first"
    """Without a target: whether a partition is compared with the first ones, or with those just before it."""
    reference_partitions: int = Field(default=3, ge=1)
    """Without a target: how many partitions the reference has, at most."""

    def judged(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the features that are not ignored."""
        return tuple(name for name in names if not (name in self.features and self.features[name].ignore))


class RetrainSpec(Block):
    """When a challenger is trained."""

    on: tuple[RetrainTrigger, ...] = ("performance", "schedule")
    """What asks for a challenger. `drift` lets feature and prediction drift ask without a confirmed loss."""
    cooldown: int = Field(default=1, ge=0)
    """Partitions to wait after a training before another may be asked for."""
    min_new_labels: int = Field(default=500, ge=0)
    """Labels that must have arrived since the last training."""
    max_age: int = Field(default=3, ge=1)
    """Partitions without a training after which `schedule` asks for a challenger."""
    probation: int = Field(default=2, ge=0)
    """First partitions of a new champion on which its predecessor scores the same rows, and serves again where it is surely better."""


class ChannelSpec(Block):
    """One way in which people are told."""

    type: Literal["log", "webhook", "slack", "email"]
    """`log` is the logger `driftline.alerts`; `webhook` gets JSON; `slack` what Slack's incoming webhooks (and Mattermost's) take; `email` goes by SMTP."""
    min_severity: Severity | None = None
    """Least severity that goes here; by default `alerts.min_severity`."""
    url_from: UrlVariable | None = None
    """Environment variable that holds the URL: by default `DRIFTLINE_ALERT_WEBHOOK` or `DRIFTLINE_ALERT_SLACK`."""
    to: tuple[EmailAddress, ...] = ()
    """Receivers of an e-mail."""
    sender: EmailAddress | None = None
    """Address that an e-mail comes from."""

    @property
    def variable(self) -> str:
        """The environment variable of the URL."""
        return self.url_from or {"slack": "DRIFTLINE_ALERT_SLACK"}.get(self.type, "DRIFTLINE_ALERT_WEBHOOK")

    @property
    def name(self) -> str:
        """Tell the channels of a pipeline apart, without a secret: what is still to be sent names its channel."""
        if self.type == "log":
            return "log"
        return f"{self.type} {', '.join(self.to) if self.type == 'email' else self.variable}"


class SilenceSpec(Block):
    """Incidents that are recorded and told to nobody for a while."""

    kind: IncidentKind | None = None
    """Kind of incident; every kind when absent."""
    feature: ColumnName | None = None
    """Feature, as drift reports name it, or view where the kind is `stale_features`; with neither, everything is silent."""
    until: Instant
    """When it ends, as a wall clock in `partitions.timezone`."""
    reason: str = Field(min_length=1, max_length=500)
    """Why nobody need be told; recorded with the incident."""


class AlertsSpec(Block):
    """Who is told of what, and when."""

    min_severity: Severity = "warning"
    """Least severity that is sent."""
    seen_in: int = Field(default=1, ge=1, le=100)
    """Windows in which something must be seen before anybody is told: this many …"""
    of_last: int = Field(default=1, ge=1, le=100)
    """… of so many newest windows. What is in none of them any more is resolved."""
    channels: tuple[ChannelSpec, ...] = ()
    """Where alerts go; by default to the log, and to the webhook where `DRIFTLINE_ALERT_WEBHOOK` is set."""
    silences: tuple[SilenceSpec, ...] = ()
    """What is known, and not to be told."""


class PipelineSpec(Block):
    """A declared pipeline: the attributes of one `defs.yaml`."""

    description: str = ""
    """The question this pipeline answers."""
    owners: tuple[str, ...] = ()
    """E-mail addresses or `team:<name>`, shown on every asset."""
    partitions: PartitionsSpec
    """How time is cut."""
    datasets: Mapping[Identifier, DatasetSpec] = Field(min_length=1)
    """Raw data by name."""
    queries: Mapping[Identifier, str] = Field(default_factory=dict)
    """Named SQL files over the profiled datasets that features, prediction times and labels may read like a dataset."""
    entities: Mapping[Identifier, tuple[ColumnName, ...]] = Field(default_factory=dict)
    """Feast entities: the key columns of each."""
    features: Mapping[Identifier, FeatureViewSpec] = Field(default_factory=dict)
    """Feature views by name."""
    target: TargetSpec | None = None
    """What is predicted. Without it there is no model: quality is checked and drift is watched."""
    model: ModelSpec = Field(default_factory=ModelSpec)
    """How models are trained and compared."""
    drift: DriftSpec = Field(default_factory=DriftSpec)
    """How drift is judged."""
    retrain: RetrainSpec = Field(default_factory=RetrainSpec)
    """When a challenger is trained."""
    alerts: AlertsSpec = Field(default_factory=AlertsSpec)
    """Who is told."""
    schedule: str | None = None
    """Cron expression of the refresh, in the partitions' zone; absent means at the end of every partition."""
    tags: Mapping[str, str] = Field(default_factory=dict)
    """Tags shown on every asset."""

    @property
    def learned(self) -> TargetSpec:
        """The target, for the stages that exist only where there is one.

        Raises
        ------
        DriftlineError
            If the declaration has none.
        """
        if self.target is None:
            raise DriftlineError("this pipeline has no target, so that nothing is learned. Declare `target`.")
        return self.target

    @property
    def watched(self) -> str:
        """The dataset whose drift is watched where there is no target."""
        partitioned = (name for name, dataset in self.datasets.items() if dataset.is_partitioned)
        return self.drift.dataset or next(partitioned)
