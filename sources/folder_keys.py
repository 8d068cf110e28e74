"""Values that stand in the names of folders: `year=2023/part.parquet` has a column that no file holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""Value that stands for NULL in a folder's name, by Hive's, Spark's and Arrow's custom."""


def folder_keys(path: Path) -> Sequence[tuple[str, str | None]]:
    """Return the keys and values in the names of the folders above a file, outermost first.

    Examples
    --------
    >>> folder_keys(Path("/lake/year=2023/city=S%C3%A3o Paulo/part.parquet"))
    [('year', '2023'), ('city', 'São Paulo')]
    """
    parts = (folder.partition("=") for folder in path.parent.parts)
    return [
        (_decoded(key), None if value == NULL_FOLDER else _decoded(value))
        for key, equals, value in parts
        if key and equals
    ]


def _decoded(text: str) -> str:
    """Return a name as it was before its special characters were written as %3A; others use % as it is."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text
