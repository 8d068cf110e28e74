"""The command and its page: what is asked for is found or named, and no name becomes markup."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from driftline.cli import FAULT, SUCCESS, USAGE, main
from driftline.lineage.choice import UnknownColumnError, chosen
from driftline.lineage.command import KEYS
from driftline.lineage.drawing import draw
from driftline.lineage.page import page
from pipelines.lineage import Edge, Lineage, Node
from tests.fixtures.keys import undocumented

HEAT = Node("features", "recent", "mean_heat")
LINEAGE = Lineage(
    frozenset(
        {
            Edge(
                Node("source", "readings", "<script>alert(1)</script>"), Node("dataset", "readings", "heat")
            ),
            Edge(Node("dataset", "readings", "heat"), Node("query", "inner", "heat")),
            Edge(Node("query", "inner", "heat"), Node("query", "outer", "heat")),
            Edge(Node("query", "outer", "heat"), HEAT),
            Edge(Node("dataset", "readings", "*"), HEAT, "rows"),
            Edge(HEAT, Node("training_set", "training_set", "recent__mean_heat")),
            Edge(
                Node("training_set", "training_set", "recent__mean_heat"), Node("model", "model", "version 1")
            ),
        }
    ),
    {"odd<view>": "it uses PIVOT"},
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", ["recent.mean_heat", "recent__mean_heat", "mean_heat"])
def test_a_feature_is_found_by_each_of_its_names(name: str) -> None:
    assert list(chosen(LINEAGE, feature=name, column=None)) == [HEAT]


def test_a_datasets_column_comes_before_the_sources() -> None:
    assert list(chosen(LINEAGE, feature=None, column="readings.heat")) == [
        Node("dataset", "readings", "heat")
    ]


def test_an_unknown_feature_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownColumnError, match=r"Did you mean 'recent\.mean_heat'"):
        chosen(LINEAGE, feature="recent.mean_heart", column=None)


def test_a_bare_name_in_several_places_is_not_guessed() -> None:
    with pytest.raises(UnknownColumnError, match="in several places"):
        chosen(LINEAGE, feature=None, column="heat")


def test_the_page_holds_every_name_escaped_and_no_script() -> None:
    text = page("tiny", LINEAGE, [HEAT])
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "odd&lt;view&gt;" in text
    assert not re.search(r"(src|href)=", text)
    svg = re.search(r"<svg.*</svg>", text, re.DOTALL)
    assert svg is not None
    drawn = ElementTree.fromstring(svg[0])  # Our own page: it must be well-formed.
    titles = {one.text for one in drawn.iter("{http://www.w3.org/2000/svg}title")}
    assert {"readings.heat", "recent.mean_heat", "version 1", "rows of readings"} <= titles


def test_a_query_of_a_query_stands_to_its_right() -> None:
    places = {box.node: box.x for box in draw(LINEAGE, [HEAT]).boxes}
    order = [
        Node("dataset", "readings", "heat"),
        Node("query", "inner", "heat"),
        Node("query", "outer", "heat"),
        HEAT,
    ]
    assert [places[node] for node in order] == sorted({places[node] for node in order})


def test_the_command_prints_both_directions_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pages" / "lineage.html"
    assert main(["lineage", "card_fraud", "--feature", "velocity.amount_24h", "--html", str(file)]) == SUCCESS
    printed = capsys.readouterr().out
    assert "dataset  transactions.amount" in printed
    assert "training set  training_set.velocity__amount_24h" in printed
    assert "transactions.latitude" not in printed
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_depth_ends_the_trees(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lineage", "card_fraud", "--column", "transactions.amount", "--depth", "1"]) == SUCCESS
    printed = capsys.readouterr().out
    assert "features  spending.ratio_to_mean" in printed
    assert "training_set" not in printed


def test_an_unknown_pipeline_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lineage", "card_frauds"]) == FAULT
    said = capsys.readouterr().err
    assert "no pipeline 'card_frauds'" in said
    assert "Did you mean 'card_fraud'?" in said


def test_json_has_the_keys_that_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lineage", "card_fraud", "--feature", "velocity.amount_24h", "--json"]) == SUCCESS
    printed = json.loads(capsys.readouterr().out)
    assert undocumented(printed, KEYS) == set()
    (column,) = printed["columns"]
    assert (column["name"], column["stage"]) == ("velocity.amount_24h", "features")
    assert {"stage": "dataset", "name": "transactions.amount"} in column["upstream"]
    assert {"stage": "training_set", "name": "training_set.velocity__amount_24h"} in column["downstream"]


def test_a_feature_and_a_column_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lineage", "card_fraud", "--feature", "a.b", "--column", "c.d"]) == USAGE
    assert "--feature and --column exclude each other" in capsys.readouterr().err
