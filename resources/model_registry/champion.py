"""The model that serves: the version that the ledger names, with the bytes that it trusts."""

from __future__ import annotations

from dataclasses import dataclass

from resources.lake.lake import Lake
from resources.model_registry.enactment import follow
from resources.model_registry.ledger import open_ledger, trusted_sha256
from resources.model_registry.registry import ModelRegistry


@dataclass(frozen=True)
class ChampionFile:
    """A model file whose hash was checked against the ledger.

    Attributes
    ----------
    version
        Its number.
    content, sha256
        The file, and the hash that the ledger has of it.
    """

    version: int
    content: bytes
    sha256: str


def champion_version(lake: Lake, pipeline: str) -> int | None:
    """Return the version that serves a pipeline (by name), or None before the first promotion."""
    return open_ledger(lake, pipeline).champion


def champion_file(
    lake: Lake, registry: ModelRegistry, pipeline: str, *, repair_aliases: bool = False
) -> ChampionFile | None:
    """Read the champion of a pipeline (by name), or None before the first promotion.

    Parameters
    ----------
    lake
        Where the ledger is.
    registry
        Where the files are.
    pipeline
        Its name.
    repair_aliases
        Whether the registry's aliases and notes are made to say what the ledger says.

    Raises
    ------
    LedgerError
        If the ledger is damaged, or trusts no file of the version.
    ModelRegistryError
        If the file is missing, or is not the one that was judged.
    """
    ledger = follow(lake, registry, pipeline) if repair_aliases else open_ledger(lake, pipeline)
    number = ledger.champion
    if number is None:
        return None
    sha256 = trusted_sha256(ledger.decisions, number)
    return ChampionFile(number, registry.model_file(pipeline, number, sha256=sha256), sha256)
