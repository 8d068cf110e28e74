"""What to learn from: all of the past, or a newer part of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.model import ModelSpec
from learning.judged import judged_rows
from learning.metrics import Scored
from learning.proper_score import row_losses
from learning.spans import ALL, MIN_STANDARD_ERRORS, Span, SpanResult, best_span, shorter_spans
from learning.train import train_model
from learning.training_rows import TrainingSet, read_training_set

HOUR = 3_600_000_000
PER_WINDOW = 250
SPEC = ModelSpec(candidates=("logistic_regression",))


def labelled(changed_from: int, seed: int, n: int = 3_000) -> pa.Table:
    """Rows an hour apart in windows of 250; from one of them on, the first feature says the opposite."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, 2))
    sign = np.where(np.arange(n) < changed_from, 1.0, -1.0)
    odds = 2 * sign * values[:, 0] + values[:, 1]
    instants = pa.array(np.arange(n) * HOUR, pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "row_id": [f"{row:05}" for row in range(n)],
            "event_timestamp": instants,
            "label_time": instants,
            "label": (generator.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int8),
            "a": values[:, 0],
            "b": values[:, 1],
            "_source_partition": [f"{row // PER_WINDOW:03}" for row in range(n)],
        }
    )


def fresh_loss(training_table: pa.Table, knows: int | None, seed: int, changed_from: int) -> list[float]:
    """Mean log loss on new rows of the newest concept, of a training with spans and of one without."""
    data = read_training_set(training_table, "binary")
    new = read_training_set(labelled(changed_from and -1, 1_000 + seed, 5_000), "binary")
    return [
        float(
            row_losses(
                "binary",
                Scored(
                    new.labels,
                    train_model(
                        data, SPEC.model_copy(update={"adapt_window": adapts}), champion_knows_until_us=knows
                    ).model.score(new.rows),
                ),
            ).mean()
        )
        for adapts in (True, False)
    ]


def spans_of(data: TrainingSet, *, knows: int | None, loss: int | None = None) -> dict[str, int | None]:
    """The instants, in rows, of the spans that compete."""
    loss_us = None if loss is None else loss * HOUR
    judged = judged_rows(
        data, champion_knows_until_us=None if knows is None else knows * HOUR, loss_since_us=loss_us
    )
    return {
        one.name: None if one.since_us is None else one.since_us // HOUR
        for one in shorter_spans(data, judged, loss_us)
    }


def test_five_spans_compete() -> None:
    data = read_training_set(labelled(3_000, 0), "binary")
    assert spans_of(data, knows=2_250) == {
        "newest third": 2_000,
        # A ninth is 333 rows: without a fold of 250 it leaves 83, and is not tried.
        "newest 8 windows": 1_000,
        "unseen by the champion": 2_250,
    }
    assert spans_of(data, knows=1_500, loss=2_500) == {
        "newest third": 2_000,
        # Two windows of 250 rows, held out whole in turn: of the newest ninth 83 would be left.
        "newest 8 windows": 1_000,
        "since the loss": 2_500,
    }


def test_spans_that_are_the_same_are_tried_once() -> None:
    data = read_training_set(labelled(2_000, 0, 2_000), "binary")
    # Eight windows are all there is; a third are 667 rows, and 667 are unseen.
    assert spans_of(data, knows=1_333) == {"newest third": 1_333}
    assert spans_of(data, knows=None).keys() == {"newest third"}


def test_a_straggler_draws_no_old_rows_along() -> None:
    table = labelled(3_000, 0)
    late = table["label_time"].cast(pa.int64()).to_numpy().copy()
    # The label of the very first row came last.
    late[0] = 3_000 * HOUR
    place = table.column_names.index("label_time")
    table = table.set_column(place, "label_time", pa.array(late, pa.timestamp("us", "UTC")))
    # One row more than the 750 that are newest.
    assert spans_of(read_training_set(table, "binary"), knows=2_250)["unseen by the champion"] == 2_249


def test_a_span_of_one_label_is_not_tried() -> None:
    table = labelled(3_000, 0)
    flat = np.where(np.arange(3_000) < 2_100, table["label"].to_numpy(), 0)
    table = table.set_column(table.column_names.index("label"), "label", pa.array(flat))
    assert "unseen by the champion" not in spans_of(read_training_set(table, "binary"), knows=2_250)


