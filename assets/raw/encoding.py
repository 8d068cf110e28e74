"""Text that is not UTF-8: transcoded beside, before the engine reads it.

The engine reads UTF-8. A byte order mark says which Unicode encoding a file is in; without one nothing in
a file says so, and a guess would turn names into other names: the declaration tells.
"""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Sequence
from pathlib import Path

from assets.raw.source import SourceError

_MARKS = (
    # Longest first: the mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_CHUNK_CHARACTERS = 1 << 20


def as_utf8(files: Sequence[Path], *, folder: Path, encoding: str = "utf-8") -> tuple[Path, ...]:
    """Return files in UTF-8: those that are as they are, the others transcoded into a folder.

    Parameters
    ----------
    files
        Plain or gzip-compressed text files.
    folder
        Where transcoded copies are written; it exists, and the caller removes it.
    encoding
        Encoding of files without a byte order mark.

    Raises
    ------
    SourceError
        If a file is not in the encoding that it should be in.
    """
    found = []
    for number, path in enumerate(files):
        actual = _marked_encoding(path) or encoding
        is_utf8 = codecs.lookup(actual).name == "utf-8"
        found.append(path if is_utf8 else _transcode(path, folder / f"text{number}-{path.name}", actual))
    return tuple(found)


def _marked_encoding(path: Path) -> str | None:
    opener = gzip.open if path.suffix == ".gz" else Path.open
    try:
        with opener(path, "rb") as stream:
            first = stream.read(4)
    except (gzip.BadGzipFile, EOFError) as error:
        raise SourceError(
            f"{path.name}: not a readable gzip file ({error}). Pack it again, or take .gz off its name."
        ) from error
    return next((encoding for mark, encoding in _MARKS if first.startswith(mark)), None)


def _transcode(path: Path, target: Path, encoding: str) -> Path:
    target = target.with_suffix("") if target.suffix == ".gz" else target
    opener = gzip.open if path.suffix == ".gz" else Path.open
    try:
        # newline="" keeps line ends as they are: they may stand inside quotes.
        with (
            opener(path, "rt", encoding=encoding, newline="") as text,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            while chunk := text.read(_CHUNK_CHARACTERS):
                out.write(chunk)
    except UnicodeError as error:
        raise SourceError(
            f"{path.name}: not {encoding} text ({error}). Name the file's encoding in `source`, or save it as UTF-8."
        ) from error
    return target
