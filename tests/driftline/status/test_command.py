"""The command: rows for people, keys for programs, exit codes, and what it does not import."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from driftline.cli import FAULT, SUCCESS, main
from driftline.status.command import KEYS
from driftline.status.overview import as_document
from driftline.status.reading import faulty
from driftline.status.terminal import print_overview
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_row_tells_how_the_pipeline_stands(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["status"]) == SUCCESS
    out = capsys.readouterr().out
    for text in ("tiny", "2024-01-03", "v1", "roc_auc", "none", "the refresh of 11 partitions"):
        assert text in out


def test_one_pipeline_has_its_windows_too(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["status", "tiny"]) == SUCCESS
    out = capsys.readouterr().out
    assert "Which machine fails within the hour?" in out
    assert all(day in out for day in ("2024-01-01", "2024-01-02", "2024-01-03"))


@pytest.mark.parametrize("name", [[], ["tiny"]])
def test_every_key_is_documented(
    name: list[str], installed: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.path.is_dir()
    assert main(["status", *name, "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, KEYS) == set()
    assert document["pipelines"][0]["champion"] == 1
    assert ("windows" in document["pipelines"][0]) == bool(name)


def test_a_home_that_is_not_there_is_said_and_not_made(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    assert main(["status"]) == SUCCESS
    out = capsys.readouterr().out
    assert "never ran" in out
    assert (
        f"Nothing has run: {tmp_path / 'home'} does not exist yet. `driftline replay NAME` makes it." in out
    )
    assert not (tmp_path / "home").exists()


def test_a_faulty_declaration_is_a_row_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop" / "defs" / "broken"
    folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n')
    (folder / "defs.yaml").write_text("type: driftline.MLPipeline\nattributes: {datasets: 3}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    assert main(["status"]) == FAULT
    captured = capsys.readouterr()
    assert "faulty declaration" in captured.out
    assert "defs.yaml:2" in captured.out
    assert main(["status", "broken", "--json"]) == FAULT
    assert json.loads(capsys.readouterr().out)["pipelines"][0]["state"] == "faulty declaration"


def test_a_name_that_nobody_has_is_guessed_at(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["status", "tine"]) == FAULT
    assert "Did you mean 'tiny'?" in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 100, 150])
def test_names_and_windows_are_never_cut(width: int, tmp_path: Path) -> None:
    fault = "[/bold] is no markup"
    to = Console(width=width, record=True, file=io.StringIO())
    print_overview([faulty("[red]name[/red]", fault)], tmp_path, tmp_path, to)
    text = to.export_text()
    assert "[red]name[/red]" in text
    assert fault in text


def test_a_faulty_pipeline_has_the_same_keys() -> None:
    document = as_document(faulty("broken", "why"), has_windows=True)
    assert undocumented({"home": "", "pipelines": [document]}, KEYS) == set()


def test_no_project_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_PROJECT", str(tmp_path))
    assert main(["status"]) == FAULT
    assert "which is no project" in capsys.readouterr().err


@pytest.mark.slow
def test_no_heavy_library_is_imported(installed: Home, project: Path) -> None:
    script = (
        "import sys; from driftline.cli import main; code = main(['status']); "
        "heavy = {'feast', 'mlflow', 'great_expectations', 'sklearn'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    environment = {**os.environ, "DRIFTLINE_HOME": str(installed.path), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
