"""Sources that are made in Dagster: a dataset of another pipeline, an asset of another code location."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from declaration.names import is_url
from declaration.sources.blocks import SourceBlock
from declaration.sources.tables import DeltaSourceSpec, IcebergSourceSpec
from declaration.sources.typed import AvroSourceSpec, OrcSourceSpec, ParquetSourceSpec
from declaration.types import Identifier

PARTITION_SLOT = "partition"
"""Name of the slot that takes the partition's key; all others take what a materialization tells."""

_OWN_KEYS = {
    "max_rejected_share": "Write it beside 'key'.",
    "mode": "Write 'partitioned: true' beside 'key'.",
    "missing": "Remove it.",
    "inbox": "Remove it.",
}
"""Keys that only a source of its own has a use for, and what to do with them here."""

_SLOT = re.compile(r"\{([^{}]*)\}")


class UpstreamSourceBlock(SourceBlock):
    """Keys of sources that are made in Dagster."""

    @property
    def is_made_elsewhere(self) -> bool:
        """Tell that another makes the rows."""
        return True


class DatasetSourceSpec(UpstreamSourceBlock):
    """A dataset of another pipeline of the project: its rows that met the expectations."""

    type: Literal["dataset"]
    """A dataset of another pipeline of the project."""
    pipeline: Identifier
    """Name of the other pipeline: of its folder."""
    dataset: Identifier
    """Name of the dataset there."""
    version: int | None = Field(default=None, ge=0)
    """Version of its table in the lake that is read; the newest when absent."""

    @property
    def place(self) -> str:
        """The dataset and its pipeline."""
        at = "" if self.version is None else f"@{self.version}"
        return f"{self.dataset}{at} of pipeline {self.pipeline}"

    @property
    def subject(self) -> str:
        """The dataset's own name."""
        return self.dataset

    @property
    def is_local(self) -> bool:
        """Tell that its rows are in the lake."""
        return True


AssetData = Annotated[
    ParquetSourceSpec | OrcSourceSpec | AvroSourceSpec | DeltaSourceSpec | IcebergSourceSpec,
    Field(discriminator="type"),
]
"""Forms of an asset's data: those whose columns have types."""


class AssetSourceSpec(UpstreamSourceBlock):
    """An asset of another code location of the same Dagster: its newest materialization tells where its data is."""

    partitions_key: ClassVar[tuple[str, str]] = "partitioned", "true"

    type: Literal["asset"]
    """An asset of another code location of the same Dagster."""
    key: str = Field(pattern=r"^[^/\s][^\n]*$", max_length=1_000)
    """Its asset key, as Dagster shows it: `warehouse/orders`."""
    data: AssetData
    """Form and path of its data. `{NAME}` in the path is that entry of the materialization's metadata: `{uri}`, `{path}/*.parquet`."""
    partitioned: bool = False
    """True if it has the partitions of this pipeline: each reads what its own materialization tells, and `{partition}` in the path is its key."""

    @property
    def key_parts(self) -> tuple[str, ...]:
        """The key in its parts."""
        return tuple(self.key.split("/"))

    @property
    def slots(self) -> frozenset[str]:
        """Entries of the metadata that the path takes; not the partition's key."""
        return frozenset(_SLOT.findall(self.data.path)) - {PARTITION_SLOT}

    @property
    def place(self) -> str:
        """The key."""
        return self.key

    @property
    def subject(self) -> str:
        """The last part of its key."""
        return self.key_parts[-1]

    @property
    def has_partition_files(self) -> bool:
        """Tell whether each partition is what one materialization made."""
        return self.partitioned

    def data_with(self, values: Mapping[str, str]) -> AssetData:
        """Return how the data is read, with the slots of its path filled in."""
        return self.data.model_copy(update={"path": _filled(self.data.path, values)})

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the key, and with the data as it would be read."""
        if not all(self.key_parts):
            yield "key", f"is '{self.key}', but a key is written warehouse/orders, as Dagster shows it."
        for key, repair in _OWN_KEYS.items():
            if key in self.data.model_fields_set:
                yield "data", f"has '{key}', which says nothing there. {repair}"
        has_key = f"{{{PARTITION_SLOT}}}" in self.data.path
        if has_key and not self.partitioned:
            yield (
                "data",
                "has {partition} in its path, which only 'partitioned: true' fills in. Add it beside 'key'.",
            )
        if self.partitioned and not has_key and not self.slots:
            yield (
                "data",
                f"has the path '{self.data.path}', which is the same for all partitions, but the source is 'partitioned'. "
                "Write {partition} or an entry of the metadata in it, or remove 'partitioned'.",
            )
        values = dict.fromkeys(self.slots, "/filled") | {PARTITION_SLOT: "filled"}
        for key, text in self.data_with(values).contradictions():
            yield "data", f"has '{key}', which {text}"


def _filled(path: str, values: Mapping[str, str]) -> str:
    """Fill in the slots that have a value.

    Examples
    --------
    >>> _filled("{path}/{partition}/*.parquet", {"path": "/data", "partition": "2024-01-01"})
    '/data/2024-01-01/*.parquet'
    """
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), path)


def is_placed(path: str) -> bool:
    """Tell whether a path says where it is without a folder to start from.

    Examples
    --------
    >>> is_placed("/data/orders"), is_placed("s3://bucket/orders"), is_placed("orders")
    (True, True, False)
    """
    return path.startswith("/") or is_url(path)
