"""Checks of the drift block's features: each must be one that the model, or the monitoring, knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from declaration.spec import PipelineSpec
from declaration.target_sql import REQUEST_PREFIX
from pipelines.loading.problems import Fault, choices

FEATURE_SEPARATOR = "__"
"""Divides view and feature in the model's columns, as Feast's full feature names do."""


def learned_feature_faults(
    spec: PipelineSpec, view_columns: Mapping[str, Collection[str]]
) -> Iterator[Fault]:
    """Find names in `drift.features` that no model of this pipeline has.

    Parameters
    ----------
    spec
        The declaration; it has a target.
    view_columns
        Features by view. A view that is missing here could not be read: names that begin with it
        are not judged.
    """
    names = [
        f"{view}{FEATURE_SEPARATOR}{feature}"
        for view, features in view_columns.items()
        for feature in features
    ]
    names += [f"{REQUEST_PREFIX}{name}" for name in spec.learned.request_features]
    for name in spec.drift.features:
        view = name.partition(FEATURE_SEPARATOR)[0]
        if name not in names and (view not in spec.features or view in view_columns):
            yield _unknown(name, "feature of the model", names, "Features")


def monitored_feature_faults(spec: PipelineSpec) -> Iterator[Fault]:
    """Find names in `drift.features` that are no watched column of a pipeline without a target."""
    if (
        not any(dataset.is_partitioned for dataset in spec.datasets.values())
        or spec.watched not in spec.datasets
    ):
        return
    names = spec.datasets[spec.watched].watchable
    for name in spec.drift.features:
        if name not in names:
            yield _unknown(name, f"column of datasets.{spec.watched} that is watched", names, "Columns")


def _unknown(name: str, kind: str, names: Collection[str], intro: str) -> Fault:
    text = f"drift.features names '{name}', which is no {kind}. {choices(name, names, intro=intro)}"
    return Fault(("drift", "features", name), text)
