"""The documentation: its tutorial runs, its examples load, its links lead somewhere, its commands exist."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from dagster_dg_cli.cli import create_dg_cli

from assets.profiled.quality import WEIGHTS
from declaration.datasets import DatasetSpec, SourceSpec
from declaration.spec import PipelineSpec
from drift.columns.findings import EFFECT_GATES, MISSING_GATES, NEW_CATEGORY_GATES
from learning.blocks import MIN_BLOCKS
from learning.gate import NON_INFERIORITY_MARGIN
from pipelines.loading.read import read
from pipelines.loading.yaml_lines import parse
from tests.fixtures.sound_declaration import SOUND

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


@pytest.mark.long
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
def test_yaml_examples_load(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        # Feast's own settings are tried where its store is (tests/feature_repo/test_asof_page.py).
        if block.language != "yaml" or "feature_store.yaml" in block.options:
            continue
        if block.body.startswith("type: pipelines.MLPipeline"):
            folder = tmp_path / f"example_{number}"
            folder.mkdir()
            (folder / "defs.yaml").write_text(block.body, encoding="utf-8")
            assert read(folder).name == folder.name
        elif block.body.startswith("source: "):
            # Several alternatives, one a line.
            for line in block.body.splitlines():
                SourceSpec.model_validate(loaded(line)["source"])
        else:
            assert_part_loads(loaded(block.body))


def loaded(text: str) -> dict[str, Any]:
    """Read YAML as declarations are read."""
    value = parse(text).value
    assert isinstance(value, dict)
    return value


def assert_part_loads(part: dict[str, Any]) -> None:
    """Put an example's blocks in the place of a sound declaration's."""
    sound = loaded(SOUND)["attributes"]
    if set(part) <= set(PipelineSpec.model_fields):
        mended = {
            key: sound[key] | block if isinstance(block, dict) and isinstance(sound.get(key), dict) else block
            for key, block in part.items()
        }
        PipelineSpec.model_validate(sound | mended)
    else:
        DatasetSpec.model_validate(sound["datasets"]["orders"] | part)


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


# typer, which `dg` imports for some commands, reads names that this version of click calls deprecated.
@pytest.mark.filterwarnings("ignore:'click.utils:DeprecationWarning")
@pytest.mark.parametrize("page", [*PAGES, "../README.md", "../CONTRIBUTING.md"])
def test_commands_of_dg_exist(page: str) -> None:
    """Follow the words after `dg` through its groups: Dagster has taken commands away before."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for words in re.findall(r"(?:^|`|/)dg ((?:[a-z-]+ ?)+)", text, re.MULTILINE):
        command: click.Command = create_dg_cli()  # type: ignore[no-untyped-call]  # Dagster's own
        # Deeper than two words it is arguments.
        for word in words.split()[:2]:
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"`dg {words}`: no command '{word}'"
            command = found


def test_what_is_quoted_of_errors_is_what_the_code_says() -> None:
    code = "".join(path.read_text(encoding="utf-8") for room in ROOMS for path in rooms_python(room))
    headings = re.findall(r"^\*\*`([^`]+)`\*\*", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(headings) >= 5
    pieces = [piece.strip() for heading in headings for piece in heading.split("…") if piece.strip()]
    assert not [piece for piece in pieces if piece not in code]


def rooms_python(room: str) -> list[Path]:
    """List a room's Python files."""
    return sorted((REPOSITORY / room).rglob("*.py"))


def test_every_variable_is_documented_and_read() -> None:
    read_in = [REPOSITORY / room for room in ("deploy", "feature_repo", "pipelines", "resources")]
    code = "".join(p.read_text() for room in read_in for p in room.rglob("*") if p.suffix in (".py", ".yaml"))
    page = (DOCS / "how-to" / "deployment.md").read_text(encoding="utf-8")
    name = re.compile(r"DRIFTLINE_[A-Z_]+")
    assert set(name.findall(code)) == set(name.findall(page))


def test_the_concepts_figures_are_the_codes() -> None:
    drift = (DOCS / "concepts" / "drift.md").read_text(encoding="utf-8")
    for level, effect in EFFECT_GATES.items():
        row = f"| `{level}` | {effect:.2f} | {MISSING_GATES[level]:.2f} | {NEW_CATEGORY_GATES[level]:g} |"
        assert row in drift
    quality = (DOCS / "concepts" / "quality.md").read_text(encoding="utf-8")
    assert all(f"| {dimension} | {weight:.2f} |" in quality for dimension, weight in WEIGHTS.items())
    gate = (DOCS / "concepts" / "gate.md").read_text(encoding="utf-8")
    assert f"fewer than {MIN_BLOCKS} days" in gate
    assert f"worse by {NON_INFERIORITY_MARGIN:g}" in gate


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
    pages = {page: page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")}
    assert len(pages) > len(PAGES)
    assert not [page.name for page, text in pages.items() if fetched.search(text)]
    # A block that the builder does not take for one is shown with its fence.
    assert not [page.name for page, text in pages.items() if "```" in text]
    # Searched from the folder: the index as a script, and our stand-in for a Worker on every page.
    assert (tmp_path / "site" / "search" / "search_index.js").stat().st_size > 0
    lacking = [page.name for page, text in pages.items() if "javascripts/iframe-worker.js" not in text]
    assert lacking in ([], ["404.html"])
