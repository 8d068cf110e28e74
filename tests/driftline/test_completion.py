"""Completion in the shell: what it offers, and where it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from driftline.cli import FAULT, SUCCESS, driftline, main
from driftline.completion.command import MARK, VARIABLE
from pipelines.scaffolding.blank import files

REPOSITORY = Path(__file__).resolve().parents[2]


def offered(*words: str) -> list[str]:
    """Return what the shell would offer for the last word."""
    *before, incomplete = words
    completion = ShellComplete(driftline, {}, "driftline", VARIABLE)
    return [item.value for item in completion.get_completions(before, incomplete)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with two pipelines, of which one is faulty."""
    root = tmp_path / "shop"
    (root / "shop" / "defs" / "returns").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n', encoding="utf-8")
    for name, text in files("driftline.MLPipeline").items():
        file = root / "shop" / "defs" / "churn" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (root / "shop" / "defs" / "returns" / "defs.yaml").write_text(
        "type: pipelines.MLPipeline\n", encoding="utf-8"
    )
    (root / "shop" / "defs" / "other").mkdir()
    (root / "shop" / "defs" / "other" / "defs.yaml").write_text(
        "type: dagster.PythonScript\n", encoding="utf-8"
    )
    monkeypatch.chdir(root)
    return root


@pytest.mark.usefixtures("shop")
def test_commands_options_pipelines_and_partitions_are_offered() -> None:
    assert offered("reb") == ["rebuild"]
    assert offered("model", "r") == ["rollback", "reproduce"]
    assert "--policy" in offered("backtest", "--p")
    assert offered("replay", "") == ["churn", "returns"]
    assert offered("verify", "churn", "r") == ["returns"]
    assert offered("check", "c") == ["churn"]
    assert offered("replay", "churn", "--from", "2024-0")[:2] == ["2024-01-01", "2024-02-01"]


@pytest.mark.usefixtures("shop")
def test_what_cannot_be_read_offers_nothing() -> None:
    assert offered("replay", "returns", "--from", "") == []
    assert offered("replay", "nobody", "--from", "") == []
    assert offered("replay", "--from", "") == []


def test_the_project_of_the_line_is_asked(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered("--project", str(shop), "replay", "c") == ["churn"]
    assert offered("--project", str(tmp_path), "replay", "") == []


def test_completion_answers_the_shell_without_dagster(shop: Path) -> None:
    asked = {
        VARIABLE: "bash_complete",
        "COMP_WORDS": "driftline replay churn --to 2024-03",
        "COMP_CWORD": "4",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-W", "ignore", "-m", "driftline"],
        cwd=shop, env={**os.environ, **asked, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["plain,2024-03-01"]
    imported = set(re.findall(r"\| +([a-z_]+)$", done.stderr, re.MULTILINE))
    assert "click" in imported
    assert not imported & {"dagster", "pyarrow", "duckdb", "feast", "mlflow"}


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a person a home."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("shell", "script", "startup"),
    [
        ("bash", ".local/share/driftline/completion.bash", ".bashrc"),
        ("zsh", ".local/share/driftline/completion.zsh", ".zshrc"),
        ("fish", ".config/fish/completions/driftline.fish", None),
    ],
)
def test_install_writes_the_script_once_and_says_how_to_undo_it(
    shell: str, script: str, startup: str | None, person: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if startup:
        (person / startup).write_text("alias ll='ls -l'", encoding="utf-8")
    for _ in range(2):
        assert main(["completion", "install", shell]) == SUCCESS
    said = capsys.readouterr().out
    assert f"Written: {person / script}" in said
    assert f"To undo: delete {person / script}" in said
    assert VARIABLE in (person / script).read_text(encoding="utf-8")
    if startup:
        lines = (person / startup).read_text(encoding="utf-8").splitlines()
        assert lines == ["alias ll='ls -l'", f'. "{person / script}"  {MARK}']
        assert f"{person / startup} has its line already." in said


def test_the_shell_of_the_session_is_meant(
    person: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert main(["completion", "install"]) == SUCCESS
    assert (person / ".config" / "fish" / "completions" / "driftline.fish").exists()
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion", "install"]) == FAULT
    assert "SHELL is '/bin/tcsh', for which there is no completion. Name one:" in capsys.readouterr().err


def test_a_home_that_cannot_be_written_is_told(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (person / ".local").write_text("a file", encoding="utf-8")
    assert main(["completion", "install", "bash"]) == FAULT
    assert "cannot be written" in capsys.readouterr().err


def test_bash_calls_the_program_for_the_word_under_the_cursor(tmp_path: Path) -> None:
    """Source the script as a session does, and complete with a program that answers what it was asked."""
    program = tmp_path / "driftline"
    program.write_text('#!/bin/sh\necho "plain,$COMP_CWORD-$_DRIFTLINE_COMPLETE"\n', encoding="utf-8")
    program.chmod(0o755)
    from driftline.completion.command import script

    (tmp_path / "script").write_text(script("bash"), encoding="utf-8")
    line = (
        f". {tmp_path / 'script'}; COMP_WORDS=(driftline re); COMP_CWORD=1; "
        '$(complete -p driftline | sed "s/.*-F \\([^ ]*\\).*/\\1/") driftline re; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", line],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["1-bash_complete"], done.stderr
