"""Track record of estimates: arithmetic by hand; contradicted ones are withheld, wrong ones shrunk and widened."""

from __future__ import annotations

import numpy as np
import pytest

from drift.performance.realised import Measurement
from drift.performance.track_record import (
    EstimateOutcome,
    RawEstimate,
    contradiction,
    outcome_of,
    with_track_record,
)

ESTIMATE = Measurement("roc_auc", 1_000, 0.70, 0.68, 0.72)


def outcome(expected: float, realised: float, partition: str = "May") -> EstimateOutcome:
    return EstimateOutcome(partition, expected, 0.02, 0.80, realised)


def test_an_estimate_without_outcomes_stands() -> None:
    found = with_track_record(ESTIMATE, (), 0.80)
    assert (found.value, found.low, found.high) == pytest.approx((0.70, 0.68, 0.72))


def test_changes_that_did_not_come_true_are_shrunk_away() -> None:
    # Half intervals of 0.02 are a variance of (0.02 / 1.96)²; estimated +0.02, realised none.
    record = [outcome(0.82, 0.80)] * 4
    precision = 1 + 4 * 0.02**2 / (0.02 / 1.96) ** 2
    found = with_track_record(ESTIMATE, record, 0.80)
    assert found.value == pytest.approx(0.80 - 0.10 / precision)


def test_changes_that_came_true_are_kept_whole() -> None:
    found = with_track_record(ESTIMATE, [outcome(0.72, 0.72)] * 8, 0.80)
    assert found.value == pytest.approx(0.70)
    assert (found.low, found.high) == (pytest.approx(0.68), pytest.approx(0.72))


def test_intervals_that_were_too_narrow_are_widened() -> None:
    # Misses of 0.9 half intervals to either side: 1.764 standard deviations each, (1 + 4 · 3.11) / 5.
    record = [outcome(0.80, 0.80 + side * 0.018) for side in (1, -1, 1, -1)]
    found = with_track_record(Measurement("roc_auc", 1_000, 0.80, 0.78, 0.82), record, 0.80)
    assert found.high == pytest.approx(0.80 + 0.02 * np.sqrt((1 + 4 * 1.764**2) / 5))


@pytest.mark.parametrize(
    ("misses", "is_contradicted"),
    [
        # 1.96 times the mean of the newest k misses, beyond 2.4 times the root of 0.6 + 0.4 / k.
        ([0.0, 1.23], True),
        ([0.0, 1.22], False),
        ([1.1, 1.1], True),
        ([1.09, 1.09], False),
        ([-1.1, -1.1], True),
        ([1.2, -1.2], False),
        ([1.6, 1.6, 0.3], False),
        ([1.0] * 6, True),
        ([0.99] * 9, False),
        ([], False),
    ],
)
def test_an_estimate_is_withheld_while_realised_values_contradict_it(
    misses: list[float], is_contradicted: bool
) -> None:
    record = [outcome(0.80, 0.80 + 0.02 * miss, f"w{number}") for number, miss in enumerate(misses)]
    assert bool(contradiction(record)) is is_contradicted
    found = with_track_record(ESTIMATE, record, 0.80)
    assert found.is_known is not is_contradicted
    if is_contradicted:
        assert found.reason.startswith(f"withheld: labels that came in w{len(misses) - 1} contradict it: ")
        assert (found.low, found.high, found.n) == (None, None, 1_000)


def test_what_is_not_estimated_stays_so() -> None:
    unknown = Measurement("r2", 0, reason="not estimated: r2 needs the spread of the labels")
    assert with_track_record(unknown, [outcome(0.8, 0.5)], 0.8) == unknown


def test_late_labels_meet_the_estimates_of_their_own_partitions() -> None:
    estimates = {"May": RawEstimate(0.80, 0.02), "June": RawEstimate(0.70, 0.04)}
    realised = Measurement("roc_auc", 400, 0.75, 0.74, 0.76)
    found = outcome_of("July", realised, 0.82, estimates, {"May": 100, "June": 300})
    assert found is not None
    assert found.expected == pytest.approx(0.725)
    assert found.reach == pytest.approx(0.035)
    assert found.miss == pytest.approx(0.025 / 0.035)
    assert (found.unchanged, found.realised) == (0.82, 0.75)


def test_fewer_rows_than_were_estimated_scatter_more() -> None:
    realised = Measurement("roc_auc", 40, 0.75, 0.65, 0.85)
    found = outcome_of("July", realised, 0.82, {"July": RawEstimate(0.80, 0.02)}, {"July": 40})
    assert found is not None
    assert found.reach == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("realised", "counts"),
    [
        (Measurement("roc_auc", 0, reason="none"), {"July": 5}),
        (Measurement("roc_auc", 10, 0.75), {"April": 10}),
        (Measurement("roc_auc", 10, 0.75), {"April": 3, "July": 7}),
    ],
)
def test_rows_that_were_not_estimated_have_no_outcome(realised: Measurement, counts: dict[str, int]) -> None:
    assert outcome_of("July", realised, 0.8, {"July": RawEstimate(0.8, 0.02)}, counts) is None


def test_without_any_error_expected_a_miss_is_beyond_all_bounds() -> None:
    exact = EstimateOutcome("May", 0.0, 0.0, 0.0, 0.1)
    assert exact.miss == np.inf
    assert EstimateOutcome("May", 0.0, 0.0, 0.0, 0.0).miss == 0.0
    assert with_track_record(ESTIMATE, [exact], 0.8).reason.startswith("withheld: ")
