"""Root of a declaration: frozen, typed values for every block of a `defs.yaml`.

Nothing here knows Dagster or any vendor. A file is parsed once, at the door
(`pipelines.loading.read`), and only these values travel further.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import (
    Field,
)

from declaration.alerts import AlertsSpec
from declaration.datasets import DatasetSpec
from declaration.drift import DriftSpec, RetrainSpec
from declaration.errors import DriftlineError
from declaration.features import FeatureViewSpec
from declaration.model import ModelSpec
from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from declaration.predictions import PredictionsSpec
from declaration.target import TargetSpec
from declaration.types import ColumnName, GrownBlock, Identifier


class PipelineSpec(GrownBlock):
    """A declared pipeline: the attributes of one `defs.yaml`."""

    ADDED = frozenset({"predictions"})

    description: str = ""
    """The question this pipeline answers."""
    owners: tuple[str, ...] = ()
    """E-mail addresses or `team:<name>`, shown on every asset."""
    partitions: PartitionsSpec
    """Partitions into which the data is cut."""
    datasets: Mapping[Identifier, DatasetSpec] = Field(min_length=1)
    """Raw data by name."""
    queries: Mapping[Identifier, str] = Field(default_factory=dict)
    """Named SQL files over the profiled datasets that features, prediction times and labels may read like a dataset."""
    entities: Mapping[Identifier, tuple[ColumnName, ...]] = Field(default_factory=dict)
    """Feast entities: the key columns of each."""
    features: Mapping[Identifier, FeatureViewSpec] = Field(default_factory=dict)
    """Feature views by name."""
    target: TargetSpec | None = None
    """Target that is predicted. Without it there is no model: quality is checked and drift is watched."""
    model: ModelSpec = Field(default_factory=ModelSpec)
    """Settings by which models are trained and compared."""
    predictions: PredictionsSpec | None = None
    """Settings of the champion's scores: explained, and where else they are written."""
    drift: DriftSpec = Field(default_factory=DriftSpec)
    """Settings by which drift is judged."""
    retrain: RetrainSpec = Field(default_factory=RetrainSpec)
    """Conditions on which a challenger is trained."""
    alerts: AlertsSpec = Field(default_factory=AlertsSpec)
    """Alerts: their channels and silences."""
    schedule: str | None = None
    """Cron expression of the refresh, in the partitions' zone; absent means at the end of every partition."""
    tags: Mapping[str, str] = Field(default_factory=dict)
    """Tags shown on every asset."""

    @property
    def cron(self) -> str | None:
        """Cron expression of the refresh; None where it is data that begins it: rows and loads without a schedule."""
        return self.schedule or partitioning(self.partitions).cron

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

    def view_keys(self, view: str) -> tuple[str, ...]:
        """Return the key columns of a view's entity; none where it has no entity."""
        entity = self.features[view].entity
        return () if entity is None else self.entities[entity]

    @property
    def watched(self) -> str:
        """The dataset whose drift is watched where there is no target."""
        partitioned = (name for name, dataset in self.datasets.items() if dataset.is_partitioned)
        return self.drift.dataset or next(partitioned)
