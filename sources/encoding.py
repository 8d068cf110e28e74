"""Transcoding of text that is not UTF-8, before the engine reads it.

The engine reads UTF-8. A byte order mark says which Unicode encoding a file is in; without one nothing in
a file says so, and a guess would turn names into other names: the declaration tells.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence
from pathlib import Path

from sources.compressed import copy_to, opened
from sources.files import SourceError, own_folder
from sources.rejects import ReadError

_MARKS = (
    # Longest first: the mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)

_FORMATS = (
    (b"\x1f\x8b", "compressed with gzip. Let its name end in .gz"),
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook. Let a zip's name end in .zip, or declare 'type: excel'",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. Declare 'type: excel'"),
    (b"PAR1", "a Parquet file. Declare 'type: parquet'"),
    (b"BZh", "compressed with bzip2. Unpack it, or compress it with gzip"),
    (b"\xfd7zXZ\x00", "compressed with xz. Unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd. Unpack it, or compress it with gzip"),
    (b"%PDF", "a PDF document. Export the table as CSV"),
)
"""First bytes of files that are taken for text, with what they are and how to repair it."""

_CHUNK_CHARACTERS = 1 << 20

_BEGINNING_BYTES = 4096
"""Bytes from which mark and byte order are read."""


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
    ReadError
        If one that is to be transcoded is no text.
    """
    paths = []
    for number, path in enumerate(files):
        first = _first_bytes(path)
        marked = next((kind for mark, kind in _MARKS if first.startswith(mark)), None)
        actual = marked or (_byte_order(first) if encoding == "utf-16" else encoding)
        is_utf8 = codecs.lookup(actual).name == "utf-8"
        if not is_utf8:
            refuse_other_format(path, first)
        paths.append(path if is_utf8 else _transcode(path, own_folder(folder, number) / path.name, actual))
    return tuple(paths)


def refuse_other_format(path: Path, first: bytes) -> None:
    """Refuse a file that is no text: most encodings give any bytes for letters.

    Raises
    ------
    ReadError
        With what it is, and how to read it.
    """
    for beginning, what in _FORMATS:
        if first.startswith(beginning):
            raise ReadError(f"{path.name}: not text but {what}.")


def _first_bytes(path: Path) -> bytes:
    with opened(path) as stream:
        return stream.read(_BEGINNING_BYTES)


def _byte_order(first: bytes) -> str:
    """Return the byte order of UTF-16 without a mark: headers are mostly Latin letters, whose high byte is 0."""
    return "utf-16-be" if first[::2].count(0) > first[1::2].count(0) else "utf-16-le"


def _transcode(path: Path, target: Path, encoding: str) -> Path:
    try:
        with opened(path) as stream, copy_to(target) as out:
            # newline="" keeps line ends as they are: they may stand inside quotes.
            text = io.TextIOWrapper(stream, encoding=encoding, newline="")
            while chunk := text.read(_CHUNK_CHARACTERS):
                out.write(chunk.encode())
    except UnicodeError as error:
        raise SourceError(
            f"{path.name}: not {encoding} text ({error}). Name the file's encoding in `source`, or save it as UTF-8."
        ) from error
    return target
