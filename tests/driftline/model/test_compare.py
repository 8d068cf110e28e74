"""`driftline model compare`: two versions side by side, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from driftline.cli import FAULT, SUCCESS, USAGE, main
from driftline.model import side_by_side, table
from pipelines.loading import declared
from tests.fixtures.training_world import World
from tests.fixtures.versions import Versions


@pytest.fixture
def standing(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> World:
    """Let the commands work on the three versions."""
    world, pipeline = versions
    for module in (side_by_side, table):
        monkeypatch.setattr(module, "connect", lambda _installed: world)
        monkeypatch.setattr(module, "deployment", lambda _environment: None)
    monkeypatch.setattr(declared, "find_pipeline", lambda _name: pipeline)
    return world


def compared(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["model", "compare", *words, "--json"]) == SUCCESS
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.usefixtures("standing")
def test_what_differs_is_told_and_metrics_have_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    document = compared(["flights", "1", "2"], capsys)
    assert document["settings"] == []
    assert document["environment"] == []
    assert document["features"] == {"only_first": [], "only_second": [], "n_of_both": 3}
    assert document["why_no_same_rows"] is None
    rows = document["same_rows"]
    assert isinstance(rows, dict)
    assert rows["n_rows"] > 500
    forward = {one["metric"]: one for one in rows["metrics"]}
    backward = compared(["2", "1"], capsys)["same_rows"]
    assert isinstance(backward, dict)
    for one in backward["metrics"]:
        there = forward[one["metric"]]
        assert (one["first"], one["second"]) == (there["second"], there["first"])
        assert one["gain"] == pytest.approx(-there["gain"])
        assert one["gain_low"] <= one["gain"] <= one["gain_high"]


@pytest.mark.usefixtures("standing")
def test_people_read_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "compare", "flights", "2", "3"]) == SUCCESS
    page = capsys.readouterr().out
    assert "flights/training_set@1" in page
    assert "alike: 3 features" in page
    assert "software and machine are the same" in page
    assert "rows that neither learned from" in page
    assert "gain of version 3" in page


def test_what_is_gone_is_said_and_the_rest_is_shown(
    standing: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(standing.registry), "training_run", lambda *_: None)
    (first, *_) = (
        Path(path) for path in standing.lake.snapshot("flights/training_set", 1).paths(["2024-02-01"])
    )
    content = first.read_bytes()
    first.unlink()
    try:
        assert main(["model", "compare", "flights", "1", "2"]) in (SUCCESS, FAULT)
    finally:
        first.write_bytes(content)
    told = "".join(capsys.readouterr())
    assert first.name in told


@pytest.mark.usefixtures("standing")
def test_wrong_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["1"], ["flights", "1"], ["flights", "one", "two"], ["a", "b", "1", "2"]):
        assert main(["model", "compare", *words]) == USAGE
        assert "which two versions? driftline model compare [NAME] A B" in capsys.readouterr().err
    assert main(["model", "compare", "flights", "2", "2"]) == FAULT
    assert "is compared with itself. Name two versions." in capsys.readouterr().err
    assert main(["model", "compare", "flights", "2", "9"]) == FAULT
    assert "has no model version 9" in capsys.readouterr().err
