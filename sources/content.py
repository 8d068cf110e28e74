"""The content of a source's files: its hash, and whether it is still that of the files that were read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sources.files import SourceError
from sources.folder_keys import folder_keys

UNSETTLED_NS = 2_000_000_000
"""Age below which a file's time proves nothing: a write within the same tick of the clock leaves it as it was, and
the coarsest clocks of file systems tick every two seconds (FAT)."""


@dataclass(frozen=True)
class _Seen:
    """One file as it was when its content was hashed."""

    path: Path
    identity: tuple[int, ...]
    size_bytes: int
    digest: bytes | None
    """None where another state than the content's tells it from any other."""
    is_settled: bool


@dataclass(frozen=True)
class Content:
    """Content of a source's files at the instant they were looked at.

    Attributes
    ----------
    files
        Each of them as it was seen.
    state
        What the source itself says of its state; None where the content tells it.
    """

    files: tuple[_Seen, ...]
    state: str | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the source's state or, where it has none to tell, of the files' content, names, and what their folders say of their rows."""
        digest = hashlib.sha256()
        if self.state is not None:
            digest.update(self.state.encode())
            return digest.hexdigest()
        for seen in self.files:
            digest.update(os.fsencode(seen.path.name) + b"\0")
            # Rows take values from such folders: a renamed one is other content.
            for key, value in folder_keys(seen.path):
                digest.update(repr((key, value)).encode() + b"\0")
            digest.update(seen.digest or b"")
        return digest.hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(seen.size_bytes for seen in self.files)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let files be read, and refuse them at the end where they have changed meanwhile.

        Half a file is often unreadable, too: that it is being written is the better reason then.
        """
        try:
            yield
        finally:
            self.require_unchanged()

    def require_unchanged(self) -> None:
        """Refuse files that are no longer what was hashed: nobody could say which of both was read.

        A file whose identity, size and times are as they were has not been written to. One that was written to
        just before it was hashed, or whose times alone moved, is hashed again.

        Raises
        ------
        SourceError
            With the first such file.
        """
        for seen in self.files:
            try:
                is_same = seen.is_settled and _identity(seen.path.stat()) == seen.identity
                if is_same or seen.digest is None or _digest(seen.path) == seen.digest:
                    continue
                now = f"{seen.size_bytes:,} bytes then, {seen.path.stat().st_size:,} now"
            except FileNotFoundError:
                now = "it is gone"
            raise SourceError(
                f"{seen.path.name} changed while it was read ({now}). Nothing was written: "
                "run it again when the file's writer has finished."
            )


def content_of(files: Sequence[Path], state: str | None = None) -> Content:
    """Look at files: hash each, and keep what tells whether it changes.

    Where the source tells its state the files were made of it, and are not hashed.

    Examples
    --------
    >>> content_of([]).fingerprint[:8]
    'e3b0c442'
    """
    return Content(tuple(_seen(path, is_hashed=state is None) for path in files), state)


def _seen(path: Path, *, is_hashed: bool) -> _Seen:
    looked_at = time.time_ns()
    # Before the content: what is written while it is hashed shows later.
    stat = path.stat()
    is_settled = max(stat.st_mtime_ns, stat.st_ctime_ns) < looked_at - UNSETTLED_NS
    return _Seen(path, _identity(stat), stat.st_size, _digest(path) if is_hashed else None, is_settled)


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    # The time of change, too: the one of modification can be set back, as copying tools do.
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
