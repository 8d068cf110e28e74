"""Tests of a comparison's page and words: names are escaped, a recommendation is shown as a diff, what was cut is named."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from drift.backtesting.advice import advise
from drift.backtesting.grid import AS_DECLARED, Line
from drift.backtesting.outcome import Outcome
from drift.backtesting.plain import Never
from driftline.backtest.compare import Comparison
from driftline.backtest.page import comparison_page
from driftline.backtest.past import Past, Reality
from driftline.backtest.wording import caveats, headline, reasons
from tests.drift.backtesting.worlds import world

HISTORY = world(0, n_windows=24, n_rows=20)
N_LIVE = len(HISTORY.live)
DIFF = "--- a/defs.yaml\n+++ b/defs.yaml\n@@ -1 +1 @@\n-  max_age: 3\n+  max_age: 10 # <b>\n"


def outcome(loss: float, spread: float = 0.01) -> Outcome:
    values = loss + np.tile([spread, -spread], N_LIVE // 2)
    values[3] = np.nan
    return Outcome(1 - values, values, tuple(range(N_LIVE)), 3, (6, 12, 18), 3, 1, 0, 12.0)


def comparison(*others: Line, losses: tuple[float, ...], spread: float = 0.01) -> Comparison:
    lines = [Line(AS_DECLARED, "declared", Never), *others]
    outcomes = [(line, outcome(loss, spread)) for line, loss in zip(lines, (0.5, *losses), strict=True)]
    # A difference needs a spread of its own.
    noisy = [
        (line, replace(one, loss=one.loss + np.random.default_rng(i).normal(scale=spread, size=N_LIVE)))
        for i, (line, one) in enumerate(outcomes)
    ]
    past = Past(
        HISTORY,
        ("shop/predictions@4", "shop/labels@9"),
        10,
        480,
        24,
        12,
        0,
        ("<i>2</i> windows had no rows.",),
    )
    reality = Reality(dict.fromkeys(HISTORY.names, 0.75), ("003", "007"))
    advice = advise(noisy, "binary", "roc_auc")
    return Comparison("shop", "roc_auc", past, reality, advice, (), 900, 10.0, 3, 4)


BETTER = Line("retrain.max_age: 10", "setting", Never, {("retrain", "max_age"): 10})
HOSTILE = Line("<script>alert(1)</script> & more", "plain", Never)


def test_a_recommendation_leads_with_its_numbers_and_a_diff_and_every_text_is_escaped() -> None:
    found = comparison(BETTER, HOSTILE, losses=(0.4, 0.45))
    page = comparison_page(found, DIFF)
    assert "retrain.max_age: 10 would surely have been better." in page
    assert '<span class="old">-  max_age: 3</span>' in page
    assert '<span class="new">+  max_age: 10 # &lt;b&gt;</span>' in page
    assert "<script>" not in page
    assert "<i>" not in page
    assert page.count("&lt;script&gt;") >= 3
    # Two pictures, each for a wide and a narrow screen; nothing is fetched.
    assert page.count("<svg") == 4
    assert not re.search(r"""(src|href)=["']?http""", page)
    said = " ".join(reasons(found))
    assert re.search(r"log loss lower by 0\.\d{4} \(0\.\d{4} to 0\.\d{4}, 5 blocks of 4 windows\)", said)
    assert "Surely better than the declaration, without a gate: <script>" in said


def test_where_nothing_is_sure_it_says_what_would_tell() -> None:
    found = comparison(BETTER, losses=(0.42,), spread=0.2)
    assert headline(found) == "No other setting would surely have been better: keep the declaration."
    (said,) = reasons(found)
    assert re.search(r"would be sure from about \d+ windows; there are 19", said)
    assert "What to change" not in comparison_page(found, "")


def test_where_no_setting_is_ahead_it_says_so() -> None:
    (said,) = reasons(comparison(BETTER, losses=(0.6,)))
    assert said == "No setting that was tried has a lower log loss, not even by the estimate."


@pytest.mark.parametrize(
    "part",
    [
        "A sample of 10 rows stands for 24 of 24 windows, 100% of all rows",
        "mean roc_auc 0.7500, 1 trainings after the first; the same declaration lived through here:",
        "Cut by the budget of 900 CPU seconds: never; every window, all rows.",
        "20 windows were lived through, from 004 to 023",
    ],
)
def test_a_reader_is_told_what_to_know_first(part: str) -> None:
    found = replace(comparison(BETTER, losses=(0.49,)), cut=("never", "every window, all rows"))
    assert part in " ".join(caveats(found))
