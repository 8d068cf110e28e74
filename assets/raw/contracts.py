"""Contract of a dataset's columns: what is refused before a run reads anything, and what is to be done instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from assets.raw.column_rewrites import ColumnRewrite, column_rewrites
from assets.raw.registry import Registered, read_schemas, schema_mark
from declaration.compatibility import incompatibilities
from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from declaration.schemas import Schema, renames, schema_of
from resources.lake.lake import Lake, Snapshot

STAGES = ("raw", "profiled", "quarantine")
"""Stages whose tables have a dataset's columns."""


class SchemaError(DriftlineError):
    """Declared columns do not follow those that were there."""


@dataclass(frozen=True)
class TableRewrites:
    """Columns of one table that are to be written anew or left out, and the version that this was found in."""

    snapshot: Snapshot
    columns: tuple[ColumnRewrite, ...]
    removed: tuple[str, ...] = ()

    @property
    def is_by_run(self) -> bool:
        """Tell whether the next run that writes the table does all of it by itself: a run leaves removed columns where they are."""
        return not self.removed and all(column.is_by_run for column in self.columns)

    @property
    def texts(self) -> Sequence[str]:
        """What becomes of the columns, in words."""
        return [*map(str, self.columns), *(f"'{name}' is left out" for name in self.removed)]


@dataclass(frozen=True)
class Contract:
    """Declared columns of a dataset beside those that were registered.

    Attributes
    ----------
    pipeline, dataset
        Whose columns.
    declared
        As they are declared now.
    versions
        As they were registered, oldest first.
    """

    pipeline: Pipeline
    dataset: str
    declared: Schema
    versions: Sequence[Registered]

    @property
    def is_registered(self) -> bool:
        """Tell whether the newest version is what is declared."""
        return bool(self.versions) and self.versions[-1].schema.hash == self.declared.hash

    @property
    def number(self) -> int:
        """Number of the version that is declared: the newest, or the next."""
        newest = self.versions[-1].number if self.versions else 0
        return newest if self.is_registered else newest + 1

    @property
    def mark(self) -> str:
        """Mark in the commits of rows with the declared columns."""
        return schema_mark(self.number, self.declared)

    @property
    def newest(self) -> Schema | None:
        """The newest registered schema; None before the first."""
        return self.versions[-1].schema if self.versions else None

    def faults(self, clock: datetime) -> Iterator[str]:
        """Say what compatibility refuses of a change; nothing where none was registered, or nothing changed."""
        mode, newest = self.pipeline.spec.datasets[self.dataset].compatibility, self.newest
        if newest is None or self.is_registered or mode in (None, "none"):
            return
        renamed = renames(self.declared, newest)
        versions = [(version.number, version.schema) for version in self.versions]
        yield from incompatibilities(mode, self.declared.renamed(renamed), versions)
        today = clock.astimezone(ZoneInfo(self.pipeline.spec.partitions.timezone)).date()
        for column in newest.columns:
            is_gone = column.name not in self.declared.by_name and column.name not in renamed.values()
            if is_gone and (column.deprecated is None or column.deprecated > today):
                was = (
                    f"is deprecated only from {column.deprecated} on"
                    if column.deprecated
                    else "was not deprecated"
                )
                yield (
                    f"column '{column.name}' was removed, but {was}, and compatibility is {mode}. Restore it with "
                    "`deprecated`, the day from which on nobody may count on it, and remove it after that day."
                )

    def rewrites(self, lake: Lake) -> Sequence[TableRewrites]:
        """List the tables that have columns otherwise than declared, or ones that were registered and are declared no more."""
        names = [self.pipeline.table(stage, self.dataset) for stage in STAGES]
        renamed = renames(self.declared, self.newest)
        found = []
        for snapshot in (lake.snapshot(name) for name in names if lake.has(name)):
            columns = column_rewrites(self.declared, renamed, snapshot.schema)
            kept = {*self.declared.by_name, *renamed.values(), *(rewrite.present for rewrite in columns)}
            # Tables have columns of their own, too, which nobody ever declared.
            removed = [name for name in snapshot.schema.names if name in self._ever and name not in kept]
            if columns or removed:
                found.append(TableRewrites(snapshot, tuple(columns), tuple(removed)))
        return found

    @property
    def _ever(self) -> frozenset[str]:
        """Columns that any registered version has."""
        return frozenset(name for version in self.versions for name in version.schema.by_name)

    def check(self, lake: Lake, clock: datetime) -> None:
        """Refuse columns that a run cannot write, before it reads anything.

        Raises
        ------
        SchemaError
            If compatibility refuses the change, or present rows must be written anew first.
        """
        if self.is_registered:
            return
        where = f"dataset '{self.dataset}' of '{self.pipeline.name}'"
        faults = list(self.faults(clock))
        if faults:
            raise SchemaError(f"{where}: nothing was read or written: {' '.join(faults)}")
        pending: dict[str, list[str]] = {}
        for table in self.rewrites(lake):
            for rewrite in table.columns:
                if rewrite.is_possible and not rewrite.is_by_run:
                    pending.setdefault(str(rewrite), []).append(table.snapshot.table)
        if pending:
            name = self.pipeline.name
            listed = "; ".join(f"{change} in {', '.join(tables)}" for change, tables in pending.items())
            raise SchemaError(
                f"{where}: nothing was read or written: rows that are there must be written anew first: {listed}. "
                f"Look with `driftline schema plan {name}`, and do it with `driftline schema apply {name}`."
            )


def contract_of(pipeline: Pipeline, dataset: str, lake: Lake) -> Contract:
    """Return the declared columns of a dataset beside those that were registered."""
    declared = schema_of(pipeline.spec.datasets[dataset])
    return Contract(pipeline, dataset, declared, read_schemas(lake, pipeline.name, dataset))
