"""A new project: what is in it, that it loads, and what is refused."""

import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from declaration.rooms import ROOMS
from driftline.cli import FAULT, SUCCESS, main
from driftline.init.project import EXAMPLES, SHIPPED, ExampleName, NewProjectError, make_project
from pipelines.definitions import build_defs
from pipelines.loading.declared import declaration_files
from pipelines.loading.read import read
from resources.project import project_at

FILES = {
    ".github/workflows/driftline.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "workspace.yaml",
    "night_shop/__init__.py",
    "night_shop/definitions.py",
    "night_shop/defs/__init__.py",
}


def files_of(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_project_is_found_by_us_and_by_dagster(tmp_path: Path) -> None:
    root = make_project("night-shop", parent=tmp_path)
    assert files_of(root) == FILES
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    assert settings["project"]["dependencies"] == ["driftline"]
    assert settings["tool"]["dg"]["project"]["root_module"] == "night_shop"
    workspace = yaml.safe_load((root / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"] == {
        "module_name": "night_shop.definitions",
        "location_name": "night-shop",
    }
    found = project_at(root / "night_shop")
    assert (found.root, found.defs) == (root, root / "night_shop" / "defs")


def test_its_workflow_checks_and_previews(tmp_path: Path) -> None:
    root = make_project("mill", parent=tmp_path)
    workflow = yaml.safe_load((root / ".github/workflows/driftline.yml").read_text())
    (job,) = workflow["jobs"].values()
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    assert "driftline check" in commands
    assert "driftline preview" in commands


def test_a_new_project_loads_and_holds_nothing_yet(tmp_path: Path) -> None:
    root = make_project("empty_shop", parent=tmp_path)
    loaded = build_defs(root / "empty_shop" / "defs")
    assert not list(loaded.assets or ())
    dg.Definitions.validate_loadable(loaded)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_copy_of_the_shipped_pipeline(tmp_path: Path, example: ExampleName) -> None:
    root = make_project("fair", parent=tmp_path, example=example)
    pipeline = EXAMPLES[example].pipeline
    (file,) = declaration_files(project_at(root).defs)
    assert read(file.parent).name == pipeline
    copied = {name: (file.parent / name).read_bytes() for name in files_of(file.parent)}
    shipped = {name: (SHIPPED / pipeline / name).read_bytes() for name in copied}
    assert copied == shipped
    assert EXAMPLES[example].requirement in (root / "pyproject.toml").read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "shoe").mkdir()
    (tmp_path / "shoe" / "kept.txt").write_text("mine")
    with pytest.raises(NewProjectError, match=r"shoe is not empty \(kept.txt\), and nothing is overwritten"):
        make_project("shoe", parent=tmp_path)
    assert files_of(tmp_path) == {"shoe/kept.txt"}
    (tmp_path / "file").touch()
    with pytest.raises(NewProjectError, match="file is a file"):
        make_project("file", parent=tmp_path)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "hall").mkdir()
    assert make_project("hall", parent=tmp_path) == tmp_path / "hall"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../shop", "/shop", "Shop", "9shop", "shop-", "a b", "shöp", "a.b"]
)
def test_a_name_that_is_no_package_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NewProjectError, match="cannot be a project's name"):
        make_project(name, parent=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*ROOMS, "feature-repo"])
def test_a_name_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NewProjectError, match=r"is a package of Driftline's own"):
        make_project(name, parent=tmp_path)


@pytest.mark.parametrize("name", ["json", "dagster", "sklearn"])
def test_a_name_that_python_knows_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NewProjectError, match="is an installed Python package"):
        make_project(name, parent=tmp_path)


def test_the_command_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "bakery"]) == SUCCESS
    assert "cd bakery\n  driftline new NAME --source FILE" in capsys.readouterr().out
    assert main(["init", "bakery"]) == FAULT
    assert "nothing is overwritten" in capsys.readouterr().err
    assert main(["init", "tent", "--example", "payments"]) == SUCCESS
    assert "driftline replay card_fraud" in capsys.readouterr().out
