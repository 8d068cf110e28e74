"""Findings of a check, and the pipeline that it looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dagster import DagsterInstance

from declaration.pipeline import Pipeline
from feature_repo.table_damage import LOG, MARK
from resources.connections import Connections

Kind = Literal[
    "database", "log", "file", "earlier version", "materialization", "ledger", "note", "alias", "model file",
    "online", "leftover",
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    pipeline
        Whose; empty for what all share.
    kind
        What sort of thing, as docs/how-to/recover.md explains it.
    where
        File, table and partition, or version.
    what
        What is wrong there.
    repair
        What to do, as a sentence or a command.
    mend
        Does it, and says what it did; None where a person must.
    """

    pipeline: str
    kind: Kind
    where: str
    what: str
    repair: str
    mend: Callable[[], str] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """Write it as one line, whatever a vendor's error says."""
        name = f"{self.pipeline}: " if self.pipeline else ""
        return " ".join(f"{name}{self.kind}: {self.where}: {self.what}. {self.repair}".split())


@dataclass(frozen=True)
class Subject:
    """One pipeline of an installation.

    Attributes
    ----------
    name
        Its name, also of one that is declared no longer.
    connections, instance
        Lake and stores; Dagster's storage.
    declared
        The declaration; None where there is none, or it is faulty.
    """

    name: str
    connections: Connections
    instance: DagsterInstance
    declared: Pipeline | None

    def tables(self) -> Sequence[str]:
        """List the pipeline's tables, also those whose log is gone."""
        root = Path(self.connections.lake.root).resolve()
        folders = {path.parent for name in (LOG, MARK) for path in (root / self.name).glob(f"**/{name}")}
        return sorted(folder.relative_to(root).as_posix() for folder in folders)

    def finding(
        self, kind: Kind, where: str, what: str, repair: str, mend: Callable[[], str] | None = None
    ) -> Finding:
        """Make a finding about this pipeline."""
        return Finding(self.name, kind, where, what, repair, mend)


Show = Callable[[str], None]
"""Takes what is being looked at, for people who wait."""


def rerun(asset: Sequence[str], partition: str | None) -> str:
    """Return the command that materializes an asset's partition again.

    Examples
    --------
    >>> rerun(("churn", "raw", "raw_events"), "2024-01-01")
    'dagster asset materialize -m pipelines.definitions --select churn/raw/raw_events --partition 2024-01-01'
    """
    command = f"dagster asset materialize -m pipelines.definitions --select {'/'.join(asset)}"
    return command if partition is None else f"{command} --partition {partition}"
