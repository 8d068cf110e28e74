"""One reading of a dataset: the run, what is declared, and the commit that says what was read in which way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assets.materialization import StageRun
from assets.raw.column_dates import selected_columns
from assets.raw.contracts import Contract
from assets.raw.full_loads import FINGERPRINT
from assets.raw.registry import register
from declaration.datasets import DatasetSpec
from declaration.partition_sql import between, event_instant
from declaration.partitioning import Cut, LoadPartitions, Partitioning, Window, partitioning
from resources.lake.lake import Lake
from sources.opening import asked_window

READ_AS = "read_as"
"""Key in the lake's commit: how it was read."""


@dataclass(frozen=True)
class Reading:
    """A run of the stage for one dataset, and the commit that says what was read in which way."""

    run: StageRun
    dataset: str
    commit: Mapping[str, str]
    contract: Contract
    is_all_given: bool = False
    """Whether the source gave all of its rows though it was asked for the window's."""

    @property
    def lake(self) -> Lake:
        """The lake."""
        return self.run.lake

    @property
    def window(self) -> Window | None:
        """The partition; None for a reference table."""
        return self.run.scope.window

    @property
    def partitioning(self) -> Partitioning:
        """How the pipeline is cut."""
        return partitioning(self.run.spec.partitions)

    @property
    def load(self) -> int:
        """Number of the load that is read; 0 where partitions are none."""
        loads, window = self.partitioning, self.window
        return loads.number(window.key) if window and isinstance(loads, LoadPartitions) else 0

    @property
    def spec(self) -> DatasetSpec:
        """What is declared of the dataset."""
        return self.run.spec.datasets[self.dataset]

    @property
    def table(self) -> str:
        """The table of its rows."""
        return self.run.table("raw", self.dataset)

    @property
    def rejects_table(self) -> str:
        """The table of its rejects."""
        return self.run.table("raw_rejects", self.dataset)

    @property
    def timezone(self) -> str:
        """Zone of the pipeline's partitions."""
        return self.run.spec.partitions.timezone

    @property
    def cut(self) -> Cut:
        """How its tables are cut."""
        return self.run.pipeline.cut(self.spec.event_time)

    @property
    def selected(self) -> str:
        """SQL of the columns of the rows that are kept."""
        return selected_columns(self.spec, self.window, timezone=self.timezone)

    def register(self) -> int:
        """Add the schema of the rows to the registry, where it is not the newest; return its version."""
        scope = self.run.scope
        if self.contract.is_registered:
            return self.contract.number
        return register(
            self.lake, self.run.pipeline, self.dataset, self.contract.declared,
            run_id=scope.run_id, clock=scope.clock,
        )  # fmt: skip

    @property
    def is_whole_source(self) -> bool:
        """Tell whether every partition reads the same rows."""
        upstream = self.run.pipeline.upstream.get(self.dataset)
        window = asked_window(self.spec, self.run.spec.partitions, self.run.scope.window, upstream)
        return not self.spec.source.has_partition_files and (window is None or self.is_all_given)

    @property
    def is_same_content(self) -> bool:
        """Tell whether the table's newest commit read the same content: nothing in it is new then."""
        table = self.table
        return (
            self.lake.has(table) and self.lake.commit_of(table).get(FINGERPRINT) == self.commit[FINGERPRINT]
        )

    def is_current(self, table: str) -> bool:
        """Tell whether the table's newest commit read the same content in the same way."""
        if not self.lake.has(table):
            return False
        newest = self.lake.commit_of(table)
        return all(newest.get(key) == self.commit[key] for key in (FINGERPRINT, READ_AS))

    @property
    def belongs(self) -> str:
        """SQL condition of the rows that the partition takes."""
        window = self.window
        if window is None:
            return "true"
        return between(event_instant(self.spec, self.timezone), window.start, window.end)

    @property
    def must_hold(self) -> Mapping[str, str]:
        """Condition on rows of a partition's own file, by the reason: a row of another partition would be lost in silence."""
        window = self.window
        if window is None or self.is_whole_source:
            return {}
        return {f"{self.spec.event_time}: not in partition {window.key}": self.belongs}
