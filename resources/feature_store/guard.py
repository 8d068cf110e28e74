"""Guard of the champion's features: none is removed or retyped, unless a person accepted it for this champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.lake_table import LakeTable
from resources.feature_store.changes import FeatureChange
from resources.lake.lake import Lake
from resources.model_registry.ledger import aliases_after, read_ledger
from resources.model_registry.registry import ModelRegistry

ACCEPTED_CHANGES = LakeTable(
    "accepted_feature_changes",
    pa.schema(
        [
            ("instant", pa.timestamp("us", tz="UTC")),
            ("actor", pa.string()),
            ("champion", pa.int32()),
            ("column", pa.string()),
            ("change", pa.string()),
        ]
    ),
)
"""A row per column that the champion loses by an accepted change."""


class FeatureChangeError(DriftlineError):
    """A change would take from the champion what it reads."""


@dataclass(frozen=True)
class Loss:
    """Loss of features that the champion reads: its version, and the columns by the change that takes them."""

    champion: int
    changes: Mapping[str, FeatureChange]


def champion_loss(
    pipeline: str, changes: Sequence[FeatureChange], lake: Lake, *, tracking_uri: str
) -> Loss | None:
    """Tell what the champion loses by some changes, but for what was accepted; None where it loses nothing.

    The registry of models is opened only for changes that take something away, and only where a champion serves.
    """
    lost = {column: change for change in changes for column in change.lost}
    number = aliases_after(read_ledger(lake, pipeline))["champion"] if lost else None
    if number is None or not tracking_uri:
        return None
    champion = ModelRegistry(tracking_uri=tracking_uri, artifact_root="").version(pipeline, number)
    accepted = _accepted(lake, pipeline, number)
    read = sorted((lost.keys() & set(champion.feature_names)) - accepted)
    return Loss(number, {column: lost[column] for column in read}) if read else None


def refuse_loss(pipeline: str, changes: Sequence[FeatureChange], lake: Lake, *, tracking_uri: str) -> None:
    """Refuse changes that take from the champion what it reads.

    Raises
    ------
    FeatureChangeError
        With the changes, and both ways out.
    """
    loss = champion_loss(pipeline, changes, lake, tracking_uri=tracking_uri)
    if loss is None:
        return
    losses = "; ".join(dict.fromkeys(str(change) for change in loss.changes.values()))
    raise FeatureChangeError(
        f"champion {loss.champion} of '{pipeline}' reads {', '.join(loss.changes)}, which would be lost: {losses}. "
        "Restore the definition and add the new one beside it under another name until a champion without the old "
        f"one serves, or accept the loss: `driftline features apply {pipeline} --force`."
    )


def accept_loss(lake: Lake, pipeline: str, loss: Loss, *, actor: str, clock: datetime) -> None:
    """Write down that a person accepts what the present champion loses."""
    rows = [
        {
            "instant": clock,
            "actor": actor,
            "champion": loss.champion,
            "column": column,
            "change": str(change),
        }
        for column, change in loss.changes.items()
    ]
    lake.append(ACCEPTED_CHANGES.of(pipeline), ACCEPTED_CHANGES.rows(rows), commit={"actor": actor})


def _accepted(lake: Lake, pipeline: str, champion: int) -> frozenset[str]:
    table = ACCEPTED_CHANGES.of(pipeline)
    if not lake.has(table):
        return frozenset()
    rows = lake.read(table).select(["champion", "column"]).to_pylist()
    return frozenset(row["column"] for row in rows if row["champion"] == champion)
