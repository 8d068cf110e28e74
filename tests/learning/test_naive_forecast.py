"""A feature as it stands, in the place of a model that is no better: chosen, served and written as any other."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from learning.algorithms.rows import FitRows
from learning.encode import ColumnEncoding, FeatureEncoding
from learning.model_file import model_from_bytes, model_to_bytes
from learning.naive_forecast import NaiveForecast, learn_naive_forecast
from learning.skops_file import ModelFileError
from learning.train import train_model
from learning.training_rows import read_training_set

START = datetime(2024, 1, 1, tzinfo=UTC)
SPEC = ModelSpec(candidates=("hist_gradient_boosting",))


def trend(n_days: int = 60) -> pa.Table:
    """Build hours of a level that only rises, with the value of the day before: trees cannot say what they have not seen."""
    n = n_days * 24
    generator = np.random.default_rng(4)
    hours = np.arange(n)
    values = hours / 24 + np.sin(2 * np.pi * hours / 24) + generator.normal(scale=0.3, size=n)
    events = [START + timedelta(hours=int(hour)) for hour in hours[24:]]
    months = pa.array([f"2024-{1 + int(hour) // 360:02}-01" for hour in hours[24:]])
    return pa.table(
        {
            "row_id": [f"{hour:05}" for hour in hours[24:]],
            "event_timestamp": pa.array(events, pa.timestamp("us", tz="UTC")),
            "label": values[24:],
            "label_time": pa.array([at + timedelta(hours=1) for at in events], pa.timestamp("us", tz="UTC")),
            "history__day_before": pa.array(values[:-24]),
            "hour": pa.array((hours[24:] % 24).astype(float)),
            "zone": pa.array(["north"] * (n - 24)),
            "_source_partition": months,
        }
    )


def test_the_last_value_serves_where_no_candidate_is_better() -> None:
    data = read_training_set(trend(), "regression")
    knows_until = int(data.event_time_us[-24 * 30])
    training = train_model(data, SPEC, champion_knows_until_us=knows_until)
    assert training.model.algorithm == "naive"
    assert training.span.name == "all"
    # What serves says the feature, and its figures on the judged rows are the feature's own.
    before = data.rows["history__day_before"].to_numpy()
    np.testing.assert_array_equal(training.model.score(data.rows), before)
    np.testing.assert_array_equal(training.holdout.scores, before[training.judged])
    assert training.importances == {"history__day_before": 1.0, "hour": 0.0, "zone": 0.0}
    assert [one.algorithm for one in training.results] == ["hist_gradient_boosting", "naive"]


def test_a_model_that_is_better_than_the_last_value_serves(
    make_training_table: Callable[..., pa.Table],
) -> None:
    # The signal as it stands lacks half of its effect (1), the carrier's (variance 2/9), and the noise (1).
    data = read_training_set(make_training_table(1_000, problem="regression"), "regression")
    training = train_model(data, ModelSpec(candidates=("ridge",)))
    assert training.model.algorithm == "ridge"
    assert training.results[-1].metrics["rmse"] == pytest.approx(np.sqrt(1 + 2 / 9 + 1), abs=0.1)
    assert training.holdout_metric == pytest.approx(1.0, abs=0.1)


def test_the_mean_serves_where_nothing_can_be_learned(make_training_table: Callable[..., pa.Table]) -> None:
    table = make_training_table(400, problem="regression")
    noise = np.random.default_rng(8).normal(50, 1, table.num_rows)
    table = table.set_column(table.column_names.index("label"), "label", pa.array(noise))
    training = train_model(read_training_set(table, "regression"), SPEC)
    assert training.model.algorithm == "naive"
    assert set(training.model.score(table)) == {noise.mean()}
    assert set(training.importances.values()) == {1 / 3}


def test_classes_have_no_naive_forecast(make_training_table: Callable[..., pa.Table]) -> None:
    # A constant ranks nothing: see docs/concepts/gate.md.
    training = train_model(read_training_set(make_training_table(400), "binary"), SPEC)
    assert [one.algorithm for one in training.results] == ["hist_gradient_boosting"]


def test_codes_ages_and_truths_are_no_forecasts() -> None:
    labels = np.array([1.0, 2.0, 3.0, 4.0])
    matrix = np.column_stack([labels, [np.nan, np.nan, 3.0, 4.0], labels, np.full(4, 1e30)])
    columns = (
        ColumnEncoding("code", "category", ("a", "b", "c", "d")),
        ColumnEncoding("some", "number"),
        ColumnEncoding("since", "age"),
        ColumnEncoding("huge", "number"),
    )
    found = learn_naive_forecast(FitRows(matrix, labels, FeatureEncoding(columns), "regression", 2))
    assert found == NaiveForecast(1, 2.5)
    assert found.predict(matrix).tolist() == [2.5, 2.5, 3.0, 4.0]


def test_it_is_written_and_read_as_any_model() -> None:
    data = read_training_set(trend(20), "regression")
    model = train_model(data, SPEC, champion_knows_until_us=int(data.event_time_us[-200])).model
    assert model.algorithm == "naive"
    content = model_to_bytes(model)
    assert content == model_to_bytes(model)
    assert zipfile.ZipFile(BytesIO(content)).namelist() == ["manifest.json"]
    again = model_from_bytes(content)
    assert again.estimator == model.estimator
    np.testing.assert_array_equal(again.score(data.rows), model.score(data.rows))


@pytest.mark.parametrize("column", [3, -1, "0"])
def test_a_file_that_points_outside_its_features_is_refused(column: object) -> None:
    data = read_training_set(trend(20), "regression")
    model = train_model(data, SPEC, champion_knows_until_us=int(data.event_time_us[-200])).model
    manifest = json.loads(zipfile.ZipFile(BytesIO(model_to_bytes(model))).read("manifest.json"))
    manifest["naive"]["column"] = column
    forged = BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
    with pytest.raises(ModelFileError, match=r"forecasts with feature .* of 3\. It is not used"):
        model_from_bytes(forged.getvalue())
