"""The model that serves: the version that the ledger names, with the bytes that it trusts."""

from __future__ import annotations

from dataclasses import dataclass

from resources.lake import Lake
from resources.ledger import aliases_after, read_ledger, trusted_sha256
from resources.model_registry import ModelRegistry


@dataclass(frozen=True)
class ChampionFile:
    """A model file whose hash was checked against the ledger."""

    version: int
    content: bytes


def champion_version(lake: Lake, pipeline: str) -> int | None:
    """Return the version that serves a pipeline (by name), or None before the first promotion."""
    return aliases_after(read_ledger(lake, pipeline))["champion"]


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
        Whether the registry's aliases are made to name what the ledger names.

    Raises
    ------
    LedgerError
        If the ledger trusts no file of the version.
    ModelRegistryError
        If the file is missing, or is not the one that was judged.
    """
    decisions = read_ledger(lake, pipeline)
    aliases = aliases_after(decisions)
    number = aliases["champion"]
    if number is None:
        return None
    if repair_aliases:
        registry.point_aliases(pipeline, aliases)
    content = registry.model_file(pipeline, number, sha256=trusted_sha256(decisions, number))
    return ChampionFile(number, content)
