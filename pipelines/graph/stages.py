"""Stages of a declaration: the assets of a pipeline, what each reads, and from how far back."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import dagster as dg

from assets.drift_report.asset import materialize_drift_report
from assets.drift_report.incident_check import INCIDENT_CHECK
from assets.drift_report.monitor_asset import materialize_monitoring_report
from assets.features.asset import materialize_features
from assets.features.freshness import FRESHNESS_CHECK
from assets.labels.asset import materialize_labels
from assets.materialization import Outcome
from assets.predictions.asset import materialize_predictions
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from assets.training_set.asset import materialize_training_set
from assets.training_set.leakage import LEAKAGE_CHECK
from declaration.datasets import DatasetSpec
from declaration.features import FeatureViewSpec
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, sql_behind
from declaration.sources.upstream import AssetSourceSpec
from declaration.spec import PipelineSpec
from declaration.target import TargetSpec
from declaration.upstream import UpstreamDataset
from expectations.names import expectation_names
from pipelines.asset_keys import asset_key
from pipelines.graph.model_card import materialize_model_with_card

FAR_BACK = 120
"""Partitions that 'everything so far' reaches back at most: lineage only, training reads all."""


@dataclass(frozen=True)
class Stage:
    """One asset before it is Dagster's: its key, its inputs, its function and its metadata."""

    path: tuple[str, ...]
    run: Callable[..., Outcome]
    code: Sequence[object]
    """The parts of the declaration that its result depends on."""
    description: str
    kinds: Collection[str]
    resources: Collection[str] = ()
    """Resources that it needs beside the lake and the engine of a `StageRun`."""
    deps: Mapping[tuple[str, ...], dg.PartitionMapping | None] = field(default_factory=dict)
    elsewhere: Mapping[dg.AssetKey, dg.PartitionMapping | None] = field(default_factory=dict)
    """Assets of other pipelines and code locations that it reads."""
    is_partitioned: bool = True
    checks: Sequence[dg.AssetCheckSpec] = ()
    freshness: timedelta | None = None
    """Longest time that it may stay without being materialized."""


def stages(pipeline: Pipeline) -> Iterable[Stage]:
    """List a pipeline's assets, in lineage order."""
    spec = pipeline.spec
    for name, dataset in spec.datasets.items():
        yield from _dataset_stages(pipeline, name, dataset)
    for name, view in spec.features.items():
        back = partitioning(spec.partitions).n_within(view.lookback)
        yield Stage(
            path=("features", name),
            run=partial(materialize_features, view=name),
            resources=("feature_store",),
            code=(view, spec.view_keys(name), sql_behind(pipeline, pipeline.sql[view.sql])),
            description=view.description or _view_text(name, view),
            kinds=("gold", "feast", "sql"),
            deps={
                ("profiled", dataset): _looking_back(spec.datasets[dataset], back)
                for dataset in datasets_behind(pipeline, pipeline.sql[view.sql])
            },
            checks=_freshness_checks(view),
            freshness=view.freshness,
        )
    yield from _monitoring_stages(spec) if spec.target is None else _learning_stages(pipeline, spec.target)


def _view_text(name: str, view: FeatureViewSpec) -> str:
    return f"Feature view `{name}` of {f'entity `{view.entity}`' if view.entity else 'the whole'}."


def _freshness_checks(view: FeatureViewSpec) -> Sequence[dg.AssetCheckSpec]:
    if view.freshness is None:
        return ()
    description = f"The newest event lies at most {view.freshness} before the partition's end."
    return (dg.AssetCheckSpec(FRESHNESS_CHECK, asset=dg.AssetKey("placeholder"), description=description),)


_INCIDENTS = dg.AssetCheckSpec(
    INCIDENT_CHECK,
    asset=dg.AssetKey("placeholder"),
    description="Nothing that alerts told of is still wrong. Kept up to date by the alert sensor.",
)


_RETRAINS = (
    "Made by retrains only: it has the partitions that a drift report asked to learn from, or a person, and "
    "none of the others is missing."
)


_NO_LEAKAGE = dg.AssetCheckSpec(
    LEAKAGE_CHECK,
    asset=dg.AssetKey("placeholder"),
    description="Features stay as they are when everything after some prediction instants is changed.",
    blocking=True,
)


def _monitoring_stages(spec: PipelineSpec) -> Iterable[Stage]:
    """Without a target the data itself is watched."""
    yield Stage(
        path=("drift_report",),
        run=materialize_monitoring_report,
        resources=("reports",),
        code=(spec.drift,),
        description=f"The partition of `{spec.watched}` against its reference partitions.",
        kinds=("report", "scipy"),
        checks=[_INCIDENTS],
        deps={("profiled", spec.watched): None},
    )


