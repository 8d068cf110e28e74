"""Sources that are tables with a log of their versions: Delta, Iceberg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from declaration.names import is_url
from declaration.sources.blocks import SourceBlock
from declaration.types import Instant


class TableSourceBlock(SourceBlock):
    """Keys of tables with versions."""

    path: str = Field(min_length=1)
    """Folder of the table, relative to the declaration, absolute, or URL-like (`s3://…`)."""
    as_of: Instant | None = None
    """Instant as of which the table is read; without a zone it is one of UTC. The newest version when absent."""

    @property
    def place(self) -> str:
        """The folder."""
        return self.path

    @property
    def is_local(self) -> bool:
        """Tell whether the table is on this machine."""
        return not is_url(self.path)

    @property
    def is_asked(self) -> bool:
        """A table is asked for the rows of a partition where its event time can tell them."""
        return True

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path."""
        if any(sign in self.path for sign in "*?["):
            yield "path", f"is '{self.path}', but a table is one folder. Name it without a pattern."
        if "{partition}" in self.path:
            yield "path", "holds {partition}, but a table has its partitions itself. Name the table's folder."
        if ".." in self.path.split("/"):
            yield "path", f"is '{self.path}', but a path may not climb with '..'. Write an absolute path."


class DeltaSourceSpec(TableSourceBlock):
    """A Delta table, or the changes of one."""

    type: Literal["delta"]
    """A Delta table."""
    version: int | None = Field(default=None, ge=0)
    """Version that is read; the newest when absent."""
    rows: Literal["current", "changes"] = "current"
    """`changes`: a row for each change, from the table's change data feed, with `_change_type`, `_commit_version` and `_commit_timestamp`."""

    since_version: int | None = Field(default=None, ge=0)
    """First version whose changes are read; the oldest that the log has when absent."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, a table of two versions, and changes that are not read."""
        yield from super().contradictions()
        if self.since_version is not None and self.rows != "changes":
            yield "since_version", "is for 'rows: changes' only. Declare that, or remove it."
        if self.version is not None and self.as_of is not None:
            yield (
                "as_of",
                "is declared beside 'version'. One of them says which version is read: remove the other.",
            )


class IcebergSourceSpec(TableSourceBlock):
    """An Iceberg table, by the metadata in its folder."""

    type: Literal["iceberg"]
    """An Iceberg table."""
    snapshot: int | None = Field(default=None, ge=0)
    """Identifier of the snapshot that is read; the newest when absent."""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, and a table of two snapshots."""
        yield from super().contradictions()
        if self.snapshot is not None and self.as_of is not None:
            yield "as_of", "is declared beside 'snapshot'. One of them says which is read: remove the other."
