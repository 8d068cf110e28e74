"""The README's promises: its commands exist, its code runs, and it names every stage and block."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from declaration.spec import PipelineSpec
from pipelines.loading.read import read
from pipelines.scaffolding.blank import QUERY

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "docs/index.md", "docs/architecture.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page, body)
        for page in PAGES
        for found, body in BLOCK.findall((REPOSITORY / page).read_text(encoding="utf-8"))
        if found == language
    ]


def _commands() -> list[str]:
    return [line.strip() for _, body in _blocks("bash") for line in body.splitlines() if line.strip()]


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_every_make_command_is_a_target(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
    assert named <= _targets()


def test_the_readme_names_every_target_stage_and_block() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    missing = [target for target in _targets() if f"make {target}" not in readme]
    stages = [path.name for path in (REPOSITORY / "assets").iterdir() if (path / "asset.py").exists()]
    missing += [stage for stage in stages if f"`{stage}" not in readme]
    missing += [key for key in PipelineSpec.model_fields if f"`{key}`" not in readme]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    folder = (REPOSITORY / page).parent
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    broken = [link for link in links if link and "://" not in link and not (folder / link).exists()]
    assert not broken


def test_python_blocks_run() -> None:
    for page, body in _blocks("python"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", body],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{page}: {done.stderr}"


def test_the_declaration_shown_is_sound(tmp_path: Path) -> None:
    shown = [body for page, body in _blocks("yaml") if page == "README.md"]
    assert len(shown) == 1
    folder = tmp_path / "churn"
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "customer_history.sql").write_text(QUERY)
    (folder / "defs.yaml").write_text(shown[0])
    assert read(folder).spec.target.problem == "binary"


@pytest.mark.long
@pytest.mark.slow
def test_dg_commands_run_in_a_copy(tmp_path: Path) -> None:
    commands = [line.split() for line in _commands() if re.match(r"(\.venv/bin/)?dg ", line)]
    assert commands, "the README shows no dg command"
    leave = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "tests", "build")
    shutil.copytree(REPOSITORY, tmp_path / "copy", ignore=leave)
    for command in commands:
        program = str(Path(sys.executable).with_name("dg"))
        environment = {"PATH": f"{Path(program).parent}:/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "copy")}
        environment["DRIFTLINE_HOME"] = str(tmp_path / "home")
        done = subprocess.run(
            [program, *command[1:]],
            cwd=tmp_path / "copy", env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
