"""Source that is a Python file beside the declaration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from declaration.sources.blocks import SourceBlock

PYTHON = ".py"
"""Suffix of a Python file."""


class PythonSourceSpec(SourceBlock):
    """A .py file beside the declaration whose `read(start, end)` gives rows, for what nothing else reads."""

    type: Literal["python"]
    """A .py file beside the declaration whose `read(start, end)` gives rows."""
    path: str = Field(min_length=1)
    """The file, relative to the declaration."""

    @property
    def is_asked(self) -> bool:
        """Tell that it is asked for the rows of one partition."""
        return True

    @property
    def place(self) -> str:
        """The file."""
        return self.path

    @property
    def code_file(self) -> str | None:
        """The file, where it is one of Python."""
        return self.path if self.path.endswith(PYTHON) else None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path: what is run must be one file, named, and reviewed with the declaration."""
        where = PurePosixPath(self.path)
        is_pattern = any(sign in self.path for sign in "*?[")
        if where.is_absolute() or is_pattern or where.suffix != PYTHON or ":" in self.path:
            yield (
                "path",
                f"is '{self.path}', but a python source is one .py file in the declaration's folder.",
            )
        if ".." in where.parts:
            yield (
                "path",
                f"is '{self.path}', but a path may not climb with '..'. Put the file beside the declaration.",
            )
