"""Retrieval jobs of the offline store: a query that runs when its rows are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.repo_config import RepoConfig

from declaration.errors import DriftlineError
from feature_repo.asof_sources import repo_path_of, staging_location_of
from feature_repo.asof_writing import save_dataset, stage_rows

if TYPE_CHECKING:
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.saved_dataset import SavedDatasetStorage


class AsofJobError(DriftlineError, NotImplementedError):
    """A retrieval cannot be given in the form that is asked; to Feast, it is not implemented."""


class AsofRetrievalJob(RetrievalJob):
    """A query that has not run yet; Feast computes on-demand features from its result.

    `run` is given the seconds that it may take, or None.
    """

    def __init__(
        self,
        run: Callable[[float | None], pa.Table],
        config: RepoConfig,
        *,
        full_feature_names: bool = False,
        metadata: RetrievalMetadata | None = None,
        on_demand: Sequence[OnDemandFeatureView] = (),
    ) -> None:
        self._run = run
        self._config = config
        self._full_feature_names = full_feature_names
        self._metadata = metadata
        self._on_demand = list(on_demand)

    @property
    def full_feature_names(self) -> bool:
        """True if features carry their view's name."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views computed from the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Feast's record of the retrieval."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._run(timeout)

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    def to_sql(self) -> str:
        """Refuse: the join is several statements, with work in memory between them.

        Raises
        ------
        AsofJobError
            Always.
        """
        raise AsofJobError(
            "this offline store joins in several statements, which are not one text. Take the result: to_arrow(), to_df()."
        )

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None
    ) -> None:
        """Write the rows, with on-demand features, as a saved dataset: a Delta table or Parquet.

        Raises
        ------
        OfflineWriteError
            If the storage is not one of files.
        SavedDatasetLocationAlreadyExists
            If something is there and may not be overwritten.
        """
        save_dataset(
            self.to_arrow(timeout=timeout),
            storage,
            repo_path=repo_path_of(self._config),
            allow_overwrite=allow_overwrite,
        )

    def supports_remote_storage_export(self) -> bool:
        """Tell whether the settings say where results can be put for other machines."""
        return bool(staging_location_of(self._config))

    def to_remote_storage(self) -> list[str]:
        """Write the rows, with on-demand features, as Parquet files in a new folder of the staging location.

        Returns
        -------
        list
            The files' paths, at least one; the caller deletes them.

        Raises
        ------
        AsofJobError
            If the settings name no staging location.
        """
        location = staging_location_of(self._config)
        if not location:
            raise AsofJobError(
                "the offline store has no `staging_location`. Name a folder that the readers reach in feature_store.yaml: "
                "s3://bucket/folder."
            )
        return stage_rows(self.to_arrow(), location)
