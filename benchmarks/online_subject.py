"""The view that the soak writes and reads: two features and an instant, which all say the same number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

START = datetime(2024, 1, 1, tzinfo=UTC)
VIEW = "machines"


@dataclass(frozen=True)
class Subject:
    """The store under test and its one view."""

    store: Any
    view: Any

    def write(self, entities: Sequence[int], moments: Sequence[int]) -> None:
        """Write rows whose values and instants are their moments."""
        import pyarrow as pa

        from feature_repo.online_batch import batch_of_table

        instants = [START + timedelta(seconds=moment) for moment in moments]
        rows = pa.table(
            {
                "machine": pa.array(entities, pa.int64()),
                "event_timestamp": pa.array(instants, pa.timestamp("us", tz="UTC")),
                "one": pa.array(moments, pa.int64()),
                "other": pa.array(moments, pa.int64()),
            }
        )
        self._online.write(self.store.config, self.view, batch_of_table(self.view, rows))

    def read(self, entities: Sequence[int]) -> list[tuple[datetime | None, Mapping[str, Any] | None]]:
        """Read by Feast's own reader."""
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        keys = [EntityKey(join_keys=["machine"], entity_values=[Value(int64_val=e)]) for e in entities]
        answers: list[tuple[datetime | None, Mapping[str, Any] | None]] = self._online.online_read(
            self.store.config, self.view, keys, ["one", "other"]
        )
        return answers

    @property
    def _online(self) -> Any:
        return self.store._get_provider().online_store


def open_subject(folder: Path, online: Mapping[str, Any], *, register: bool = True) -> Subject:
    """Open the Feast project in a folder; without `register`, as another process has registered it."""
    import feast
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.repo_config import RepoConfig
    from feast.types import Int64

    config = RepoConfig(
        project="soak",
        provider="local",
        registry={"path": str(folder / "registry.db")},
        online_store=dict(online),
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    if register:
        entity = Entity(name="machine", join_keys=["machine"], value_type=ValueType.INT64)
        source = FileSource(name="rows", path=str(folder / "none.parquet"), timestamp_field="event_timestamp")
        fields = [Field(name=name, dtype=Int64) for name in ("machine", "one", "other")]
        store.apply([entity, FeatureView(name=VIEW, entities=[entity], schema=fields, source=source)])
    store._get_provider()  # made once: it is not made by several threads at the same time
    return Subject(store, store.get_feature_view(VIEW))
