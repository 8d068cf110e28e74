"""The documentation: its tutorial runs, its examples load, its links lead somewhere, its commands exist."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from dagster_dg_cli.cli import create_dg_cli
from pydantic import TypeAdapter

from assets.profiled.quality import WEIGHTS
from declaration.datasets import DatasetSpec
from declaration.sources.spec import SourceSpec
from declaration.spec import PipelineSpec
from drift.columns.findings import EFFECT_GATES, MISSING_GATES, NEW_CATEGORY_GATES
from learning.blocks import MAX_RUNS, MIN_BLOCKS, MIN_RUN_ROWS
from learning.gate import NON_INFERIORITY_MARGIN
from learning.judged import MIN_JUDGED_ROWS
from learning.spans import MIN_SPAN_ROWS
from pipelines.loading.read import read
from pipelines.loading.yaml_lines import parse
from tests.docs.reading import BLOCK, DOCS, PAGES, REPOSITORY, Reader, blocks, plain
from tests.fixtures.sound_declaration import SOUND

ROOMS = (
    "assets", "charts", "declaration", "drift", "driftline", "expectations", "feature_repo", "learning", "pipelines", "resources",
    "serving", "sources",
)  # fmt: skip


@pytest.mark.long
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Follow it as a reader would, from another folder than the repository's."""
    reader = Reader(tmp_path)
    printed = list(reader.follow("tutorial.md"))
    found = read(reader.folder / "shop" / "defs" / "returns").spec
    # What the text says of the scaffold.
    assert (found.partitions.every, found.datasets["orders"].event_time) == ("week", "ordered_at")
    assert found.datasets["orders"].key == ("order_id",)
    assert found.entities == {"customer": ("customer",)}
    assert found.learned.label_time == "closed_at"
    assert "would run" in "".join(printed)
    shown = ""
    for block in blocks("tutorial.md"):
        if block.is_run:
            shown = plain(printed.pop(0))
        elif block.is_output:
            assert not [line for line in block.body.splitlines() if plain(line) not in shown], shown
    assert not printed


def test_figures_that_the_tutorial_tells_are_those_that_it_shows() -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    shown = "".join(block.body for block in blocks("tutorial.md") if block.is_output)
    told = re.findall(r"\b0\.\d+\b", BLOCK.sub("", text))
    assert len(told) >= 8
    assert not [figure for figure in told if figure not in shown]


@pytest.mark.parametrize("page", PAGES)
def test_yaml_examples_load(page: str, tmp_path: Path) -> None:
    queries = {block.title: block.body for block in blocks(page) if block.language == "sql"}
    for number, block in enumerate(blocks(page)):
        # Files of other programs are read where those are tried: Feast's settings in tests/feature_repo, CI and containers in
        # test_how_to.py.
        if block.language != "yaml" or (block.title and not block.title.endswith("defs.yaml")):
            continue
        if block.body.startswith("type: driftline.MLPipeline"):
            folder = tmp_path / f"example_{number}"
            beside = block.title.removesuffix("defs.yaml")
            for title, query in queries.items():
                file = folder / title.removeprefix(beside)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(query, encoding="utf-8")
            folder.mkdir(exist_ok=True)
            (folder / "defs.yaml").write_text(block.body, encoding="utf-8")
            assert read(folder).name == folder.name
        elif block.body.startswith("source: "):
            # Several alternatives, one a line.
            for line in block.body.splitlines():
                TypeAdapter(SourceSpec).validate_python(loaded(line)["source"])
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
    # The page on upgrades names what is gone.
    modules = (
        set(re.findall(r"python -m ([a-z_]+\.[a-z_.]+)", text)) if page != "how-to/upgrade.md" else set()
    )
    for module in modules:
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


def test_files_and_rooms_that_the_architecture_names_exist() -> None:
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", page))
    there = {
        f"{path.relative_to(REPOSITORY / room.split('/')[0]).as_posix()}{'/' if path.is_dir() else ''}"
        for room in ROOMS
        for path in (REPOSITORY / room).rglob("*")
    } | {f"{room}/" for room in ROOMS}
    lacking = {name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in there)}
    assert {f"{room}/" for room in ROOMS} <= named | {"assets/"}
    assert not {name for name in lacking if not (REPOSITORY / name).exists()}


def test_every_variable_is_documented_and_read() -> None:
    read_in = [REPOSITORY / room for room in ROOMS]
    code = "".join(p.read_text() for room in read_in for p in room.rglob("*") if p.suffix in (".py", ".yaml"))
    page = (DOCS / "how-to" / "deployment.md").read_text(encoding="utf-8")
    # What begins with an underscore is between the shell's completion and click.
    name = re.compile(r"(?<!_)DRIFTLINE(?:_[A-Z]+)+(?![A-Z_])")
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
    assert f"{MIN_BLOCKS} to {MAX_RUNS} runs of neighbouring rows, {MIN_RUN_ROWS} rows at least" in gate
    assert f"fewer than {MIN_BLOCKS * MIN_RUN_ROWS} rows" in " ".join(gate.split())
    assert f"{MIN_JUDGED_ROWS} rows at" in gate
    assert f"A shorter span has {MIN_SPAN_ROWS} rows" in gate
    assert f"worse by {NON_INFERIORITY_MARGIN:g}" in gate


def test_every_page_is_in_the_navigation() -> None:
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    assert not [page for page in PAGES if f": {page}" not in text]


SEARCHED = {
    "docker": "how-to/service.html",
    "container": "how-to/service.html",
    "systemd": "how-to/service.html",
    "nginx": "how-to/service.html",
    "kubernetes": "how-to/service.html",
    "backup": "how-to/recover.html",
    "restore": "how-to/recover.html",
    "upgrade": "how-to/upgrade.html",
    "secrets": "how-to/secrets.html",
    "lag": "how-to/forecasting.html",
    "forecast": "how-to/forecasting.html",
    "hyperparameter": "how-to/hyperparameters.html",
    "feast": "coming-from.html",
    "evidently": "coming-from.html",
}
"""Words that people search for, and the page that must be among the first five that the site finds."""

TITLE_BOOST = 1_000
"""Weight of a word in a title, as the site's search weighs it (Material for MkDocs: title 1e3, text 1)."""


def ranked(word: str, entries: Sequence[Mapping[str, str]]) -> Sequence[str]:
    """Rank pages as the site's search does, but for inflections: words in titles first, then how often the text has them."""
    wanted = re.compile(rf"\b{word}(?:s|ed|ing)?\b", re.IGNORECASE)
    scores: dict[str, float] = {}
    for entry in entries:
        page = entry["location"].partition("#")[0]
        title = len(wanted.findall(entry["title"])) / max(1, len(entry["title"].split()))
        text = len(wanted.findall(entry["text"])) / max(1, len(entry["text"].split())) ** 0.5
        scores[page] = max(scores.get(page, 0.0), TITLE_BOOST * title + text)
    return [page for page in sorted(scores, key=lambda page: -scores[page]) if scores[page] > 0]


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
    entries = json.loads((tmp_path / "site" / "search" / "search_index.json").read_text(encoding="utf-8"))[
        "docs"
    ]
    found = {word: ranked(word, entries)[:5] for word in SEARCHED}
    assert not {word: found[word] for word, page in SEARCHED.items() if page not in found[word]}
