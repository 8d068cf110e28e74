"""Source type: what reads one kind of source, as the table of types holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from declaration.datasets import DatasetSpec
from declaration.partitioning import Window
from declaration.sources.blocks import SourceBlock
from declaration.upstream import UpstreamDataset
from sources.described import Described
from sources.forms import EngineForm
from sources.stores import Stores

if TYPE_CHECKING:
    import duckdb

WHOLE = ""
"""Key of a source's mark where it is not one by partition."""

Keys = TypeVar("Keys", bound=SourceBlock)
Keys_contra = TypeVar("Keys_contra", bound=SourceBlock, contravariant=True)


@dataclass(frozen=True)
class Asked:
    """What a source is opened for.

    Attributes
    ----------
    folder
        Folder of the declaration; relative paths start there.
    scratch
        Folder in which files are made, and removed after.
    partition
        Key of the partition; None for the whole source.
    window
        Window that a source is asked for which gives no more than that; None for all of its rows.
    dataset
        What is declared of the rows; None where nothing is yet.
    timezone
        IANA zone in which wall clocks are instants.
    takes_strays
        Whether rows that belong to no window, as they have no event time, are asked for with this one.
    most_rows
        Rows that a look needs at most, of a source that is asked; None for all.
    upstream
        What is declared of the dataset of another pipeline that is read; None of other sources.
    stores
        Where other pipelines and code locations keep what they made; None where nothing of that is at hand.
    clock
        The present instant, by which files that are too young are not read; None where they are read however young they are.
    span
        Instants between which all partitions lie, without an end where they go on; None where none is asked for.
    """

    folder: Path
    scratch: Path
    partition: str | None = None
    window: Window | None = None
    dataset: DatasetSpec | None = None
    timezone: str = "UTC"
    takes_strays: bool = False
    most_rows: int | None = None
    upstream: UpstreamDataset | None = None
    stores: Stores | None = None
    clock: datetime | None = None
    span: tuple[datetime, datetime | None] | None = None


@dataclass(frozen=True)
class Look:
    """What a sensor sees of a source that has files.

    Attributes
    ----------
    marks
        As of `SourceType.marks`.
    waiting
        Files that are not read yet, by their paths, with the reason.
    unsettled
        Keys of the marks to which nothing is to be started yet: files of them are being written.
    hours
        What each hour of event time holds, of a source that is compared in that way (`SourceType.contents`): it has no other marks.
    """

    marks: Mapping[str, str]
    waiting: Mapping[str, str] = field(default_factory=dict)
    unsettled: frozenset[str] = frozenset()
    hours: Mapping[datetime | None, str] | None = None


@dataclass(frozen=True)
class Opened:
    """A source as it was opened.

    Attributes
    ----------
    files
        Files that hold its rows: its own, or ones that are made and removed after.
    state
        What tells the state that was read from any other, where the source knows that: a version. None where the files' content does.
    facts
        What the asset shows of the reading: a version, seconds that were waited for the source, rows that it left out.
    is_whole
        Whether all of its rows are there though a window was asked for, as it could not tell those of the window.
    """

    files: tuple[Path, ...]
    state: str | None = None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    is_whole: bool = False


class Opening(Protocol[Keys_contra]):
    """Opens a source for what is asked of it."""

    def __call__(self, source: Keys_contra, asked: Asked, /) -> AbstractContextManager[Opened]:
        """Return the source with its files; without any for a partition that has no rows of its own, where that may be.

        Raises
        ------
        SourceError
            If nothing is there, or the source cannot be read.
        """
        ...


class Preparation(Protocol[Keys_contra]):
    """Writes unpacked files out in the form that the engine reads."""

    def __call__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[Path],
        source: Keys_contra,
        /,
        *,
        folder: Path,
    ) -> tuple[Path, ...]:
        """Return the files to read: new ones in a folder, or the same."""
        ...


def as_they_are(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceBlock, /, *, folder: Path
) -> tuple[Path, ...]:
    """Return files that have the form already."""
    del connection, source, folder
    return tuple(files)


@dataclass(frozen=True)
class SourceType(Generic[Keys]):
    """One source type.

    Attributes
    ----------
    keys
        Its block of a declaration.
    open
        Gives the files that hold its rows.
    form
        The form that they have once they are prepared.
    marks
        What a sensor watches: a text that is another one when the source may have changed; of a source that has files for each
        partition one by partition, of others under `WHOLE`. Raises SourceError where nothing is there yet.
    prepare
        What is made of its files before they are read.
    endings, folder_sign
        Endings of file names, and a pattern of what only its folders hold, by which the scaffolder knows it.
    of_url
        Gives the block for a URL that a person types in a folder, and the variables that the block names; None where it is none of its URLs.
    look
        The marks of a source whose files arrive, with those that are still being written; None for other types.
    changes
        The hours of event time in which rows came or changed since a mark under `WHOLE`; None for types that cannot tell.
    contents
        What each hour of event time holds, as a text that is another one when rows came, changed or went, under None for rows
        without one; None where the source is not compared in this way. It is watched in place of `marks`.
    describe
        What the source's own definition states, for the scaffolder, from the block and the declaration's folder.
    """

    keys: type[Keys]
    open: Opening[Keys]
    form: EngineForm
    marks: Callable[[Keys, Asked], Mapping[str, str]]
    prepare: Preparation[Keys] = as_they_are
    endings: tuple[str, ...] = ()
    folder_sign: str = ""
    of_url: Callable[[str, Path], tuple[Keys, Mapping[str, str]] | None] | None = None
    look: Callable[[Keys, Asked], Look] | None = None
    changes: Callable[[Keys, Asked, str], Sequence[datetime]] | None = None
    contents: Callable[[Keys, Asked], Mapping[datetime | None, str] | None] | None = None
    describe: Callable[[Keys, Path], Described] | None = None