def _learning_stages(pipeline: Pipeline, target: TargetSpec) -> Iterable[Stage]:
    spec = pipeline.spec
    target_datasets = datasets_behind(pipeline, f'SELECT * FROM "{target.dataset}"')
    delayed = partitioning(spec.partitions).n_within(target.label_delay)
    yield Stage(
        path=("labels",),
        run=materialize_labels,
        code=(target, spec.entities, sql_behind(pipeline, f'SELECT * FROM "{target.dataset}"')),
        description="Prediction instants, entity keys and labels with the instant at which each became known.",
        kinds=("gold", "duckdb"),
        deps={("profiled", d): _looking_back(spec.datasets[d], delayed) for d in target_datasets},
    )
    history = _so_far(spec.model.train_window)
    yield Stage(
        path=("training_set",),
        run=materialize_training_set,
        resources=("feature_store",),
        code=(target, spec.features, spec.model.train_window, *_if_declared(spec.model.sample)),
        description="Labels known as of the partition's end, joined with features as of each prediction instant. "
        + _RETRAINS,
        kinds=("gold", "feast"),
        checks=[_NO_LEAKAGE],
        deps={("labels",): history, **{("features", view): history for view in spec.features}},
    )
    yield Stage(
        path=("model",),
        run=materialize_model_with_card,
        resources=("registry", "reports"),
        code=(spec.model, target.problem),
        description="Candidates trained and compared; the challenger's version in MLflow and the gate's verdict. "
        + _RETRAINS,
        kinds=("scikitlearn", "mlflow"),
        deps={("training_set",): None},
    )
    before = _partitions_from(-1, to=-1)
    yield Stage(
        path=("predictions",),
        run=materialize_predictions,
        resources=("registry", "feature_store", "score_targets"),
        code=(target.dataset, target.prediction_time, *_if_declared(spec.predictions)),
        description="The champion's score of every row of the partition.",
        kinds=("table", "scikitlearn"),
        deps={
            ("labels",): None,
            ("model",): before,
            **{("features", v): _looking_back_partitions(1) for v in spec.features},
        },
    )
    yield Stage(
        path=("drift_report",),
        run=materialize_drift_report,
        resources=("registry", "reports"),
        code=(spec.drift, spec.retrain),
        description="The partition against the champion's reference: drift, performance, and whether to retrain.",
        kinds=("report", "scipy"),
        checks=[_INCIDENTS],
        deps={("predictions",): None, ("labels",): None, ("model",): before},
    )


def _if_declared(block: object | None) -> Sequence[object]:
    """Leave a block out of a stage's code version where it is not declared: versions of before stay as they are."""
    return () if block is None else (block,)


def _dataset_stages(pipeline: Pipeline, name: str, dataset: DatasetSpec) -> Iterable[Stage]:
    code = pipeline.sql.get(dataset.source.code_file or "")
    source = (dataset.source,) if code is None else (dataset.source, code)
    yield Stage(
        path=("raw", name),
        run=partial(materialize_raw, dataset=name),
        code=(*source, dataset.columns, dataset.event_time),
        description=dataset.description or f"Rows of `{name}` as read, typed.",
        kinds=("bronze", dataset.source.type),
        elsewhere=_elsewhere(dataset, pipeline.upstream.get(name)),
        is_partitioned=dataset.is_partitioned,
    )
    names = expectation_names(dataset.expectations)
    yield Stage(
        path=("profiled", name),
        run=partial(materialize_profiled, dataset=name),
        resources=("validation",),
        code=(dataset,),
        description=f"Rows of `{name}` that met the expectations, with their profile and quality score.",
        kinds=("silver", "greatexpectations"),
        deps={("raw", name): None},
        is_partitioned=dataset.is_partitioned,
        checks=[
            dg.AssetCheckSpec(
                check_name,
                asset=dg.AssetKey("placeholder"),
                description=_describe(expectation.expect, expectation.arguments),
                blocking=expectation.on_failure == "block",
            )
            for check_name, expectation in zip(names, dataset.expectations, strict=True)
        ],
    )


def _elsewhere(
    dataset: DatasetSpec, upstream: UpstreamDataset | None
) -> Mapping[dg.AssetKey, dg.PartitionMapping | None]:
    """Return the asset that a source is made by, and which of its partitions each partition reads.

    Without a mapping it is Dagster's own: the partitions of the same time.
    """
    source = dataset.source
    if upstream is not None:
        key, has_same_clock = asset_key(upstream.pipeline, upstream.path), upstream.has_same_clock
    elif isinstance(source, AssetSourceSpec):
        key, has_same_clock = dg.AssetKey(source.key_parts), source.partitioned
    else:
        return {}
    return {key: None if has_same_clock or not dataset.is_partitioned else dg.AllPartitionMapping()}


def _describe(expectation: str, arguments: Mapping[str, object]) -> str:
    listed = ", ".join(f"{key} = {value!r}" for key, value in arguments.items())
    return f"expect_{expectation}({listed})"


def _looking_back(dataset: DatasetSpec, back: int) -> dg.PartitionMapping | None:
    return _looking_back_partitions(back) if dataset.is_partitioned else None


def _looking_back_partitions(back: int) -> dg.PartitionMapping | None:
    if back == 0:
        return None
    return _partitions_from(-back)


def _partitions_from(start: int, *, to: int = 0) -> dg.TimeWindowPartitionMapping:
    """Depend on the partitions from `start` to `to`, counted from one's own; the first ones have fewer."""
    with warnings.catch_warnings():
        # Beta in Dagster 1.13, and the only way to let the first partition depend on none.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=start, end_offset=to, allow_nonexistent_upstream_partitions=True
        )


def _so_far(train_window: int | None) -> dg.PartitionMapping | None:
    back = FAR_BACK if train_window is None else train_window - 1
    return _looking_back_partitions(min(back, FAR_BACK))
