"""History of a schema: its versions, by which run each was first and last seen, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assets.raw.registry import Registered, Sighting, last_seen, read_schemas
from declaration.pipeline import Pipeline
from declaration.schemas import changes
from resources.lake.lake import Lake


@dataclass(frozen=True)
class Version:
    """One version of a dataset's schema.

    Attributes
    ----------
    dataset
        Whose.
    registered
        What was registered.
    seen
        The newest write of rows with it; None where the log does not tell.
    changes
        What changed since the version before, in words.
    """

    dataset: str
    registered: Registered
    seen: Sighting | None
    changes: tuple[str, ...]


def schema_history(pipeline: Pipeline, lake: Lake) -> Sequence[Version]:
    """Return the versions of all datasets, oldest first."""
    return [version for name in pipeline.spec.datasets for version in _versions(pipeline, name, lake)]


def _versions(pipeline: Pipeline, dataset: str, lake: Lake) -> Sequence[Version]:
    registered = read_schemas(lake, pipeline.name, dataset)
    table = pipeline.table("raw", dataset)
    seen = last_seen(lake, table) if lake.has(table) else {}
    return [
        Version(
            dataset,
            version,
            seen.get(version.mark),
            () if before is None else tuple(changes(before.schema, version.schema)),
        )
        for before, version in zip((None, *registered), registered, strict=False)
    ]
