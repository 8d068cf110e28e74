"""The commands that move a version: asked for a reason, told in words or JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from driftline.cli import FAULT, SUCCESS, USAGE, main
from driftline.model.arguments import own_name
from tests.driftline.verify.world import Home


def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    assert main(["model", "rollback", "flights", "--reason", "a try"]) == FAULT
    assert "has no ledger" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_a_move_is_told_and_is_a_row_with_name_and_reason(
    own: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(own.path))
    assert main(["model", "archive", "1", "--reason", "a try"]) == FAULT
    assert "version 1 of 'tiny' serves. Let another one serve first" in capsys.readouterr().err
    assert main(["model", "promote", "1", "--reason", "a try", "--force"]) == FAULT
    assert "version 1 of 'tiny' serves already" in capsys.readouterr().err
    assert main(["model", "list", "--json"]) == SUCCESS
    (version,) = json.loads(capsys.readouterr().out)["versions"]
    assert version["stage"] == "production"


@pytest.mark.usefixtures("project")
def test_without_a_reason_nothing_is_moved(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["promote"], ["archive", "1"], ["rollback"]):
        assert main(["model", *words]) == USAGE
        assert "say why, for those who read the ledger: --reason TEXT." in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_an_archive_needs_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "archive", "tiny", "--reason", "a try"]) == USAGE
    assert "which version?" in capsys.readouterr().err


def test_the_name_is_that_of_git_or_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LOGNAME", "eva")
    assert own_name() == "eva"
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "config", "user.name", "Eva Lang"], check=True)
    assert own_name() == "Eva Lang"
