"""Partitions of `training_set` and `model`: those that a retrain was asked for, and no others.

A partition without a training is no work that was left undone. So these two have partitions of their own, which
retrains add, with the keys of the pipeline's.
"""

import dagster as dg
from dagster import DagsterInstance

from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec

RETRAIN_STAGES = ("training_set", "model")


def trained_partitions_name(pipeline: str) -> str:
    """Name the partitions of trainings in Dagster's instance."""
    return f"driftline_{pipeline}_trainings"


def trained_partitions(pipeline: str, spec: PartitionsSpec) -> dg.DynamicPartitionsDefinition | None:
    """Return Dagster's partitions of trainings; None where partitions are loads, which Dagster does not know."""
    return (
        dg.DynamicPartitionsDefinition(name=trained_partitions_name(pipeline))
        if partitioning(spec).is_orchestrated
        else None
    )


def make_trainable(instance: DagsterInstance, pipeline: str, partition: str | None) -> None:
    """Tell Dagster's instance that a partition is to be trained; one that it knows stays."""
    if partition is not None:
        instance.add_dynamic_partitions(trained_partitions_name(pipeline), [partition])
