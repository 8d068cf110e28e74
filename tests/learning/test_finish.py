"""Finish of a training: calibration, decisions and intervals go with the model wherever it goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from declaration.target import ProblemType
from learning.finish import finish_fault
from learning.holdout_table import holdout_table
from learning.model_file import model_from_bytes, model_to_bytes
from learning.scores import Champion, predictions_table, scored_columns
from learning.train import Training, train_model
from learning.training_rows import TrainingError, read_training_set
from tests.fixtures.training_world import training_table

COST = {"cost": {"false_positive": 1, "false_negative": 10}}


def trained(problem: ProblemType, **settings: Any) -> tuple[pa.Table, Training]:
    table = training_table(1_200, problem=problem)
    spec = ModelSpec.model_validate({"candidates": ["decision_tree"], "adapt_window": False, **settings})
    return table, train_model(read_training_set(table, problem), spec)


def test_a_threshold_is_a_column_and_stays_one_in_the_file() -> None:
    table, training = trained("binary", calibrate="sigmoid", threshold=COST)
    model = model_from_bytes(model_to_bytes(training.model))
    assert model.postprocessing == training.model.postprocessing
    columns = scored_columns(table, model, "binary")
    threshold = model.postprocessing.threshold
    assert threshold is not None
    assert threshold < 0.3
    called = columns["predicted_label"].to_numpy()
    np.testing.assert_array_equal(called, (columns["score"].to_numpy() >= threshold).astype(int))
    assert training.finish is not None
    decided = training.finish.decisions
    assert decided is not None
    assert decided.mean_cost is not None
    assert decided.plain_cost is not None
    assert decided.mean_cost < decided.plain_cost


def test_intervals_are_two_columns_around_the_score() -> None:
    table, training = trained("regression", intervals={"level": 0.8})
    rows = predictions_table(
        table, Champion(1, model_from_bytes(model_to_bytes(training.model))), "regression"
    )
    low, score, high = (rows[name].to_numpy() for name in ("low", "score", "high"))
    assert ((low < score) & (score < high)).all()
    assert training.finish is not None
    assert training.finish.intervals is not None
    assert training.finish.intervals.coverage == pytest.approx(0.8, abs=0.04)


def test_quantiles_are_columns_and_stay_so_in_the_file() -> None:
    table, training = trained("regression", intervals={"level": 0.8}, quantiles=[0.1, 0.5, 0.9])
    model = model_from_bytes(model_to_bytes(training.model))
    assert model.postprocessing == training.model.postprocessing
    rows = predictions_table(table, Champion(1, model), "regression")
    names = ["quantile_10", "quantile_50", "quantile_90"]
    values = np.column_stack([rows[name].to_numpy() for name in names])
    assert rows.column_names[3:9] == ["score", "low", "high", *names]
    assert np.all(np.diff(values, axis=1) > 0)
    # The ends of the 80 % interval.
    np.testing.assert_array_equal(values[:, [0, 2]].T, [rows["low"].to_numpy(), rows["high"].to_numpy()])
    assert training.finish is not None
    found = training.finish.quantiles
    assert found is not None
    assert [one.coverage for one in found.figures] == pytest.approx([0.1, 0.5, 0.9], abs=0.04)
    # Against the naive forecast of the training itself.
    assert all(one.naive_pinball is not None and one.naive_pinball > one.pinball for one in found.figures)
    data = read_training_set(table, "regression")
    held = holdout_table(data, training)
    np.testing.assert_array_equal(held["quantile_90"].to_numpy(), found.values[:, 2])
    below = held["label"].to_numpy() <= held["quantile_90"].to_numpy()
    assert below.mean() == found.figures[2].coverage


def test_costs_of_many_classes_change_what_is_predicted() -> None:
    # To call a late one anything else is dear.
    costs = {"late": {"early": 50, "on time": 50}, "early": {"late": 1}, "on time": {"late": 1}}
    table, training = trained("multiclass", threshold={"cost": costs})
    plain = trained("multiclass")[1]
    dear, likeliest = (
        scored_columns(table, one.model, "multiclass")["prediction"].to_pylist() for one in (training, plain)
    )
    assert dear.count("late") > likeliest.count("late")


def test_nothing_declared_leaves_the_file_as_it_was() -> None:
    _, training = trained("binary")
    assert b"postprocessing" not in model_to_bytes(training.model)
    assert training.model.postprocessing.to_plain() == {}
    assert set(scored_columns(training_table(10), training.model, "binary")) == {"score"}


@pytest.mark.parametrize(
    ("problem", "settings", "message"),
    [
        ("regression", {"threshold": 0.5}, "threshold is for classes"),
        ("regression", {"calibrate": "auto"}, "calibrate is for classes"),
        ("binary", {"intervals": {}}, "intervals are for a regression"),
        ("multiclass", {"quantiles": [0.9]}, "quantiles are for a regression"),
    ],
)
def test_a_finish_of_another_problem_is_refused(
    problem: ProblemType, settings: dict[str, Any], message: str
) -> None:
    assert message in finish_fault(ModelSpec.model_validate(settings), problem)
    with pytest.raises(TrainingError, match=message):
        trained(problem, **settings)


def test_settings_that_are_not_declared_are_not_written() -> None:
    # Fingerprints of trainings before there were these settings stay what they were.
    assert set(ModelSpec().model_dump()) == {
        "candidates", "metric", "train_window", "adapt_window", "holdout", "seed", "gate",
    }  # fmt: skip
    block = ModelSpec.model_validate({"candidates": [{"use": "ridge"}], "threshold": 0.0}).model_dump()
    assert block["candidates"] == ({"use": "ridge", "name": None, "params": {}},)
    assert block["threshold"] == 0.0


def test_settings_come_back_from_a_record() -> None:
    spec = ModelSpec.model_validate({"validation": {"method": "rolling_origin", "embargo": "1d"}})
    assert ModelSpec.model_validate(spec.model_dump(mode="json")) == spec
