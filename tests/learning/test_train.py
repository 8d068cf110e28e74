"""Training and comparison of candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from assets.model.pictures import candidates_page
from declaration.choices import CANDIDATES_BY_PROBLEM
from declaration.model import Candidate, ModelSpec
from learning.encode import encode
from learning.fitted import FittedModel
from learning.metrics import metric_value
from learning.model_file import model_from_bytes, model_to_bytes
from learning.train import train_model
from learning.training_rows import LabelsNeededError, TrainingError, read_training_set

Builder = Callable[..., pa.Table]


def test_the_best_candidate_wins(make_training_table: Builder) -> None:
    # A linear truth: the linear model is the right one.
    data = read_training_set(make_training_table(1_500), "binary")
    spec = ModelSpec(candidates=("random_forest", "logistic_regression"))
    training = train_model(data, spec)
    assert training.model.algorithm == "logistic_regression"
    assert [one.algorithm for one in training.results] == ["logistic_regression", "random_forest"]
    assert training.results[0].metric > training.results[1].metric > 0.8
    low, high = training.interval
    assert low < training.holdout_metric < high


def test_lower_errors_win(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(1_500, problem="regression"), "regression")
    training = train_model(data, ModelSpec(candidates=("random_forest", "ridge")))
    assert training.model.algorithm == "ridge"
    # The truth has noise of standard deviation 1.
    assert training.metric == "rmse"
    assert training.holdout_metric == pytest.approx(1.0, abs=0.12)


def test_many_classes_are_learned(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(1_500, problem="multiclass"), "multiclass")
    training = train_model(data, ModelSpec(candidates=("logistic_regression", "lightgbm")))
    assert data.classes == ("early", "late", "on time")
    np.testing.assert_allclose(training.holdout.scores.sum(axis=1), 1.0)
    assert training.results[0].metrics["accuracy"] > 0.6


def test_the_estimate_comes_from_rows_that_the_measured_model_never_saw(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(1_000), "binary")
    training = train_model(data, ModelSpec(candidates=("logistic_regression",)))
    assert data.event_time_us[training.split.fit].max() < data.event_time_us[training.split.holdout].min()
    scores = training.holdout_model.score(data.rows.take(training.split.holdout))
    np.testing.assert_array_equal(scores, training.holdout.scores)
    assert metric_value("roc_auc", training.holdout) == training.holdout_metric


def test_the_model_that_serves_has_learned_from_all_rows(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(1_000), "binary")
    training = train_model(data, ModelSpec(candidates=("logistic_regression",)))
    scaler = training.model.estimator[0].named_transformers_["numbers"][1]
    assert scaler.n_samples_seen_ == 1_000
    held_out = training.holdout_model.estimator[0].named_transformers_["numbers"][1]
    assert held_out.n_samples_seen_ == training.split.fit.size


def test_importance_goes_to_what_decides_the_label(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(1_500), "binary")
    shares = train_model(data, ModelSpec(candidates=("logistic_regression",))).importances
    assert set(shares) == {"carrier__name", "noise__x", "signal__x"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["signal__x"] > shares["carrier__name"] > shares["noise__x"] >= 0
    assert shares["noise__x"] < 0.02


def test_the_order_of_rows_does_not_change_the_model(make_training_table: Builder) -> None:
    table = make_training_table(600)
    order = np.random.default_rng(3).permutation(600)
    spec = ModelSpec(candidates=("hist_gradient_boosting",))
    one, other = (read_training_set(rows, "binary") for rows in (table, table.take(order)))
    assert one.digest == other.digest
    assert model_to_bytes(train_model(one, spec).model) == model_to_bytes(train_model(other, spec).model)


def test_a_class_missing_from_the_rows_to_learn_from_is_waited_for(make_training_table: Builder) -> None:
    table = make_training_table(400)
    late = pa.array((np.arange(400) > 380).astype(np.int8))
    table = table.set_column(table.column_names.index("label"), "label", late)
    with pytest.raises(
        LabelsNeededError, match=r"of \d+ rows to learn from .* only 0 have the label 1; at least 5 of each"
    ):
        train_model(read_training_set(table, "binary"), ModelSpec(holdout=0.3))


def test_the_rarest_classes_are_named_with_their_rows(make_training_table: Builder) -> None:
    table = make_training_table(400)
    kinds = ["a"] * 400
    kinds[10:13], kinds[20:21] = ["three"] * 3, ["one"]
    table = table.set_column(table.column_names.index("label"), "label", pa.array(kinds))
    with pytest.raises(
        LabelsNeededError,
        match=r"only 1 have the label one, 3 have the label three; at least 5 of each of two",
    ):
        train_model(read_training_set(table, "multiclass"), ModelSpec())


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize("algorithm", CANDIDATES_BY_PROBLEM["multiclass"])
@pytest.mark.parametrize(
    ("places", "n_fit"),
    [(range(395, 400), 0), ((10, 390), 1), (range(20, 24), 4), ((7, 8, 9, 391, 392), 3)],
    ids=["new", "one before", "only before", "both"],
)
def test_a_rare_class_of_many_does_not_keep_the_others_waiting(
    make_training_table: Builder, algorithm: Candidate, places: Sequence[int], n_fit: int
) -> None:
    table = make_training_table(400, problem="multiclass")
    kinds = table["label"].to_pylist()
    for place in places:
        kinds[place] = "lost"
    table = table.set_column(table.column_names.index("label"), "label", pa.array(kinds))
    data = read_training_set(table, "multiclass")
    training = train_model(data, ModelSpec(candidates=(algorithm,)))
    assert training.rare_classes == {"lost": n_fit}
    assert training.model.classes == ("early", "late", "lost", "on time")
    # The model that serves has all the rows, and the chance of each class.
    assert training.n_rows == 400
    scores = training.model.score(table)
    assert scores.shape == (400, 4)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    assert training.results[0].metrics["accuracy"] > 0.4
    # In the holdout the class is one that the measured model hardly knows: it is named nowhere, and costs its rows.
    held = training.holdout
    is_lost = held.labels == 2
    assert is_lost.sum() == len(places) - n_fit
    assert not np.any(held.scores[is_lost].argmax(axis=1) == 2)
    if n_fit == 0:
        assert held.scores[:, 2].max() < 1e-6
    assert model_from_bytes(model_to_bytes(training.holdout_model)).score(table).shape == (400, 4)


def test_a_holdout_of_one_value_is_judged_by_what_is_defined_on_it(make_training_table: Builder) -> None:
    table = make_training_table(400, problem="regression")
    values = np.where(np.arange(400) < 300, table["label"].to_numpy(), 7.0)
    table = table.set_column(table.column_names.index("label"), "label", pa.array(values))
    data = read_training_set(table, "regression")
    ridge = ModelSpec(candidates=("ridge",))
    trained = train_model(data, ridge)
    assert set(trained.results[0].metrics) == {"rmse", "mae"}
    assert "| undefined |" in candidates_page(trained.results, "regression")
    with pytest.raises(
        LabelsNeededError, match=r"r2 is undefined on the holdout: all of its 80 rows have the label 7"
    ):
        train_model(data, ridge.model_copy(update={"metric": "r2"}))


def test_a_candidate_of_another_problem_is_refused(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(300), "binary")
    with pytest.raises(TrainingError, match=r"ridge cannot learn a binary problem\. Allowed: hist"):
        train_model(data, ModelSpec(candidates=("ridge",)))


def test_a_metric_of_another_problem_is_refused(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(300), "binary")
    with pytest.raises(TrainingError, match=r"metric rmse cannot judge a binary problem"):
        train_model(data, ModelSpec(metric="rmse"))


def test_a_future_value_of_a_feature_is_no_better_than_noise(make_training_table: Builder) -> None:
    """Labels of the holdout, changed, must not change the model that is measured on it."""
    table = make_training_table(800)
    data = read_training_set(table, "binary")
    spec = ModelSpec(candidates=("logistic_regression",))
    training = train_model(data, spec)
    flipped = data.labels.copy()
    flipped[training.split.holdout] = 1 - flipped[training.split.holdout]
    position = table.column_names.index("label")
    other = table.set_column(position, "label", pa.array(flipped.astype(np.int8)))
    again = train_model(read_training_set(other, "binary"), spec)
    np.testing.assert_array_equal(training.holdout.scores, again.holdout.scores)


def test_labels_known_late_are_not_learned_before_the_holdout(make_training_table: Builder) -> None:
    table = make_training_table(1_000, days=100)
    slow = pc.add(table["event_timestamp"], pa.scalar(timedelta(days=20), pa.duration("us")))
    table = table.set_column(table.column_names.index("label_time"), "label_time", slow)
    training = train_model(read_training_set(table, "binary"), ModelSpec(candidates=("logistic_regression",)))
    # 100 days, 20 held out: the 20 days before them have no label yet.
    assert training.split.fit.size == pytest.approx(600, abs=2)


def test_scoring_no_rows_gives_no_scores(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(300, problem="multiclass"), "multiclass")
    model: FittedModel = train_model(data, ModelSpec(candidates=("logistic_regression",))).model
    assert model.score(data.rows.slice(0, 0)).shape == (0, 3)
    assert encode(data.rows.slice(0, 0), model.encoding).shape == (0, 3)
