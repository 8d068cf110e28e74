"""Pages as a reader follows them: their fenced blocks, and a shell that runs them in order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

TIMEOUT_S = 600


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    language, options, body
        What stands behind the fence, and in it.
    """

    language: str
    options: str
    body: str

    @property
    def title(self) -> str:
        """Its title; where it names a file, the reader writes one."""
        found = re.search(r'title="([^"]*)"', self.options)
        return found[1] if found else ""

    @property
    def is_output(self) -> bool:
        """Whether it shows lines that the commands before it print."""
        return self.language == "text" and self.title.startswith("output")

    @property
    def is_run(self) -> bool:
        """Whether tests run it: what they do not run says why, in `skip`."""
        return self.language == "bash" and "skip=" not in self.options


def blocks(page: str) -> Sequence[Block]:
    """List the fenced blocks of a page."""
    return [Block(*found) for found in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))]


def plain(text: str) -> str:
    """Return what a command printed, or a page says that it does, without a table's lines and the width of a screen."""
    return " ".join(re.sub("[│┃]", " ", text).split())


def titled(page: str) -> dict[str, str]:
    """Return the files that a page shows, by their titles."""
    return {block.title: block.body for block in blocks(page) if block.title}


class Reader:
    """Somebody who follows pages in a folder: writes their files, and types their commands into one shell.

    Parameters
    ----------
    folder
        To begin in; also the place of what the shell remembers.
    variables
        Environment beside the machine's own.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._place = folder / ".place"
        programs = folder / ".bin"
        programs.mkdir()
        driftline = programs / "driftline"
        driftline.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m driftline "$@"\n', encoding="utf-8"
        )
        driftline.chmod(0o755)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DAGSTER_", "DRIFTLINE_"))
        }
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        settings = {"PYTHONPATH": str(REPOSITORY), "DRIFTLINE_THREADS": "1", "COLUMNS": "200", "PATH": path}
        self._environment = kept | settings | variables

    def follow(self, page: str) -> Sequence[str]:
        """Follow a page from top to bottom; return what each command block printed."""
        printed = []
        for block in blocks(page):
            if block.is_run:
                printed.append(self.type(block.body))
            elif re.fullmatch(r"[\w/]+\.(?:py|sql|yaml)", block.title) and "skip=" not in block.options:
                self.write(block.title, block.body)
        return printed

    def type(self, commands: str) -> str:
        """Run commands where the last ones ended; return what they printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{commands}\npwd > {shlex.quote(str(self._place))}"],
            cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self.folder = Path(self._place.read_text(encoding="utf-8").strip())
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file below the folder where the shell stands."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
