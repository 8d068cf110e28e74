"""Model cards of every kind of problem, of old versions, and of names that would be markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from assets.materialization import StageRun
from assets.model.asset import materialize_model
from assets.model.card.content import Card, CardTable, Section
from assets.model.card.markdown import card_markdown
from assets.model.card.page import card_page
from assets.model.card.reading import read_card_facts
from assets.model.card.sections import model_card
from declaration.target import ProblemType
from tests.fixtures.training_world import World

Builder = Callable[..., pa.Table]
NOW = datetime(2024, 3, 1, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> | `x` [a](javascript:b) **c**"


@pytest.mark.parametrize(
    ("problem", "algorithm"),
    [("binary", "logistic_regression"), ("multiclass", "decision_tree"), ("regression", "ridge")],
)
def test_every_problem_has_a_card(
    world: World, make_training_table: Builder, problem: ProblemType, algorithm: str
) -> None:
    pipeline = world.pipeline(f"card_{problem}", problem=problem, algorithms=(algorithm,))
    world.write_training_set(pipeline, "2024-01-01", make_training_table(900, days=31, problem=problem))
    run = StageRun(pipeline, world.scope(pipeline, "2024-01-01"), world.lake, world.engine)
    materialize_model(run, registry=world.registry)
    facts = read_card_facts(pipeline, world.lake, world.registry, 1, now=NOW)
    card = model_card(pipeline, facts, {"signal__x": "signals.x"})
    sections = {section.title: section for section in card.sections}
    (features,) = sections["Features"].tables
    by_name = {row[0]: row for row in features.rows}
    assert by_name["x"][4] in ("signals.x", "no longer declared")
    assert sections["Data"].facts[0] == ("training set", f"card_{problem}/training_set, Delta version 0")
    pictures = {name for name, _ in sections["How good it is"].pictures}
    expected = {
        "binary": {"ROC curve", "Precision and recall", "Calibration", "Learning curve"},
        "multiclass": {"Learning curve"},
        "regression": {"Residuals", "Calibration", "Learning curve"},
    }
    assert pictures == expected[problem]
    assert bool(sections["How good it is"].tables) == (problem != "regression")
    page, text = card_page(card), card_markdown(card)
    assert not re.search(r"\bnan\b", page)
    assert text.count("data:image/svg+xml") == sum(len(section.pictures) for section in card.sections)
    # A version of before explanations were kept has a card without them.
    old = model_card(
        pipeline, replace(facts, explanation=None, judged=None, judged_span=None, tags={}, run=None), {}
    )
    assert "Where it errs" not in {section.title for section in old.sections}
    assert "not kept: the version is older than this page" in card_page(old)


def test_names_from_outside_are_no_markup() -> None:
    section = Section(
        HOSTILE, (HOSTILE,), ((HOSTILE, HOSTILE),), (CardTable((HOSTILE,), ((HOSTILE,),), HOSTILE),)
    )
    card = Card(HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE, True, ((HOSTILE, HOSTILE, HOSTILE),), (section,))
    page = card_page(card, back="index.html")
    assert "<script" not in page
    assert 'href="javascript' not in page
    text = card_markdown(card)
    assert "<script" not in text
    assert "[a](" not in text
    assert "**c**" not in text
    # A border inside a cell would be a cell more.
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.count("|") for row in rows} <= {2, 3, 4}
