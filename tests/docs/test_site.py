"""The documentation: its tutorial runs, its examples load, its links lead somewhere, its commands exist."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pipelines.declaration import read
from pipelines.reference import editor_schema
from pipelines.spec import DatasetSpec, PipelineSpec, SourceSpec

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOMS = ("assets", "charts", "deploy", "expectations", "feature_repo", "pipelines", "resources")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    options: str
    body: str


def blocks(page: str) -> list[Block]:
    """List the fenced blocks of a page."""
    return [Block(*found) for found in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Run its blocks in order, in a copy of the project, as a reader would."""
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=leave)
    for file in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(REPOSITORY / file, tmp_path)
    shutil.rmtree(tmp_path / "pipelines" / "defs")
    (tmp_path / "pipelines" / "defs").mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "DRIFTLINE_"))
    }
    environment |= {
        "PYTHONPATH": str(tmp_path),
        "DRIFTLINE_HOME": str(tmp_path / ".driftline"),
        "DRIFTLINE_THREADS": "1",
        "COLUMNS": "200",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    said = []
    for block in blocks("tutorial.md"):
        if block.language == "python":
            (tmp_path / block.options.split('"')[1]).write_text(block.body, encoding="utf-8")
        elif "skip=" not in block.options:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.body],
                cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{block.body}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            said.append(done.stdout)
    found = read(tmp_path / "pipelines" / "defs" / "returns").spec
    # What the text says of the scaffold.
    assert (found.partitions.every, found.datasets["orders"].event_time) == ("week", "ordered_at")
    assert found.datasets["orders"].key == ("order_id",)
    assert found.entities == {"customer": ("customer",)}
    assert found.learned.label_time == "closed_at"
    assert "would run" in "".join(said)
    # Prices doubled in the last four weeks, and are found to have.
    assert "amount" in said[-1].split("2024-05-26  ")[-1]


@pytest.mark.parametrize("page", PAGES)
def test_yaml_examples_load(page: str) -> None:
    for block in blocks(page):
        if block.language != "yaml":
            continue
        if block.body.startswith("type: pipelines.MLPipeline"):
            PipelineSpec.model_validate(yaml.safe_load(block.body)["attributes"])
            continue
        for document in [line for line in block.body.splitlines() if line.startswith("source: ")]:
            SourceSpec.model_validate(yaml.safe_load(document)["source"])
        keys = {line.partition(":")[0] for line in block.body.splitlines() if re.match(r"[a-z_]+:", line)}
        assert keys <= {*PipelineSpec.model_fields, *DatasetSpec.model_fields}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert not [
        link for link in links if link and "://" not in link and not ((DOCS / page).parent / link).exists()
    ]


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)) <= targets
    for module in set(re.findall(r"python -m (pipelines\.[a-z_]+)", text)):
        path = REPOSITORY / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_page_is_in_the_navigation() -> None:
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page for page in PAGES if f": {page}" not in text]


def test_the_site_is_built_and_fetches_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    fetched = re.compile(
        r"(?:<script[^>]+src|<link[^>]+rel=\"stylesheet\"[^>]+href|<img[^>]+src)=\"https?://"
    )
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    assert not [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))]


def test_what_dagster_shows_is_what_the_reference_says() -> None:
    described = editor_schema()["properties"]
    reference = (DOCS / "pipeline-reference.md").read_text(encoding="utf-8")
    for name in PipelineSpec.model_fields:
        assert f"`{name}`" in reference
        assert described[name].get("description") or "$ref" in str(described[name])
