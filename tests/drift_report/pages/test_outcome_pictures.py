"""Pictures of served outcomes: what each problem shows, points of enough rows, hostile class names."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from assets.drift_report.pages.outcome_pictures import MIN_ROWS, outcome_pictures, outcome_text
from assets.drift_report.pages.report import render_html
from drift.performance.outcomes import OutcomeBin, Outcomes, outcomes_of
from tests.drift.performance.test_outcomes import NO_ROWS, rows
from tests.drift_report.pages.test_report import EVIL, Tags, content

SVG = "{http://www.w3.org/2000/svg}"


def multiclass() -> Outcomes:
    """Build outcomes of three classes, of which the first is hostile."""
    draw = np.random.default_rng(0)
    scores = draw.dirichlet([1, 1, 1], size=600)
    served = rows(draw.integers(0, 3, size=600), scores)
    return outcomes_of(2, "multiclass", [EVIL, "b", "c"], holdout=served, served=served)


def test_few_rows_are_drawn_with_their_neighbours() -> None:
    bins = [(0.0, 0.1, 5), (0.1, 0.2, 5), (0.2, 0.3, 200), (0.9, 1.0, 7)]
    made = tuple(OutcomeBin("served", low, high, n, low * n, 0.5 * n) for low, high, n in bins)
    (svg,) = outcome_pictures(Outcomes(1, calibration=made), 420)
    tips = [e.text or "" for e in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert [int(re.findall(r"of (\d+) rows", tip)[0]) for tip in tips] == [217]
    assert min(217, 10) < MIN_ROWS


def test_a_confusion_shows_shares_of_the_actual_class_and_names_stay_text() -> None:
    outcomes = multiclass()
    page = render_html(replace(content(4, 100), outcomes=outcomes))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "img" not in tags.names
    curve, confusion = outcome_pictures(outcomes, 420)
    assert "Calibration of the class that is named" in curve
    tips = [e.text or "" for e in ElementTree.fromstring(confusion).iter(f"{SVG}title")]
    shares = [float(tip.rpartition(": ")[2]) for tip in tips if ", " in tip]
    # Three classes, each row of shares adds up to one.
    assert sum(shares) == pytest.approx(3, abs=0.01)
    assert outcome_text(outcomes).startswith("The named class had a probability of")


def test_residuals_are_drawn_against_the_holdouts_and_said_on_average() -> None:
    draw = np.random.default_rng(1)
    labels = draw.normal(10, 1, size=500)
    held, served = rows(labels, labels + 0.1), rows(labels, labels - 2)
    outcomes = outcomes_of(3, "regression", (), holdout=held, served=served)
    (svg,) = outcome_pictures(outcomes, 420)
    assert "Residuals: label less prediction" in svg
    mean = labels.mean()
    assert outcome_text(outcomes) == (
        f"Predictions averaged {mean - 2:.4g} and labels averaged {mean:.4g} "
        f"(holdout: {mean + 0.1:.4g} and {mean:.4g}) over 500 served rows."
    )


def test_where_no_label_has_come_nothing_is_drawn() -> None:
    holdout_only = outcomes_of(1, "binary", (), holdout=rows(np.ones(30), np.full(30, 0.5)), served=NO_ROWS)
    for outcomes in (None, holdout_only):
        assert outcome_pictures(outcomes, 420) == []
        assert outcome_text(outcomes) == ""
