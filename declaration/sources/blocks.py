"""Base blocks of source types: the keys and properties that all of them have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from declaration.names import is_url
from declaration.sources.value_forms import PLAIN_FORMS, ValueForms
from declaration.types import Block, Duration

WATCHED_SETTLE = timedelta(minutes=1)
"""Time without a write after which a sensor takes a file for whole where nothing is declared: uploads seldom pause longer."""


@dataclass(frozen=True)
class TextTable:
    """Form of a table of texts: what the CSV reader reads, and what other files are written out as.

    Attributes
    ----------
    delimiter
        Sign between two columns.
    null_values
        Texts that mean NULL.
    quote
        Sign around values, doubled inside them; None where values have no quotes.
    skip_lines
        Lines before the header, or before the first row.
    names
        Names of the columns where the file has no header; None where its first line names them.
    comment
        Beginning of lines that are no records; they have been emptied when the table is read.
    """

    delimiter: str
    null_values: tuple[str, ...]
    quote: str | None = '"'
    skip_lines: int = 0
    names: tuple[str, ...] | None = None
    comment: str | None = None

    @property
    def signs(self) -> frozenset[str]:
        """Signs that no text that means NULL may hold: of a quote, a delimiter or a line end."""
        return frozenset({self.delimiter, "\r", "\n"} | ({self.quote} if self.quote else set()))

    def has_lines(self, n_columns: int) -> bool:
        """Tell whether lines that were read have the numbers of the file: of one column, an emptied line would be a value."""
        return self.comment is None or n_columns > 1

    def null_faults(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the texts that mean NULL."""
        if not self.null_values:
            yield "null_values", "is empty. Leave it out, or name a text that never occurs."
        for null in self.null_values:
            if set(null) & self.signs:
                yield (
                    "null_values",
                    f"has {null!r}, but a text that means NULL holds no quote, delimiter or line end.",
                )


