"""What the offline store gives back: a query that runs when its rows are wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata

from feature_repo.asof_writing import save_dataset

if TYPE_CHECKING:
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.saved_dataset import SavedDatasetStorage


class AsofRetrievalJob(RetrievalJob):
    """A query that has not run yet; Feast computes on-demand features from its result."""

    def __init__(
        self,
        run: Callable[[], pa.Table],
        *,
        repo_path: str | None,
        full_feature_names: bool = False,
        metadata: RetrievalMetadata | None = None,
        on_demand: Sequence[OnDemandFeatureView] = (),
    ) -> None:
        self._run = run
        self._repo_path = repo_path
        self._full_feature_names = full_feature_names
        self._metadata = metadata
        self._on_demand = list(on_demand)

    @property
    def full_feature_names(self) -> bool:
        """Whether features carry their view's name."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views computed from the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002 (Feast's signature)
        return self._run()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

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
            repo_path=self._repo_path,
            allow_overwrite=allow_overwrite,
        )
