"""The page on recovery: its steps are carried out, in order, on an installation that loses parts in between."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.test_site import REPOSITORY, ROOMS, blocks
from tests.driftline.verify.world import copied
from tests.fixtures.tiny import DECLARATION, READINGS_SQL

PAGE = "how-to/recover.md"


def project(folder: Path) -> None:
    """Make a checkout that declares the tiny pipeline and no other."""
    leave = shutil.ignore_patterns("__pycache__", "*.pyc", "defs")
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, folder / room, ignore=leave)
    for file in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(REPOSITORY / file, folder)
    declared = folder / "pipelines" / "defs" / "tiny"
    declared.mkdir(parents=True)
    text = yaml.safe_dump({"type": "pipelines.MLPipeline", "attributes": DECLARATION})
    (declared / "defs.yaml").write_text(text, encoding="utf-8")
    (declared / "recent.sql").write_text(READINGS_SQL, encoding="utf-8")


@pytest.mark.slow
def test_the_pages_steps_bring_back_what_was_lost(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    project(folder)
    home = copied(made, tmp_path / "home").path
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "DRIFTLINE_"))
    } | {
        "DRIFTLINE_HOME": str(home),
        "DRIFTLINE_THREADS": "1",
        "PYTHONPATH": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    steps = [
        block.body for block in blocks(PAGE) if block.language == "bash" and "skip=" not in block.options
    ]
    said = {}
    for step in steps:
        if step.startswith("mv "):
            shutil.rmtree(home / "lake" / "tiny" / "labels")
            shutil.rmtree(home / "mlflow")
        if step.startswith("rm "):
            shutil.rmtree(home / "dagster")
            (home / "feast" / "online.db").unlink()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", step],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{step}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        said[step] = done.stdout
    # Both ways of copying, restored and found whole; before them verification and repair of what is whole.
    assert [text for text in said.values() if text] == ["Nothing is wrong.\n"] * 4
    assert (tmp_path / "home.before").exists()