class SourceBlock(Block):
    """Keys of every source."""

    code_key: ClassVar[str] = "path"
    """The key that names `code_file`."""

    partitions_key: ClassVar[tuple[str, str]] = "mode", "'incremental'"
    """The key, and its value, by which each partition has files of its own."""

    may_be_empty: ClassVar[bool] = False
    """Whether no rows, without so much as the names of their columns, are sound: an answer, where a file would be damaged."""

    has_texts: ClassVar[bool] = False
    """Whether values are texts, so that one can mean NULL."""

    type: str
    """Type of the source."""
    max_rejected_share: float = Field(default=0.01, ge=0, le=1)
    """Share of rows that may be unreadable before the asset fails. Rejected rows are kept with the reason."""

    @property
    def place(self) -> str:
        """The place of the rows as messages and metadata say it; no secret is in it."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The name that a dataset of it may have."""
        return self.place

    @property
    def text_table(self) -> TextTable | None:
        """The form that the CSV reader reads; None where it does not."""
        return None

    @property
    def value_forms(self) -> ValueForms:
        """How texts of the source write numbers and times."""
        return PLAIN_FORMS

    @property
    def has_partition_files(self) -> bool:
        """Tell whether each partition has files of its own."""
        return False

    @property
    def is_asked(self) -> bool:
        """Tell whether the source is asked for the rows of one partition; others give all, or hold a file a partition."""
        return False

    @property
    def compares_keys(self) -> bool:
        """Tell whether rows that the source no longer has are looked for by their keys."""
        return False

    @property
    def is_local(self) -> bool:
        """Tell whether looking at the rows asks nobody else, and runs no code."""
        return False

    @property
    def is_made_elsewhere(self) -> bool:
        """Tell whether another pipeline or code location makes the rows: a partition is there when that has made it."""
        return False

    @property
    def code_file(self) -> str | None:
        """The file of code beside the declaration that belongs to it."""
        return None

    def key_faults(self, key: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Return what cannot be with the dataset's `key`: a key of the source, and the sentence about it."""
        del key
        yield from ()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what contradicts itself: a key, and the sentence about it that begins with its name."""
        yield from ()


class FileSourceBlock(SourceBlock):
    """Keys of sources that are files."""

    reads_parquet: ClassVar[bool] = False
    """Whether the files may be those of a table format, of whose rows only its log can tell."""

    path: str = Field(min_length=1)
    """File or glob, relative to the declaration, absolute, or URL-like (`s3://…`); `package:<name>/<file>` is a file of an installed package."""
    mode: Literal["full", "incremental"] = "full"
    """`full`: the source holds all rows, a partition takes those of its window. `incremental`: the path contains `{partition}`."""
    missing: Literal["fail", "empty"] = "fail"
    """A partition without its file, with `mode: incremental`: a failure, or without rows. Where no partition has one, the path is wrong and fails."""

    settle: Duration | None = None
    """Time without a write after which a file counts as whole: a run fails while one is younger. When absent, runs read what is there, and the
    source sensor waits a minute, but for object stores, which show whole objects only."""
    marker: str | None = Field(default=None, min_length=1)
    """Name of the file beside each file that says that it is whole, such as `_SUCCESS`, `{name}.done` or `{stem}.ok`. Files without it are left out."""

    inbox: str | None = Field(default=None, min_length=1)
    """Folder that is watched: the source sensor uploads its files, as `driftline upload` does. Relative to the declaration, or absolute."""

    @property
    def place(self) -> str:
        """The path."""
        return self.path

    @property
    def has_partition_files(self) -> bool:
        """Tell whether each partition has files of its own."""
        return self.mode == "incremental"

    @property
    def is_local(self) -> bool:
        """Tell whether the files are on this machine."""
        return not is_url(self.path)

    def settle_when_watched(self, *, shows_whole: bool) -> timedelta | None:
        """Return the age at which a file counts as whole for a sensor, which has time: as declared, or a minute where none is.

        Parameters
        ----------
        shows_whole
            Whether the place of the files shows them only once all of them is there.
        """
        if self.settle is not None or self.marker is not None or shows_whole:
            return self.settle
        return WATCHED_SETTLE

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, and with files that may be missing."""
        has_slot = "{partition}" in self.path
        if self.mode == "incremental" and not has_slot:
            yield (
                "path",
                f"is '{self.path}', but an incremental source's path needs {{partition}} where the partition's key stands.",
            )
        if self.mode == "full" and has_slot:
            yield (
                "path",
                "holds {partition}, which only 'mode: incremental' fills in. Add it, or write a pattern such as '*'.",
            )
        if self.path.startswith("package:") and not all(self.path.removeprefix("package:").partition("/")):
            yield "path", f"is '{self.path}', but a packaged file is written package:<name>/<file>."
        if ".." in self.path.split("/"):
            yield "path", f"is '{self.path}', but a path may not climb with '..'. Write an absolute path."
        if self.missing == "empty":
            yield from self._missing_faults()
        if self.marker is not None:
            yield from self._marker_faults(self.marker)
        if self.inbox is not None:
            yield from self._inbox_faults(self.inbox)

    def _marker_faults(self, marker: str) -> Iterator[tuple[str, str]]:
        """Check that a marker is another file beside each, with at most one slot."""
        rest = marker.replace("{name}", "", 1) if "{name}" in marker else marker.replace("{stem}", "", 1)
        if "/" in marker or "\\" in marker or rest in ("", ".", "..") or "{" in rest or "}" in rest:
            yield (
                "marker",
                f"is '{marker}', but a marker is the name of one other file beside, such as '_SUCCESS', '{{name}}.done' or '{{stem}}.ok'.",
            )
        if self.inbox is not None:
            yield "marker", "is declared beside 'inbox', whose files are put in place in one step. Remove it."

    def _inbox_faults(self, inbox: str) -> Iterator[tuple[str, str]]:
        """Check that files of the inbox can be put in the source's place, and are not in it already."""
        if not self.is_local or self.path.startswith("package:"):
            yield "inbox", f"needs a source on this machine, and the path is '{self.path}'. Remove it."
        if any(sign in inbox for sign in "*?[") or ".." in inbox.split("/"):
            yield "inbox", f"is '{inbox}', but an inbox is one folder, without a pattern and without '..'."
        if PurePosixPath(inbox) == PurePosixPath(self.path).parent:
            yield "inbox", f"is '{inbox}', where the source's own files are. Name another folder."

    def _missing_faults(self) -> Iterator[tuple[str, str]]:
        """Check that a file may be missing only where another partition's can show that the path is right."""
        if self.mode != "incremental":
            yield (
                "missing",
                "is 'empty', but only with 'mode: incremental' has each partition a file that can be missing. Remove it.",
            )
        elif self.path.startswith(("http:", "https:")):
            yield (
                "missing",
                "is 'empty', but a web server lists no files, so that a wrong path cannot be told from a missing file. Remove it.",
            )
