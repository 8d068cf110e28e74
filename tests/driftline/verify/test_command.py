"""The command: its lines, its exit codes, and what it says of names that are nobody's."""

from __future__ import annotations

import json

import pytest

from driftline.cli import FAULT, SUCCESS, main
from pipelines.loading.declared import Declarations
from tests.driftline.verify.world import Home


@pytest.fixture(autouse=True)
def _installation(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the command sets is taken back with these.
    for name in ("DRIFTLINE_PROFILE", "DAGSTER_HOME", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("DRIFTLINE_PROFILE", "local")
    monkeypatch.setenv("DRIFTLINE_HOME", str(home.path))
    declared = Declarations(home.path, {"tiny": home.pipeline}, {})
    monkeypatch.setattr("driftline.verify.verified.declarations", lambda: declared)


@pytest.mark.long
def test_findings_are_lines_and_the_exit_code_tells(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == SUCCESS
    assert capsys.readouterr().out == "Nothing is wrong.\n"
    home.connections.registry.point_aliases("tiny", {"champion": None})
    assert main(["verify", "tiny"]) == FAULT
    assert capsys.readouterr().out == (
        "tiny: alias: alias 'champion' in MLflow: it names no version, and by the ledger it is version 1. "
        "--repair points it, as the next stage that reads the ledger does.\n"
        "1 finding. --repair mends 1 of them.\n"
    )
    assert main(["verify", "tiny", "--json"]) == FAULT
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["pipeline"], found["kind"], found["can_be_mended"], found["mended"]) == (
        "tiny",
        "alias",
        True,
        None,
    )
    assert main(["verify", "tiny", "--repair"]) == SUCCESS
    assert "Done: aliases of 'tiny' follow row 0 of the ledger." in capsys.readouterr().out


def test_a_name_of_nobody_cannot_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "nobody"]) == FAULT
    assert "no pipeline 'nobody'" in capsys.readouterr().err
