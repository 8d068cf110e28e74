"""The page on recovery: its steps are carried out, in order, on an installation that loses parts in between."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.docs.reading import Reader, blocks
from tests.driftline.verify.world import copied
from tests.fixtures.tiny import DECLARATION, READINGS_SQL

PAGE = "how-to/recover.md"

PYPROJECT = """
[project]
name = "machines"
version = "0"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "machines"
"""


def make_project(folder: Path) -> None:
    """Make a project that declares the tiny pipeline."""
    declared = folder / "machines" / "defs" / "tiny"
    declared.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    text = yaml.safe_dump({"type": "driftline.MLPipeline", "attributes": DECLARATION})
    (declared / "defs.yaml").write_text(text, encoding="utf-8")
    (declared / "recent.sql").write_text(READINGS_SQL, encoding="utf-8")


@pytest.mark.long
@pytest.mark.slow
def test_the_pages_steps_bring_back_what_was_lost(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    make_project(folder)
    home = copied(made, tmp_path / "home").path
    reader = Reader(folder, DRIFTLINE_HOME=str(home))
    printed = []
    for step in (block.body for block in blocks(PAGE) if block.is_run):
        if step.startswith("mv "):
            shutil.rmtree(home / "lake" / "tiny" / "labels")
            shutil.rmtree(home / "mlflow")
        if step.startswith("rm "):
            shutil.rmtree(home / "dagster")
            (home / "feast" / "online.db").unlink()
        printed.append(reader.type(step))
    # Both ways of copying, restored and found whole; before them verification and repair of what is whole.
    assert [text for text in printed if text] == ["Nothing is wrong.\n"] * 4
    assert (tmp_path / "home.before").exists()
