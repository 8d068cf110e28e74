"""Notes of the decision ledger in the model registry: its head, and each row, beside the version it is about.

A table whose last commit is gone looks like a table that never had it; only somebody else can tell. The notes hold
whole rows, so that lost ones can be written again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from resources.model_registry.ledger import Ledger
from resources.model_registry.ledger_chain import Head
from resources.model_registry.mlflow_store import open_store
from resources.model_registry.registry import ModelRegistry

HEAD_TAG = "driftline.ledger_head"
"""Tag of the registered model: `<rows>:<hash of the last>`."""

ROW_TAG = "driftline.ledger_row."
"""Tag of a version, followed by a row's number: the row as JSON."""


def noted_head(registry: ModelRegistry, pipeline: str) -> Head | None:
    """Return the head that was noted last; None where none was."""
    from mlflow.exceptions import MlflowException

    try:
        registered = open_store(registry.tracking_uri).get_registered_model(pipeline)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    count, _, sha256 = registered.tags.get(HEAD_TAG, "").partition(":")
    return Head(int(count), sha256) if sha256 else None


def note_head(registry: ModelRegistry, ledger: Ledger) -> None:
    """Note the newest row, and then the head."""
    client = open_store(registry.tracking_uri)
    place = ledger.head.count - 1
    note_row(registry, ledger, place)
    client.set_registered_model_tag(ledger.pipeline, HEAD_TAG, f"{place + 1}:{ledger.head.sha256}")


def note_row(registry: ModelRegistry, ledger: Ledger, place: int) -> None:
    """Note one row, by its number from 0."""
    row = ledger.row(place)
    text = json.dumps(row, sort_keys=True, default=lambda value: value.isoformat())
    client = open_store(registry.tracking_uri)
    client.set_model_version_tag(ledger.pipeline, str(row["version"]), f"{ROW_TAG}{place}", text)


def noted_rows(registry: ModelRegistry, pipeline: str) -> Mapping[int, Mapping[str, Any]]:
    """Return the rows that are noted, by number, as the ledger's table would hold them."""
    rows: dict[int, Mapping[str, Any]] = {}
    for tags in registry.version_tags(pipeline).values():
        for name, text in tags.items():
            if name.startswith(ROW_TAG):
                row = json.loads(text)
                row["instant"] = datetime.fromisoformat(row["instant"])
                rows[int(name.removeprefix(ROW_TAG))] = row
    return rows


def lost_rows(ledger: Ledger, head: Head | None, *, by: str = "the model registry noted") -> str:
    """Tell how a ledger falls short of a head that somebody else knows; empty where it does not."""
    if head is None or not head.count:
        return ""
    if head.count > ledger.head.count:
        return f"has {ledger.head.count} rows, and {by} {head.count}: the last ones are lost"
    if ledger.hashes[head.count - 1] != head.sha256:
        return f"has another row {head.count - 1} than {by}"
    return ""


def forget_notes(registry: ModelRegistry, pipeline: str) -> None:
    """Take back what was noted of a ledger that was set aside on purpose: the next one begins anew."""
    client = open_store(registry.tracking_uri)
    for number, tags in registry.version_tags(pipeline).items():
        for name in tags:
            if name.startswith(ROW_TAG):
                client.delete_model_version_tag(pipeline, str(number), name)
    if noted_head(registry, pipeline) is not None:
        client.delete_registered_model_tag(pipeline, HEAD_TAG)
