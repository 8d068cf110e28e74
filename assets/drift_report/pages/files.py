"""Files of pages: their names, and writes that are whole or not at all."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

HISTORY_PAGE = "index.html"
"""File name of a pipeline's history beside the pages of its windows, and of the index above them."""


def window_page(partition: str) -> str:
    """Return the file name of a window's page."""
    return f"{partition.replace(':', '')}.html"


def write_whole(path: Path, content: str) -> Path:
    """Write a file, or leave the one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs in two containers may share the folder and the process id.
    draft = path.with_suffix(f".{uuid4().hex}.part")
    draft.write_text(content, encoding="utf-8")
    draft.replace(path)
    return path
