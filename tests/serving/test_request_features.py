"""What a caller asks about has the features that it would be trained on."""

from pathlib import Path

import pyarrow as pa
import pytest

from declaration.spec import PipelineSpec
from declaration.target_sql import LabelError, label_query
from serving.request_features import request_features
from tests.fixtures.tiny import DECLARATION, START, day_window, lake_and_engine, tiny_pipeline

FEATURES = {"hour": "hour(taken_at)", "log_load": "ln(1 + load)", "is_hot": "heat > 1"}


def test_one_definition_serves_training_and_requests(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    target = pipeline.spec.learned.model_copy(update={"request_features": FEATURES})
    declared = type(pipeline)("tiny", pipeline.spec.model_copy(update={"target": target}), ".", {}, "hash")
    with lake_and_engine(tmp_path)[1].connect() as connection:
        connection.execute(
            "CREATE TEMP TABLE readings AS SELECT id, 'm' || id % 5 AS machine, $start::TIMESTAMPTZ + to_seconds(200 * id) "
            "AS taken_at, sin(id) * 2 AS heat, abs(cos(id)) AS load, id % 3 = 0 AS failed FROM range(400) AS n (id)",
            {"start": START.isoformat()},
        )
        trained = connection.sql(label_query(declared, day_window(0))).to_arrow_table()
        # label_query orders by instant, as the table is.
        asked = connection.sql("SELECT taken_at, heat, load, machine FROM readings").to_arrow_table()
        served = request_features(connection, target, asked)
    assert served.column_names == ["request__hour", "request__is_hot", "request__log_load"]
    assert served.num_rows == 400
    assert served.equals(trained.select(served.column_names))


def test_a_column_that_the_caller_forgot_is_named(tmp_path: Path) -> None:
    target = PipelineSpec.model_validate(DECLARATION).learned
    with (
        lake_and_engine(tmp_path)[1].connect() as connection,
        pytest.raises(LabelError, match=r"heat.*load were given"),
    ):
        request_features(connection, target, pa.table({"load": [0.5]}))
