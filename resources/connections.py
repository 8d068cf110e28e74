"""Every resource of one deployment, made once from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from resources.alerts.channels import Channels
from resources.deployment import Deployment
from resources.engine.duckdb import Engine
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake
from resources.model_registry.registry import ModelRegistry
from resources.reports import Reports
from resources.score_targets.targets import ScoreTargets
from resources.validation import Validation


@dataclass(frozen=True)
class Connections:
    """Connections of the stages to the lake, the engine, the registry and the other services."""

    lake: Lake
    engine: Engine
    feature_store: FeatureStore
    validation: Validation
    registry: ModelRegistry
    reports: Reports
    channels: Channels
    score_targets: ScoreTargets

    def as_resources(self) -> Mapping[str, dg.ConfigurableResource]:  # type: ignore[type-arg]
        """Name them for Dagster."""
        return dict(vars(self))


def connect(installed: Deployment) -> Connections:
    """Make the resources of a deployment; nothing is opened yet."""
    spill = str(installed.home / "spill")
    return Connections(
        lake=Lake(root=str(installed.lake_root)),
        engine=Engine(
            memory_limit=installed.memory_limit,
            threads=installed.threads,
            spill_directory=spill,
            directories=[str(installed.lake_root)],
        ),
        feature_store=FeatureStore(
            registry_url=installed.feature_registry_url,
            registry_url_variable=installed.feature_registry_variable,
            online_path=str(installed.home / "feast" / "online.db"),
            online_url_variable=installed.online_url_variable,
            memory_limit=installed.memory_limit,
            threads=installed.threads,
            spill_directory=spill,
            tracking_uri=installed.tracking_url,
        ),
        validation=Validation(),
        registry=ModelRegistry(
            tracking_uri=installed.tracking_url,
            artifact_root=str(installed.home / "mlflow" / "artifacts"),
        ),
        reports=Reports(folder=str(installed.reports_folder), web_url=installed.web_url),
        channels=Channels(web_url=installed.web_url),
        score_targets=ScoreTargets(folder=str(installed.home / "scores"), lake_root=str(installed.lake_root)),
    )
