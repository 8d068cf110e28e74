"""Where the newest page is, and what is said where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftline.cli import FAULT, SUCCESS, main
from driftline.report import KEYS
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented


def test_the_newest_page_of_a_pipeline(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    page = installed.path / "reports" / "tiny" / "2024-01-03.html"
    assert main(["report", "tiny"]) == SUCCESS
    assert capsys.readouterr().out == f"{page}\n"
    assert main(["report", "tiny", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, KEYS) == set()
    assert document["url"] == page.as_uri()


@pytest.mark.parametrize(("opens", "code"), [(True, SUCCESS), (False, FAULT)])
def test_open_asks_for_a_browser(
    opens: bool,
    code: int,
    installed: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def browser(url: str) -> bool:
        asked.append(url)
        return opens

    monkeypatch.setattr("webbrowser.open", browser)
    assert main(["report", "tiny", "--open"]) == code
    assert asked == [(installed.path / "reports" / "tiny" / "2024-01-03.html").as_uri()]
    assert ("No browser could be opened here" in capsys.readouterr().err) != opens


def test_a_page_that_was_taken_away_is_said(own: Home, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_HOME", str(own.path))
    (own.path / "reports" / "tiny" / "2024-01-03.html").unlink()
    assert main(["report", "tiny"]) == FAULT
    assert "`driftline run tiny --partition 2024-01-03` writes it again." in capsys.readouterr().err


def test_without_a_report_there_is_no_page(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    assert main(["report", "tiny"]) == FAULT
    assert "'tiny' has no drift report in" in capsys.readouterr().err
    assert main(["report"]) == FAULT
    assert "no index over all pipelines" in capsys.readouterr().err
    index = tmp_path / "reports" / "index.html"
    index.parent.mkdir()
    (index.parent / "tiny").mkdir()
    (index.parent / "tiny" / "summary.json").write_text("{")
    assert main(["report"]) == SUCCESS
    assert capsys.readouterr().out == f"{index}\n"
    assert "tiny/summary.json is damaged" in index.read_text()
