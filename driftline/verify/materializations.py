"""Materializations: whether the lake still has what Dagster was told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from driftline.verify.claims import Claim
from driftline.verify.finding import Finding, Subject, rerun
from feature_repo.table_damage import commit_path
from resources.lake.errors import LakeError
from resources.model_registry.ledger import LEDGER


def check_materializations(subject: Subject, claims: Sequence[Claim]) -> Iterator[Finding]:
    """Find partitions whose newest materialization wrote a version that is no longer there."""
    if not claims and subject.tables():
        yield subject.finding(
            "materialization", subject.name, "the lake has its tables, and Dagster knows none of its materializations",
            f"Restore Dagster's storage from a backup, or run `driftline replay {subject.name}`.",
        )  # fmt: skip
    newest: dict[str, int | None] = {}
    for claim in claims:
        lost = []
        for table, version in claim.versions.items():
            # What the ledger lost is told by its chain and the notes of it.
            if table == LEDGER.of(subject.name):
                continue
            if table not in newest:
                newest[table] = _newest_version(subject, table)
            fault = _fault(subject, table, version, claim, newest[table])
            if fault:
                lost.append(fault)
        if lost:
            where = "/".join(claim.asset) + (f", partition {claim.partition}" if claim.partition else "")
            repair = f"Run `{rerun(claim.asset, claim.partition)}`."
            yield subject.finding("materialization", where, "; ".join(lost), repair)


def _newest_version(subject: Subject, table: str) -> int | None:
    """Return the newest version of a table; -1 where it is not there, None where its log cannot be read."""
    if not subject.connections.lake.has(table):
        return -1
    try:
        return subject.connections.lake.snapshot(table).version
    except LakeError:
        return None


def _fault(subject: Subject, table: str, version: int, claim: Claim, newest: int | None) -> str:
    if newest is None:
        # The log is another finding.
        return ""
    if version > newest:
        state = "the table is not there" if newest < 0 else f"its newest version is {newest}"
        return f"version {version} of table '{table}' was written, and {state}"
    commit_info = _commit_info(commit_path(subject.connections.lake.table_path(table), version))
    # Set back, a table gives the same number to another commit. One that is older was there when it was told of.
    is_later = float(commit_info.get("timestamp", 0)) / 1_000 > claim.told_at
    if is_later and commit_info.get("run_id") != claim.run_id:
        return f"version {version} of table '{table}' was written, and is another run's now"
    return ""


def _commit_info(path: Path) -> Mapping[str, Any]:
    """Read the information of a commit; nothing where it is no longer kept."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            action: Mapping[str, Mapping[str, Any]] = json.loads(line)
            if "commitInfo" in action:
                return action["commitInfo"]
    return {}
