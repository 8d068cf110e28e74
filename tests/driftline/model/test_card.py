"""`driftline model card` writes a self-contained page, Markdown and JSON; the training wrote one already."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from pathlib import Path

import pytest

from driftline.cli import FAULT, SUCCESS, main
from driftline.model import card
from driftline.model.moved import tell_cards
from resources.model_registry.ledger import read_ledger
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented


def test_the_card_lies_beside_the_reports_and_says_all_that_is_kept(
    installed: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installed.path / "reports" / "tiny"
    by_training = (folder / "model-1.html").read_text()
    assert main(["model", "card", "tiny", "1", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, card.KEYS) == set()
    assert document["path"] == str(folder / "model-1.html")
    titles = [section["title"] for section in document["sections"]]
    assert titles == [
        "What it predicts", "Data", "Features", "Candidates", "Settings of the training", "How good it is", "Where it errs",
        "How the answer moves", "Who decided what", "Provenance and environment",
    ]  # fmt: skip
    page, text = (folder / "model-1.html").read_text(), (folder / "model-1.md").read_text()
    for title in titles:
        assert f">{title}</h2>" in page
        assert f"## {title}" in text
    registered = installed.connections.registry.version("tiny", 1)
    assert f"Delta version {registered.training_table_version}" in page
    assert registered.artifact_sha256 in page
    assert "promoted" in page
    # The one that the training wrote had the same content, as of its own instant.
    written = re.compile(r"Written [\d :-]+ UTC")
    assert written.sub("", by_training) == written.sub("", page)


def test_the_page_needs_nothing_from_elsewhere(installed: Home, tmp_path: Path) -> None:
    assert installed.path.is_dir()
    assert main(["model", "card", "--out", str(tmp_path / "card.html")]) == SUCCESS
    page = (tmp_path / "card.html").read_text()
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert main(["model", "card", "1", "--out", str(tmp_path / "card.md")]) == SUCCESS
    assert (tmp_path / "card.md").read_text().startswith("# tiny, version 1: ")


def test_the_card_is_among_the_artifacts_of_the_versions_run(
    installed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow remembers where a run's artifacts lie, and this process has made the home that was copied.
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._artifact_repos_cache", OrderedDict())
    run = installed.connections.registry.training_run("tiny", 1)
    assert run is not None
    artifacts = Path(run.model_file.removeprefix("file://")).parent
    page, text = artifacts / "card" / "model-card.html", artifacts / "card" / "model-card.md"
    assert text.read_text().startswith("# tiny, version 1: ")
    assert "index.html" not in page.read_text()
    page.write_text("of before")
    (decision, *_) = read_ledger(installed.connections.lake, "tiny")
    tell_cards("tiny", decision)
    assert "It serves since" in page.read_text()


def test_the_index_links_the_cards(installed: Home) -> None:
    assert main(["report"]) == SUCCESS
    assert 'href="./tiny/model-1.html"' in (installed.path / "reports" / "index.html").read_text()


def test_a_version_that_is_not_there_is_named(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["model", "card", "7"]) == FAULT
    assert "has no model version 7. Its versions: 1." in capsys.readouterr().err


def test_a_move_writes_the_cards_anew_that_there_are(installed: Home) -> None:
    (decision, *_) = read_ledger(installed.connections.lake, "tiny")
    page = installed.path / "reports" / "tiny" / "model-1.html"
    page.write_text("of before")
    tell_cards("tiny", decision)
    assert "It serves since" in page.read_text()
    page.unlink()
    tell_cards("tiny", decision)
    assert not page.exists()
    page.write_text("of before")
    tell_cards("no_longer_declared", decision)
    assert page.read_text() == "of before"
