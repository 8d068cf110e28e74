"""The dataset that `--dataset` names."""

from __future__ import annotations

from pathlib import Path

from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from pipelines.loading.declared import declarations, find_pipeline
from pipelines.loading.problems import choices
from sources.uploads import Destination


class UnknownDatasetError(DriftlineError):
    """No dataset, or several, have the name."""


def destination_of(name: str) -> tuple[Pipeline, Destination]:
    """Return the pipeline and the dataset of a name, written `dataset` or `pipeline/dataset`.

    Raises
    ------
    UnknownDatasetError
        If there is none of that name, or several pipelines have one.
    UnknownPipelineError
        If there is no such pipeline.
    """
    asked, slash, dataset = name.rpartition("/")
    pipelines = [find_pipeline(asked)] if slash else list(declarations().pipelines.values())
    found = [pipeline for pipeline in pipelines if dataset in pipeline.spec.datasets]
    if len(found) > 1:
        written = ", ".join(f"{pipeline.name}/{dataset}" for pipeline in found)
        raise UnknownDatasetError(f"--dataset {dataset} is one of several pipelines: write {written}.")
    if not found:
        known = sorted(
            f"{pipeline.name}/{known}" for pipeline in pipelines for known in pipeline.spec.datasets
        )
        raise UnknownDatasetError(
            f"no dataset '{name}' is declared. {choices(name, known, intro='Datasets')}"
        )
    pipeline = found[0]
    return pipeline, Destination(
        dataset,
        pipeline.spec.datasets[dataset],
        Path(pipeline.folder),
        partitioning(pipeline.spec.partitions),
    )