def test_one_standard_error_decides() -> None:
    third, ninth, whole = Span("newest third", 6), Span("newest ninth", 8), SpanResult(ALL, 900, 0.50)
    barely = SpanResult(third, 300, 0.49, 0.01, 1.0)
    assert best_span([whole, barely]) == ALL
    surely = SpanResult(third, 300, 0.45, 0.05, 1.01)
    assert best_span([whole, surely, SpanResult(ninth, 100, 0.46, 0.04, 5.0)]) == third
    assert best_span([whole]) == ALL


@pytest.mark.parametrize("seed", range(3))
def test_after_a_change_the_older_rows_are_left_out(seed: int) -> None:
    # The last third is of the new concept, and a first model learns it too.
    data = read_training_set(labelled(2_000, seed), "binary")
    for knows in (None, 2_000 * HOUR):
        adapted, plain = (
            train_model(data, SPEC.model_copy(update={"adapt_window": adapts}), champion_knows_until_us=knows)
            for adapts in (True, False)
        )
        # A third of the rows, or a ninth.
        assert adapted.span.since_us is not None
        assert adapted.span.since_us >= 2_000 * HOUR
        assert adapted.n_rows in (1_000, 333)
        assert plain.span == ALL
        assert plain.n_rows == 3_000
        assert [one.span for one in plain.spans] == [ALL]
        assert adapted.holdout_metric > plain.holdout_metric + 0.05
        # What serves says the new concept: more of the first feature, less chance.
        low, high = adapted.model.score(pa.table({"a": [-1.0, 1.0], "b": [0.0, 0.0]}))
        assert low > 0.7
        assert high < 0.3


def test_of_many_rows_a_span_that_falls_behind_is_scored_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changed, so shorter spans are behind, here both in the newest fold already. What serves is the same."""
    data = read_training_set(labelled(0, 7), "binary")
    knows = int(data.event_time_us[2_000])
    whole = train_model(data, SPEC, champion_knows_until_us=knows)
    monkeypatch.setattr("learning.choice.MIN_RACING_ROWS", 1_000)
    raced = train_model(data, SPEC, champion_knows_until_us=knows)
    assert (raced.span, raced.holdout_metric) == (whole.span, whole.holdout_metric)
    behind = [result for result in raced.spans if result.is_of_newest_fold]
    assert behind
    for result in behind:
        assert result.n_standard_errors < -MIN_STANDARD_ERRORS
    assert [result for result in raced.spans if not result.is_of_newest_fold] == [
        full for full in whole.spans if full.span not in [result.span for result in behind]
    ]


def test_since_a_loss_is_a_span_of_its_own() -> None:
    data = read_training_set(labelled(2_600, 0), "binary")
    training = train_model(data, SPEC, champion_knows_until_us=1_500 * HOUR, loss_since_us=2_600 * HOUR)
    since = {one.span.name: one.span.since_us for one in training.spans}
    assert since["since the loss"] == 2_600 * HOUR
    assert training.span.since_us is not None
    assert training.span.since_us >= 2_600 * HOUR
    assert training.folds.max() == 4
    assert training.holdout_metric > 0.8


def test_where_nothing_changed_a_shorter_span_costs_next_to_nothing() -> None:
    adapted, plain = np.mean(
        [fresh_loss(labelled(3_000, seed), 2_250 * HOUR, seed, 0) for seed in range(10)], axis=0
    )
    # The log loss of all rows is .47; a tenth of a hundredth of it is noise.
    assert adapted < plain + 0.005


@given(
    rows=st.integers(300, 1_200),
    per_window=st.integers(20, 400),
    knows=st.integers(0, 1_200),
    loss=st.none() | st.integers(0, 1_200),
)
@settings(max_examples=60, deadline=None)
def test_no_span_learns_from_the_fold_that_it_is_judged_on(
    rows: int, per_window: int, knows: int, loss: int | None
) -> None:
    table = labelled(rows, 0, rows)
    windows = pa.array([f"{row // per_window:03}" for row in range(rows)])
    place = table.column_names.index("_source_partition")
    data = read_training_set(table.set_column(place, "_source_partition", windows), "binary")
    loss_us = None if loss is None else loss * HOUR
    judged = judged_rows(data, champion_knows_until_us=knows * HOUR, loss_since_us=loss_us)
    for span in shorter_spans(data, judged, loss_us):
        assert span.since_us is not None
        learned = np.flatnonzero(data.event_time_us >= span.since_us)
        assert 300 <= learned.size < rows
        for fold, held_out in enumerate(judged.held_out):
            left = learned[~held_out[learned]]
            assert left.size >= 200
            assert not set(left.tolist()) & set(judged.rows[judged.folds == fold].tolist())
