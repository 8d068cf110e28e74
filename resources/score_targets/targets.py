"""The places that a declaration writes scores to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow as pa

from declaration.predictions import ScoreTargetSpec
from resources.score_targets.delta_table import write_delta
from resources.score_targets.errors import ScoreTargetError
from resources.score_targets.parquet_folder import write_parquet
from resources.score_targets.sql_table import write_sql


class ScoreTargets(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """Folders and databases beside the lake; each takes a partition whole, or stays as it was."""

    folder: str
    """Folder that relative paths lie in."""
    lake_root: str
    """The lake, whose tables nobody else writes."""

    def write(
        self,
        spec: ScoreTargetSpec,
        rows: pa.RecordBatchReader,
        *,
        pipeline: str,
        partition: str,
        commit: Mapping[str, str],
    ) -> str:
        """Replace a pipeline's partition in a place; return where it is, without a secret.

        Raises
        ------
        ScoreTargetError
            If it cannot be written.
        """
        if spec.type == "sql":
            if spec.url is None or spec.table is None:
                raise ScoreTargetError("a place of type sql needs `url` and `table`.")
            variable = spec.url.env
            if not os.environ.get(variable):
                raise ScoreTargetError(
                    f"the variable {variable} is not set. It holds the URL of the database that predictions.write_to "
                    f"writes the table {spec.table} to."
                )
            return write_sql(os.environ[variable], variable, spec.table, pipeline, partition, rows)
        path = self.path_of(spec)
        if spec.type == "delta":
            return write_delta(path, pipeline, partition, rows, commit)
        return str(write_parquet(path, pipeline, partition, rows))

    def path_of(self, spec: ScoreTargetSpec) -> Path:
        """Return the folder of a place.

        Raises
        ------
        ScoreTargetError
            If a relative path leads out of its folder, or any into the lake.
        """
        below, lake = Path(self.folder).resolve(), Path(self.lake_root).resolve()
        declared = Path(spec.path or "").expanduser()
        path = (below / declared).resolve()
        if not declared.is_absolute() and not (path.is_relative_to(below) and path != below):
            raise ScoreTargetError(
                f"predictions.write_to has the path '{spec.path}', which leads out of {below}. Write an absolute path."
            )
        if path.is_relative_to(lake) or lake.is_relative_to(path):
            raise ScoreTargetError(
                f"predictions.write_to has the path {path}, where the lake {lake} is. Name another folder."
            )
        return path
