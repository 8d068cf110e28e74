"""Changes that are learned, and values that are answered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from declaration.decisions import IntervalSpec
from declaration.forecast import DifferenceSpec
from declaration.model import CandidateSpec, ModelSpec
from learning.differences import DifferenceError
from learning.explain.contributions import contributions, estimated_contributions
from learning.explain.raw_score import NoSumError
from learning.model_file import model_from_bytes, model_to_bytes
from learning.naive_forecast import NaiveForecast
from learning.out_of_fold import fit
from learning.scores import Champion, predictions_table
from learning.train import train_model
from learning.training_rows import LabelsNeededError, TrainingError, TrainingSet, read_training_set

START = datetime(2024, 1, 1, tzinfo=UTC)
BY_SUBTRACTION, BY_RATIO = (
    DifferenceSpec(to=timedelta(days=1)),
    DifferenceSpec(to=timedelta(days=1), by="ratio"),
)


def rising(
    n: int = 600, *, difference: DifferenceSpec | None, noise: float = 0.2, seed: int = 2
) -> TrainingSet:
    """Return a series that rises by as much as `push` says, which is far above all learned before long."""
    generator = np.random.default_rng(seed)
    push = generator.normal(1.0, 0.5, n)
    before = np.cumsum(np.full(n, 0.5)) + 20
    is_ratio = difference is not None and difference.by == "ratio"
    label = (before * (1 + 0.02 * push) if is_ratio else before + 3 * push) + noise * generator.normal(size=n)
    at = [START + timedelta(hours=hour) for hour in range(n)]
    table = pa.table(
        {
            "row_id": [str(hour) for hour in range(n)],
            "event_timestamp": pa.array(at, pa.timestamp("us", tz="UTC")),
            "label": label,
            "label_time": pa.array(
                [moment + timedelta(hours=1) for moment in at], pa.timestamp("us", tz="UTC")
            ),
            "_source_partition": [f"{moment:%Y-%m-%d}" for moment in at],
            "before__value": pa.array([None if hour < 10 else value for hour, value in enumerate(before)]),
            "request__push": push,
        }
    )
    return read_training_set(table, "regression", difference=difference)


@pytest.mark.parametrize("declared", [BY_SUBTRACTION, BY_RATIO], ids=lambda one: one.by)
@pytest.mark.parametrize("use", ["hist_gradient_boosting", "ridge", "decision_tree"])
def test_answers_lie_beyond_what_was_learned(use: str, declared: DifferenceSpec) -> None:
    data = rising(difference=declared)
    older, newer = np.arange(400), np.arange(490, 590)
    model = fit(CandidateSpec(use=use), data.fit_rows(older), (), 0, 1)
    scores = model.score_matrix(data.matrix[newer])
    # Later rows stand 50 and more above the earlier ones, where a tree of the level says their mean.
    assert scores.min() > np.quantile(data.labels[older], 0.95)
    assert np.abs(scores - data.labels[newer]).mean() < 0.005 * data.labels[newer].mean() + 0.5


def test_a_model_of_the_level_does_not() -> None:
    """The same trees without a difference: so the test above tests the difference."""
    data = rising(difference=None)
    model = fit(CandidateSpec(use="hist_gradient_boosting"), data.fit_rows(np.arange(400)), (), 0, 1)
    assert model.score_matrix(data.matrix[500:]).max() < data.labels[500:].min()


@pytest.mark.parametrize("declared", [BY_SUBTRACTION, BY_RATIO], ids=lambda one: one.by)
def test_a_row_without_a_value_before_is_compared_with_the_mean_label(declared: DifferenceSpec) -> None:
    data = rising(difference=declared)
    model = fit(CandidateSpec(use="ridge"), data.fit_rows(), (), 0, 1)
    row = data.matrix[50:51].copy()
    place = [column.name for column in data.encoding.columns].index("before__value")
    row[0, place] = np.nan
    assert model.difference is not None
    assert model.difference.otherwise == pytest.approx(data.labels.mean())
    change = model.estimator.predict(row)[0]
    expected = change * data.labels.mean() if declared.by == "ratio" else change + data.labels.mean()
    assert model.score_matrix(row)[0] == pytest.approx(expected)


def test_rows_without_a_value_before_are_neither_learned_from_nor_judged() -> None:
    assert rising(difference=BY_SUBTRACTION).labels.size == 590
    assert rising(difference=None).labels.size == 600


def test_a_ratio_to_nothing_or_less_is_no_change() -> None:
    table = rising(difference=None).rows
    before = table["before__value"].fill_null(20.0).to_numpy().copy()
    before[100:150] = np.tile([0.0, -1e-9], 25)
    place = table.column_names.index("before__value")
    data = read_training_set(
        table.set_column(place, "before__value", pa.array(before)), "regression", difference=BY_RATIO
    )
    assert data.labels.size == 550
    model = fit(CandidateSpec(use="ridge"), data.fit_rows(), (), 0, 1)
    row = data.matrix[:1].copy()
    answers = [model.score_matrix(np.where(row == row[0, 0], value, row))[0] for value in (0.0, -1.0)]
    assert np.isfinite(answers).all()


def test_a_model_file_keeps_the_difference() -> None:
    data = rising(difference=BY_SUBTRACTION)
    model = fit(CandidateSpec(use="hist_gradient_boosting"), data.fit_rows(), (), 0, 1)
    content = model_to_bytes(model)
    again = model_from_bytes(content)
    assert again.difference == model.difference
    assert np.array_equal(again.score(data.rows), model.score(data.rows))


def test_a_training_is_compared_in_the_unit_of_the_label() -> None:
    data = rising(difference=BY_SUBTRACTION, n=900)
    spec = ModelSpec(candidates=("ridge",), metric="mae", intervals=IntervalSpec(level=0.9))
    training = train_model(data, spec)
    assert np.array_equal(training.holdout.labels, data.labels[training.judged])
    # The mean error of noise with a spread of 0.2.
    assert training.holdout_metric == pytest.approx(0.2 * np.sqrt(2 / np.pi), rel=0.1)
    assert training.finish is not None
    assert training.finish.intervals is not None
    assert training.finish.intervals.coverage == pytest.approx(0.9, abs=0.03)
    assert {result.name for result in training.results} == {"ridge", "naive"}


@pytest.mark.parametrize("declared", [BY_SUBTRACTION, BY_RATIO], ids=lambda one: one.by)
def test_quantiles_are_in_the_unit_of_the_label(declared: DifferenceSpec) -> None:
    data = rising(difference=declared, n=900)
    spec = ModelSpec(candidates=("ridge",), metric="mae", quantiles=(0.1, 0.9))
    training = train_model(data, spec)
    assert training.finish is not None
    found = training.finish.quantiles
    assert found is not None
    assert [one.coverage for one in found.figures] == pytest.approx([0.1, 0.9], abs=0.04)
    # What is served lies around the label, and not around a change of about one.
    rows = predictions_table(data.rows, Champion(1, training.model), "regression")
    low, high = (rows[name].to_numpy() for name in ("quantile_10", "quantile_90"))
    assert ((data.labels >= low) & (data.labels <= high)).mean() == pytest.approx(0.8, abs=0.06)
    assert (high - low).max() < 0.1 * data.labels.mean()


def test_the_naive_forecast_is_the_value_before_itself() -> None:
    data = rising(difference=BY_SUBTRACTION)
    flat = replace(data, labels=data.matrix[:, 0])
    training = train_model(flat, ModelSpec(candidates=("ridge",), metric="mae"))
    assert isinstance(training.model.estimator, NaiveForecast)
    assert training.model.difference is None
    assert training.model.estimator.text(data.encoding.names) == "before__value as it stands"


@pytest.mark.parametrize("use", ["ridge", "lightgbm", "hist_gradient_boosting", "decision_tree"])
def test_contributions_sum_to_the_answer(use: str) -> None:
    if use == "lightgbm":
        pytest.importorskip("lightgbm")
    data = rising(difference=BY_SUBTRACTION)
    model = fit(CandidateSpec(use=use), data.fit_rows(), (), 0, 1)
    background = data.matrix[::60] if use in ("hist_gradient_boosting", "decision_tree") else None
    found = contributions(model, data.matrix, background=background)
    answers = model.score_matrix(data.matrix)
    assert found.base[0] + found.parts[:, :, 0].sum(axis=1) == pytest.approx(answers)
    assert found.raw[:, 0] == pytest.approx(answers)


@pytest.mark.parametrize("use", ["hist_gradient_boosting", "random_forest"])
def test_contributions_of_trees_are_shapley_values_of_the_whole_answer(use: str) -> None:
    # Two ways to the same: leaves counted and the change undone, and the whole answer asked of every mixture.
    data = rising(difference=BY_SUBTRACTION)
    model = fit(CandidateSpec(use=use), data.fit_rows(), (), 0, 1)
    background = data.matrix[::60]
    found = contributions(model, data.matrix[:4], background=background)
    expected = estimated_contributions(model, data.matrix[:4], background)
    assert expected.errors is None
    np.testing.assert_allclose(found.parts, expected.parts, atol=1e-9)
    np.testing.assert_allclose(found.base, expected.base)


def test_a_ratio_is_no_sum_and_estimated() -> None:
    data = rising(difference=BY_RATIO)
    model = fit(CandidateSpec(use="ridge"), data.fit_rows(), (), 0, 1)
    with pytest.raises(NoSumError, match="by ratio"):
        contributions(model, data.matrix)
    found = estimated_contributions(model, data.matrix[:3], data.matrix[::60])
    np.testing.assert_allclose(
        found.base[0] + found.parts[:, :, 0].sum(axis=1), model.score_matrix(data.matrix[:3])
    )


def test_a_series_without_a_season_before_it_waits() -> None:
    table = rising(difference=None).rows.slice(0, 10)
    with pytest.raises(LabelsNeededError, match="none of 10 labelled rows has a known value before it"):
        read_training_set(table, "regression", difference=BY_SUBTRACTION)


def test_a_training_set_without_the_view_is_said() -> None:
    table = rising(difference=None).rows.drop_columns(["before__value"])
    with pytest.raises(TrainingError, match="no column before__value"):
        read_training_set(table, "regression", difference=BY_SUBTRACTION)


def test_a_value_before_that_is_read_as_something_else_is_said() -> None:
    data = rising(difference=BY_SUBTRACTION)
    texts = read_training_set(
        data.rows.set_column(
            data.rows.column_names.index("before__value"), "before__value", data.rows["row_id"]
        ),
        "regression",
        difference=BY_SUBTRACTION,
    )
    with pytest.raises(DifferenceError, match="no numeric column before__value"):
        fit(CandidateSpec(use="ridge"), texts.fit_rows(), (), 0, 1)


def test_the_digest_knows_of_the_difference() -> None:
    digests = {rising(difference=declared).digest for declared in (None, BY_SUBTRACTION, BY_RATIO)}
    assert len(digests) == 3
