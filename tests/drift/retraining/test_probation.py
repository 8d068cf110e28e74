"""The probation is judged by the proper score, says which way it moved, and never sends back to a model that has lost as well."""

from __future__ import annotations

import numpy as np
import pytest

from drift.retraining.probation import Probation, judge_probation
from learning.comparison import ScoredPair
from learning.metrics import Scored

HOUR = 3_600_000_000


def judged(new: Scored, old: Scored, *, previous_loss: str = "", n: int = 800) -> Probation:
    return judge_probation(
        ScoredPair(new, old, np.arange(n, dtype=np.int64) * HOUR),
        version=2,
        previous=1,
        problem="regression" if new.scores.max() > 1 else "binary",
        alpha=0.05,
        n_looks=2,
        seed=0,
        previous_loss=previous_loss,
    )


@pytest.mark.parametrize(
    ("noises", "word", "then"), [((1, 3), "lower", "stays"), ((3, 1), "higher", "again")]
)
def test_an_error_is_lower_or_higher_and_never_negative(
    noises: tuple[int, int], word: str, then: str
) -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(100, 10, 800)
    new, old = (Scored(truth, truth + noise * draw.normal(size=800)) for noise in noises)
    found = judged(new, old)
    errors = [float(np.mean((one.labels - one.scores) ** 2)) for one in (new, old)]
    assert found.gain == pytest.approx(errors[1] - errors[0])
    assert (
        f"version 2 has a mean squared error of {errors[0]:.4g} against {errors[1]:.4g} of version 1"
        in found.explanation
    )
    assert f"({word} by " in found.explanation
    assert found.explanation.endswith(f"{then}.")
    assert "-" not in found.explanation


def probabilities(skill: float) -> Scored:
    labels = np.arange(800) % 2
    return Scored(labels.astype(float), np.where(labels == 1, skill, 1 - skill))


def test_a_predecessor_that_has_surely_lost_does_not_serve_again() -> None:
    bad, better = probabilities(0.2), probabilities(0.4)
    assert judged(bad, better).is_failed
    lost = judged(bad, better, previous_loss="roc_auc is surely 0.3 worse.")
    assert (lost.is_failed, lost.is_beaten) == (False, True)
    assert "has surely lost as well (roc_auc is surely 0.3 worse)" in lost.explanation


def test_ranking_is_not_all_that_counts() -> None:
    # Both rank without a fault (ROC AUC 1); the new one says 0.51 and 0.49 of what is certain.
    found = judged(probabilities(0.51), probabilities(0.95))
    assert found.is_failed
    assert found.gain == pytest.approx(np.log(0.51) - np.log(0.95))


def test_a_report_of_before_the_proper_score_is_still_read() -> None:
    kept = {
        "version": 2,
        "previous": 1,
        "n_rows": 9,
        "gain": None,
        "low": None,
        "high": None,
        "is_failed": True,
    }
    assert Probation(**kept, explanation="version 1 serves again.").is_beaten is False
