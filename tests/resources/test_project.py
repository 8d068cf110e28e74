"""The project: found from any folder, in every layout that `dg` knows, and importable beside our packages."""

import sys
from pathlib import Path

import pytest

from resources.project import Project, ProjectError, project, project_at

SETTINGS = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{}"\n'


def made(root: Path, module: str, *, source: str = "") -> Path:
    (root / source / module / "defs").mkdir(parents=True)
    (root / source / module / "__init__.py").touch()
    (root / "pyproject.toml").write_text(SETTINGS.format(module))
    return root


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("source", ["", "src"])
def test_the_nearest_above_a_folder_is_taken(tmp_path: Path, source: str) -> None:
    root = made(tmp_path, "inner_shop", source=source)
    found = project_at(root / source / "inner_shop" / "defs")
    assert found == Project(root, "inner_shop", "inner_shop.defs")
    assert found.defs == root / source / "inner_shop" / "defs"
    found.make_importable()
    assert sys.path[-1] == str(root / source)


def test_settings_in_dg_toml_are_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "dg.toml").write_text('[project]\nroot_module = "mine"\ndefs_module = "mine.things"\n')
    assert project_at(tmp_path) == Project(tmp_path, "mine", "mine.things")
    assert project_at(tmp_path).defs == tmp_path / "mine" / "things"


def test_a_named_project_goes_before_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(tmp_path / "a", "a"), made(tmp_path / "b", "b")
    monkeypatch.chdir(first)
    assert project({}).root == first
    assert project({"DRIFTLINE_PROJECT": str(second)}).root == second
    with pytest.raises(ProjectError, match=r"DRIFTLINE_PROJECT \(--project\) is '.*', which is no project"):
        project({"DRIFTLINE_PROJECT": str(tmp_path)})


def test_a_folder_of_no_project_is_refused_and_no_other_taken(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="belongs to no project"):
        project_at(tmp_path)


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dg\n")
    with pytest.raises(ProjectError, match=r"pyproject.toml: .*Correct the file"):
        project_at(tmp_path)


@pytest.mark.parametrize(("room", "file"), [("assets", "assets/__init__.py"), ("resources", "resources.py")])
def test_a_package_of_the_name_of_one_of_ours_is_refused(tmp_path: Path, room: str, file: str) -> None:
    root = made(tmp_path, "third_shop")
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).touch()
    with pytest.raises(ProjectError, match=rf"and Driftline's package '{room}' bear one name.*Move it into"):
        project_at(root).make_importable()


def test_a_folder_that_is_no_package_is_let_be(tmp_path: Path) -> None:
    root = made(tmp_path, "fourth_shop")
    (root / "charts").mkdir()
    (root / "charts" / "values.yaml").touch()
    project_at(root).make_importable()


def test_a_module_that_python_takes_from_elsewhere_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path, "yaml")
    with pytest.raises(
        ProjectError, match=r"has the package 'yaml', and Python imports .*yaml under that name"
    ):
        project_at(root).make_importable()
