"""`driftline model ui` becomes MLflow's server, on this installation's database and on loopback."""

from __future__ import annotations

import os
import sys

import pytest

from declaration import extras
from driftline.cli import FAULT, main
from driftline.model.mlflow_ui import server_environment
from tests.driftline.verify.world import Home


def test_it_becomes_the_server_and_hides_the_url(
    installed: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given))
    monkeypatch.setattr(extras, "find_spec", lambda _module: object())
    main(["model", "ui", "--port", "5055"])
    ((program, command, environment),) = started
    assert (program, command[:4]) == (sys.executable, [sys.executable, "-m", "mlflow", "server"])
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert environment["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{installed.path}/mlflow/mlflow.db"
    assert not any("sqlite" in word for word in command)
    assert capsys.readouterr().out == "MLflow's web UI: http://127.0.0.1:5055 (Ctrl-C ends it)\n"


def test_nothing_is_sent_and_no_jobs_run() -> None:
    environment = server_environment({"PATH": "/bin"}, "sqlite:///x.db")
    assert environment["PATH"] == "/bin"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == environment["DO_NOT_TRACK"] == "true"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


@pytest.mark.usefixtures("project")
def test_without_the_extra_the_way_out_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _module: None)
    assert main(["model", "ui"]) == FAULT
    said = capsys.readouterr().err
    assert "`driftline model ui` needs flask, which is not installed" in said
    assert "pip install 'driftline[mlflow-ui]'" in said
