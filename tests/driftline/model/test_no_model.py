"""A pipeline whose model was never trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftline.cli import FAULT, SUCCESS, main


def test_nothing_was_trained(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    assert main(["model", "list"]) == SUCCESS
    assert capsys.readouterr().out == "'tiny' has no model yet. `driftline replay tiny` trains the first.\n"
    assert main(["model", "show"]) == FAULT
    assert "'tiny' has no model yet." in capsys.readouterr().err
    assert not (tmp_path / "home").exists()
