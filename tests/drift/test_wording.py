"""Findings in words."""

from __future__ import annotations

from drift.columns.findings import Finding
from drift.columns.statistics import Bracket, ColumnStatistics
from drift.columns.verdict import ColumnVerdict, DriftVerdict
from drift.performance.realised import Measurement, PerformanceDrop
from drift.sketch.bins import NumericBins
from drift.sketch.counts import ColumnReference, NumericCounts
from drift.wording import (
    column_text,
    drift_text,
    estimated_loss_text,
    loss_text,
    measurement_text,
    unseen_text,
)

STATISTICS = ColumnStatistics(9_000, 1_000, 0.0, 0.0, ks=Bracket(0.3, 0.31))


def verdict(*columns: ColumnVerdict, score: float | None = 0.5) -> DriftVerdict:
    status = "drifted" if any(column.status == "drifted" for column in columns) else "stable"
    return DriftVerdict(status, score, 1_000, columns, 0.1, 0.14)  # type: ignore[arg-type]


def drifted(name: str, finding: Finding) -> ColumnVerdict:
    return ColumnVerdict(name, "feature", "drifted", 0.5, (finding,), STATISTICS)


def test_drift_names_features_and_numbers() -> None:
    text = drift_text(
        verdict(
            drifted("wind", Finding("distribution", 0.31, 0.27, 0.1, None, 0.14)),
            drifted("rain", Finding("missing values", 0.12, 0.1, 0.05, None, 0.07)),
            drifted("carrier", Finding("new categories", 0.06, 0.05, 0.01, None, 0.02)),
        ),
        500,
    )
    assert text == (
        "3 of 3 features drifted: wind (KS distance 0.31), rain (missing values changed by 12.0 %), "
        "carrier (6.0 % in categories never seen); drift score 0.50."
    )


def test_likely_drift_and_what_cannot_be_judged_are_said_apart_from_what_is_certain() -> None:
    finding = Finding("distribution", 0.12, 0.02, 0.1, None, 0.14, is_likely=True)
    likely = ColumnVerdict("rain", "feature", "likely", 0.2, (finding,), STATISTICS)
    output = ColumnVerdict("score", "prediction", "likely", 0.0, (finding,), STATISTICS)
    why = "the reference's partitions differ by 0.90"
    restless = ColumnVerdict("sun", "feature", "cannot be judged", 0.2, (finding,), STATISTICS, reason=why)
    certain = drifted("wind", Finding("distribution", 0.31, 0.27, 0.1, None, 0.14))
    assert drift_text(verdict(certain, likely, output, restless), 500) == (
        "1 of 3 features drifted: wind (KS distance 0.31); drift score 0.50. "
        "1 of 3 features likely drifted: rain (KS distance 0.12). The model's output likely drifted (KS distance 0.12). "
        f"1 of 3 features cannot be judged: sun ({why})."
    )
    assert drift_text(verdict(restless), 500) == (
        "No feature that can be judged drifted by an effect of 0.14 or more on 1000 rows. "
        f"1 of 1 features cannot be judged: sun ({why})."
    )
    reference = ColumnReference(NumericBins((0.0,)), NumericCounts((1, 0), 1), {})
    assert column_text(restless, reference, reference.total) == f"cannot be judged: {why}"
    assert column_text(likely, reference, reference.total).startswith(
        "KS distance 0.12, surely at least 0.02"
    )


def test_what_several_windows_show_together_says_in_how_many() -> None:
    from_ranks = Finding("distribution", 0.14, 0.11, 0.1, None, 0.14, measure="spread", n_windows=8)
    missing = Finding("missing values", 0.08, 0.06, 0.05, None, 0.14, n_windows=2)
    reference = ColumnReference(NumericBins((0.0,)), NumericCounts((9, 0), 10, n_null=1), {})
    current = NumericCounts((4, 0), 5, n_null=1)
    text = column_text(
        ColumnVerdict("a", "feature", "drifted", 1.0, (from_ranks, missing), STATISTICS), reference, current
    )
    assert text == (
        "spread of ranks 0.14, surely at least 0.11 (threshold 0.10) in the newest 8 windows together; "
        "missing values 10.0 % → 20.0 %, by 8.0 % in the newest 2 windows together"
    )
    calm = DriftVerdict("stable", 0.0, 500, (), 0.1, 0.13, n_windows=8, n_together=4_000)
    assert (
        drift_text(calm, 500)
        == "No feature drifted by an effect of 0.13 or more on 500 rows (4000 in the newest 8 windows)."
    )


def test_no_drift_states_what_could_have_been_seen() -> None:
    stable = ColumnVerdict("wind", "feature", "stable", 0.5, (), STATISTICS)
    assert drift_text(verdict(stable), 500) == "No feature drifted by an effect of 0.14 or more on 1000 rows."


def test_insufficient_data_is_not_called_no_drift() -> None:
    text = drift_text(DriftVerdict("insufficient data", None, 60, (), 0.1, 0.4), 500)
    assert text.startswith("Insufficient data for drift: 60 rows, drift.min_rows is 500.")
    assert "0.40 or more" in text


def test_a_loss_is_told_only_when_certain() -> None:
    realised = Measurement("roc_auc", 900, 0.6, 0.58, 0.62)
    assert loss_text(0.7, realised, PerformanceDrop(0.1, 0.04, 0.05)) == ""
    assert loss_text(0.7, realised, PerformanceDrop(0.1, None, 0.05)) == ""
    assert loss_text(0.7, realised, None) == ""
    assert loss_text(0.7, realised, PerformanceDrop(0.1, 0.08, 0.05)) == (
        "roc_auc is 0.6000 (0.5800 to 0.6200) on 900 labelled rows and was 0.7000 on the holdout: "
        "surely 0.0800 worse, 0.0500 is accepted."
    )


def test_an_estimated_loss_needs_the_better_end_of_its_interval_beyond_what_is_accepted() -> None:
    estimated = Measurement("roc_auc", 900, 0.6, 0.58, 0.62)
    assert "estimated at 0.6000" in estimated_loss_text(0.7, estimated, 0.05, is_error=False)
    assert estimated_loss_text(0.66, estimated, 0.05, is_error=False) == ""
    errors = Measurement("rmse", 900, 6.0, 5.8, 6.2)
    assert "rmse" in estimated_loss_text(5.0, errors, 0.25, is_error=True)


def test_what_is_not_known_is_its_reason() -> None:
    assert measurement_text(Measurement("roc_auc", 3, reason="3 labelled rows")) == "3 labelled rows"


def test_labels_of_classes_never_seen_are_counted() -> None:
    measured = Measurement("accuracy", 500, 0.6, n_unseen=198)
    assert unseen_text(measured) == (
        "198 of 500 labelled rows (39.6 %) have a class that the model never saw: they count as wrong."
    )
    assert unseen_text(Measurement("accuracy", 500, 0.6)) == ""
