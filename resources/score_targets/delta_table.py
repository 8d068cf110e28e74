"""Scores as a Delta table beside the lake's own, a partition a commit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from resources.lake.lake import Lake
from resources.score_targets.errors import ScoreTargetError


def write_delta(
    path: Path, pipeline: str, partition: str, rows: pa.RecordBatchReader, commit: Mapping[str, str]
) -> str:
    """Replace a partition in one commit; return the version.

    Raises
    ------
    ScoreTargetError
        If the table is another pipeline's: both would replace each other's partitions.
    """
    beside = Lake(root=str(path.parent))
    if beside.has(path.name):
        owner = beside.commit_of(path.name).get("pipeline")
        if owner != pipeline:
            whose = f"the pipeline '{owner}'" if owner else "somebody else"
            raise ScoreTargetError(
                f"the Delta table {path} was written by {whose}. Give predictions.write_to a path of its own."
            )
    return f"{path}@{beside.write(path.name, rows, partition=partition, commit=commit).version}"
