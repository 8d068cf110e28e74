"""Limits of the gate must fit the problem, each other, and the columns of the training set."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import write

GATE = "gate: {min_metric: 0.6}"


def faults(folder: Path, gate: str, *changes: tuple[str, str]) -> list[str]:
    """Return what is said of a gate, without the file and its line."""
    with pytest.raises(DeclarationError) as caught:
        read(write(folder, (GATE, f"gate: {{{gate}}}"), *changes))
    return [fault.partition("defs.yaml:")[2].partition(": ")[2] for fault in caught.value.faults]


def test_limits_on_what_is_there_are_sound(tmp_path: Path) -> None:
    gate = (
        "slices: [{by: amount, min_metric: 0.5}, {by: history__mean_amount, max_loss: 0.1}, "
        "{where: request__amount > 100 and dayofweek(event_timestamp) = 1, name: dear, min_metric: 0.5, min_rows: 200}], "
        "latency: {one_row_ms: 5}, max_size_mb: 10, max_calibration_error: 0.05, limits: by_estimate, "
        "fairness: {groups: [amount], max_equalized_odds_difference: 0.1}, approval: manual, approve_within: 3d, "
        "beat_baseline: always"
    )
    read_gate = read(write(tmp_path / "sound", (GATE, f"gate: {{{gate}}}"))).spec.model.gate
    assert [one.min_rows for one in read_gate.slices] == [50, 50, 200]
    assert read_gate.approve_within is not None
    assert read_gate.approve_within.days == 3


CHANGES = [
    (
        "slices: [{by: amuont, min_metric: 0.5}]",
        "model.gate.slices[0].by names 'amuont', which is no feature. Features: amount, history__mean_amount, request__amount. Did you mean 'amount'?",
    ),
    (
        "slices: [{where: request__amuont > 3, min_metric: 0.5}]",
        "model.gate.slices[0].where names the unknown column 'request__amuont'. "
        "Columns: event_timestamp, request__amount, history__mean_amount. Did you mean 'request__amount'?",
    ),
    (
        "slices: [{where: request__amount, min_metric: 0.5}]",
        "model.gate.slices[0].where gives double, but must give true or false.",
    ),
    (
        "slices: [{where: request__amount > avg(request__amount), min_metric: 0.5}]",
        "model.gate.slices[0].where cannot be computed: ",
    ),
    ("slices: [{by: amount}]", "model.gate.slices[0] asks for nothing. Give min_metric, max_loss, or both."),
    ("slices: [{min_metric: 0.5}]", "model.gate.slices[0] has neither 'by' and 'where'. Give one of them."),
    (
        "slices: [{by: amount, where: 'true', min_metric: 0.5}]",
        "model.gate.slices[0] has both 'by' and 'where'. Give one of them.",
    ),
    (
        "slices: [{by: amount, name: x, min_metric: 0.5}]",
        "model.gate.slices[0].name is for conditions: slices by a column are named by its values.",
    ),
    (
        "slices: [{by: amount, min_metric: 60}]",
        "model.gate.slices[0].min_metric is 60, but roc_auc lies between 0 and 1.",
    ),
    (
        "slices: [{by: amount, min_metric: 0.5}, {by: amount, max_loss: 0.5}]",
        "model.gate.slices names 'amount' twice.",
    ),
    (
        "fairness: {groups: [customer], max_selection_rate_difference: 0.1}",
        "model.gate.fairness.groups[0] names 'customer', which is no feature. Features: amount, history__mean_amount, request__amount.",
    ),
    (
        "fairness: {groups: [amount]}",
        "model.gate.fairness asks for nothing. Give one of max_selection_rate_difference, max_true_positive_rate_difference, "
        "max_false_positive_rate_difference, max_equalized_odds_difference.",
    ),
    ("latency: {}", "model.gate.latency asks for nothing. Give one_row_ms, thousand_rows_ms, or both."),
    (
        "approve_within: 3d",
        "model.gate.approve_within is for 'approval: manual' only; this is 'approval: automatic'.",
    ),
]


@pytest.mark.parametrize(("gate", "said"), CHANGES)
def test_limits_that_cannot_hold_are_refused(tmp_path: Path, gate: str, said: str) -> None:
    (found,) = faults(tmp_path / "faulty", gate)
    assert found.startswith(said)


def test_limits_on_probabilities_are_not_for_values(tmp_path: Path) -> None:
    gate = "max_calibration_error: 0.1, fairness: {groups: [amount], max_selection_rate_difference: 0.1}"
    found = faults(
        tmp_path / "values", gate,
        ("problem: binary", "problem: regression"), ("label: delivered - ordered > interval 3 day", "label: amount"),
        ("candidates: [hist_gradient_boosting, logistic_regression]", "candidates: [ridge]"), ("metric: roc_auc", "metric: rmse"),
    )  # fmt: skip
    assert found == [
        "model.gate.max_calibration_error is about probabilities, but the target's problem is regression. Remove it.",
        "model.gate.fairness is for binary targets, but the target's problem is regression. Use slices.",
    ]


def test_features_of_a_view_that_cannot_be_read_are_no_second_fault(tmp_path: Path) -> None:
    gate = "slices: [{by: history__anything, min_metric: 0.5}, {where: history__x > 1, min_metric: 0.5}]"
    folder = write(tmp_path / "late", (GATE, f"gate: {{{gate}}}"))
    (folder / "features" / "history.sql").write_text("SELECT nothing FROM orders")
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    assert len(caught.value.faults) == 1
    assert "history.sql" in caught.value.faults[0]
