"""Plain and gzip-compressed files opened and copied alike; one that cannot be unpacked is refused by name."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sources.files import SourceError


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked where its name ends in .gz.

    Raises
    ------
    SourceError
        If it cannot be opened or, while it is read, unpacked.
    """
    try:
        with cast("IO[bytes]", gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")) as stream:
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path.name}: not a readable gzip file ({error}). Copy it again whole, or unpack it and name the file itself."
        ) from error
    except PermissionError as error:
        raise SourceError(
            f"{path.name}: may not be read ({error.strerror}). Give the user who runs the pipeline leave to read it."
        ) from error


def copy_to(path: Path) -> IO[bytes]:
    """Open a copy for writing; the copy of a compressed file keeps its name, and so is one.

    Messages and rejects call a file by its name: that of a copy is the user's.
    """
    # Stored, not packed: it is read once, and removed.
    return cast(
        "IO[bytes]", gzip.open(path, "wb", compresslevel=0) if path.suffix == ".gz" else path.open("wb")
    )
