"""A pipeline: its declaration with its name, its folder and its hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from declaration.partitioning import Cut
from declaration.spec import PipelineSpec
from declaration.upstream import UpstreamDataset


@dataclass(frozen=True)
class Pipeline:
    """A declaration that has been read: its name, its values, its SQL and its fingerprint."""

    name: str
    spec: PipelineSpec
    folder: str
    """Folder of the declaration; relative source paths start here."""
    sql: Mapping[str, str]
    """Text of every SQL file and Python source that the declaration names, by the name it uses."""
    spec_hash: str
    """sha256 of declaration and SQL; the code version of the assets."""
    upstream: Mapping[str, UpstreamDataset] = field(default_factory=dict)
    """What datasets read of other pipelines, by the dataset's name here."""

    def table(self, stage: str, name: str | None = None) -> str:
        """Return the lake's table of a stage: `<pipeline>/<stage>[/<name>]`."""
        return "/".join(part for part in (self.name, stage, name) if part)

    def cut(self, by: str | None = None) -> Cut:
        """Return how partitioned tables are cut, by the column or expression that tells a row's instant."""
        return Cut(self.spec.partitions, by or "")
