"""What import contracts cannot see: rooms that must not appear, files that must stand in each, complete docstrings."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = {
    "assets", "charts", "declaration", "drift", "driftline", "expectations", "feature_repo", "learning", "pipelines",
    "resources", "serving", "sources",
}  # fmt: skip
BESIDE = {"benchmarks", "docs", "tests"}
STAGES = {"raw", "profiled", "features", "labels", "training_set", "model", "predictions", "drift_report"}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "core", "manager", "base", "misc"}

HEAVY = {"feast", "great_expectations", "lightgbm", "mlflow", "pandas", "scipy.stats", "sklearn"}
"""Libraries that cost seconds to import, on every load of the code location."""


def _sources() -> Iterator[Path]:
    for room in sorted(ROOMS | {"benchmarks"}):
        yield from sorted((REPOSITORY / room).rglob("*.py"))


def test_the_top_level_holds_the_known_rooms() -> None:
    found = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    packages = {name for name in found if not name.startswith(".") and not name.endswith(".egg-info")}
    assert packages - {"build", "dist"} <= ROOMS | BESIDE
    assert packages >= ROOMS


def test_the_import_contracts_know_every_room() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    assert set(settings["importlinter"]["root_packages"]) == ROOMS
    assert set(settings["mypy"]["packages"]) > ROOMS


def test_every_stage_has_its_asset_and_tests() -> None:
    rooms = {
        path.name for path in (REPOSITORY / "assets").iterdir() if path.is_dir() and path.name[0] not in "._"
    }
    assert rooms == STAGES
    for stage in STAGES:
        modules = {path.name for path in (REPOSITORY / "assets" / stage).glob("*.py")}
        assert "asset.py" in modules, stage
        assert list((REPOSITORY / "tests" / stage).glob("test_*.py")), f"{stage} has no tests"


def test_no_file_hides_what_it_is_about() -> None:
    named = [path for path in _sources() if path.stem in NAMELESS or path.parent.name in NAMELESS]
    assert not named


def test_every_module_says_what_it_is_about() -> None:
    silent = [str(path) for path in _sources() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


@pytest.mark.parametrize("source", list(_sources()), ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_a_parameters_section_is_complete(source: Path) -> None:
    # Types live in the annotations, so one line is enough; a list of parameters leaves none out.
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            listed = _listed_parameters(ast.get_docstring(node) or "")
            arguments = node.args
            named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            assert not listed or listed == [name for name in named if name not in {"self", "cls"}], node.name


def _listed_parameters(docstring: str) -> list[str]:
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S.*\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    if section is None:
        return []
    heads = re.findall(r"^(\S[^\n]*)$", section.group(1), re.MULTILINE)
    return [name.strip(" *") for head in heads for name in head.partition(":")[0].split(",")]


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    program = "import sys, pipelines.definitions as d; d.code_location(); print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_commands_open_dagsters_instance_through_one_door() -> None:
    """Two processes that meet a new home build its SQLite tables against each other elsewhere."""
    # The web server is started by `driftline dev`, which has opened the instance before.
    doors = {"resources/orchestrator/home.py", "driftline/dev/web_server.py"}
    opened = {
        path.relative_to(REPOSITORY).as_posix()
        for path in _sources()
        if path.relative_to(REPOSITORY).parts[0] != "benchmarks"
        and re.search(r"DagsterInstance\.(get|from_)|instance_from_", path.read_text(encoding="utf-8"))
    }
    assert opened == doors


def test_committed_files_name_no_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    files = [name for name in listed.stdout.split("\0") if name]
    if not files:
        files = [path.relative_to(REPOSITORY).as_posix() for path in _sources()]
    # Split, so that this file does not hold what it looks for.
    forbidden = re.compile("/wo" + "rk/|/ro" + "ot/|/ho" + "me/[a-z]|--(?:extra-)?index-" + "url")
    found = []
    for name in files:
        path = REPOSITORY / name
        if path.suffix in {".png", ".parquet"} or not path.is_file() or path == Path(__file__):
            continue
        if forbidden.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(name)
    assert not found
