"""Whole preprocessings against the same in scikit-learn and pandas, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

from declaration.model import CandidateSpec, ModelSpec
from declaration.preprocess import PreprocessSpec
from learning.exchange.export import ExportError, model_to_onnx
from learning.fitted import FittedModel
from learning.out_of_fold import fit
from learning.preprocess.reading import PreprocessError
from learning.preprocess.text import learned_texts
from learning.train import train_model
from learning.training_rows import TrainingSet, read_training_set

N_ROWS = 240
START = datetime(2024, 1, 1, tzinfo=UTC)
DRAW = np.random.default_rng(0)
WORDS = np.array(["parcel", "late", "broken", "fine", "again", "thanks"])


def letters(n_rows: int = N_ROWS) -> pa.Table:
    """Build letters of complaint: their text and the sum tell whether they are granted."""
    draw = np.random.default_rng(1)
    texts = [" ".join(draw.choice(WORDS, 4)) for _ in range(n_rows)]
    sums = np.where(draw.random(n_rows) < 0.1, np.nan, draw.exponential(10, n_rows))
    granted = np.array(["broken" in text for text in texts]) ^ (draw.random(n_rows) < 0.1)
    at = [START + timedelta(hours=7 * row) for row in range(n_rows)]
    return pa.table(
        {
            "row_id": [f"{row:04}" for row in range(n_rows)],
            "event_timestamp": pa.array(at, pa.timestamp("us", tz="UTC")),
            "label": pa.array(granted.astype(np.int8)),
            "label_time": pa.array([one + timedelta(hours=1) for one in at], pa.timestamp("us", tz="UTC")),
            "request__text": texts,
            "request__sum": pa.array(sums, from_pandas=True),
            "request__kind": draw.choice(["mail", "shop"], n_rows),
            "request__bought": pa.array(
                [one - timedelta(days=3) for one in at], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def prepared(
    block: dict[str, Any], use: str = "logistic_regression", **others: Any
) -> tuple[FittedModel, TrainingSet]:
    candidate = CandidateSpec(use=use, preprocess=PreprocessSpec.model_validate(block))
    data = read_training_set(letters(), "binary", **others).read_for(candidate)
    return fit(candidate, data.fit_rows(), data.classes, 0, 1), data


def test_scores_are_those_of_scikit_learn_on_pandas() -> None:
    columns = {"request__bought": {"kind": "number"}}
    block = {"numbers": {"missing": "mean", "indicator": False, "scale": "min_max"}, "columns": columns}
    model, data = prepared(block)
    frame = data.rows.to_pandas()
    frame["age"] = (frame["event_timestamp"] - frame["request__bought"]).dt.total_seconds()
    oracle = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), MinMaxScaler()), ["request__sum", "age"]),
            (OneHotEncoder(), ["request__kind"]),
            (TfidfVectorizer(), "request__text"),
        ),
        # The solver's own tolerance is what is left between two orders of columns.
        LogisticRegression(C=1.0, max_iter=1_000, tol=1e-10),
    ).fit(frame, frame["label"])
    np.testing.assert_allclose(model.score(data.rows), oracle.predict_proba(frame)[:, 1], atol=1e-4)


def test_the_same_object_scores_a_batch_and_one_row() -> None:
    model, data = prepared({"numbers": {"missing": "knn"}, "dates": {}}, "hist_gradient_boosting")
    whole = model.score(data.rows)
    np.testing.assert_allclose(model.score(data.rows.slice(17, 1)), whole[17:18], rtol=1e-12)


def test_free_text_is_found_and_worth_more_than_its_categories() -> None:
    table = letters(600)
    plain = train_model(read_training_set(table, "binary"), ModelSpec(candidates=("logistic_regression",)))
    words = train_model(
        read_training_set(table, "binary"),
        ModelSpec(candidates=("logistic_regression",), preprocess=PreprocessSpec()),
    )
    # One label in ten is turned: nobody can be right more often than that.
    assert words.results[0].metric > 0.85 > plain.results[0].metric
    assert set(words.importances) == {"request__text", "request__sum", "request__kind", "request__bought"}
    assert words.importances["request__text"] > 0.8


def test_steps_are_learned_without_the_held_out_fold() -> None:
    table = letters()
    far = np.where(np.arange(N_ROWS) == N_ROWS - 1, 1e9, 1.0)
    table = table.set_column(table.column_names.index("request__sum"), "request__sum", pa.array(far))
    candidate = CandidateSpec(use="logistic_regression", preprocess=PreprocessSpec())
    data = read_training_set(table, "binary").read_for(candidate)
    without = fit(candidate, data.fit_rows(np.arange(N_ROWS - 1)), (), 0, 1)
    assert any(
        "(x − 1) / 1" in one.steps
        for one in learned_texts(without.preprocessing, without.encoding)
        if one.name == "request__sum"
    )


def test_parts_of_dates_follow_the_calendar_of_the_partitions() -> None:
    block = {"dates": {"parts": ["hour", "weekday", "is_weekend"], "cyclic": False}}
    _, data = prepared(block, timezone="America/New_York")
    local = pd.Series(data.rows["request__bought"].to_pandas()).dt.tz_convert("America/New_York")
    place = data.encoding.slices[data.encoding.names.index("request__bought")]
    expected = np.column_stack([local.dt.hour, local.dt.weekday, local.dt.weekday >= 5]).astype(np.float64)
    np.testing.assert_array_equal(data.matrix[:, place], expected)


def test_cyclic_parts_put_december_next_to_january() -> None:
    _, data = prepared({"dates": {"parts": ["month"]}})
    month = data.rows["request__bought"].to_pandas().dt.month
    place = data.encoding.slices[data.encoding.names.index("request__bought")]
    angle = 2 * np.pi * month / 12
    np.testing.assert_allclose(data.matrix[:, place], np.column_stack([np.sin(angle), np.cos(angle)]))


def test_candidates_that_read_alike_share_a_matrix() -> None:
    data = read_training_set(letters(), "binary")
    first = data.read_for(CandidateSpec(use="lightgbm", preprocess=PreprocessSpec()))
    scaled = PreprocessSpec.model_validate({"numbers": {"scale": "robust"}})
    assert data.read_for(CandidateSpec(use="xgboost", preprocess=scaled)) is first
    assert data.read_for(CandidateSpec(use="xgboost")) is data
    as_category = PreprocessSpec.model_validate({"columns": {"text": {"kind": "category"}}})
    assert data.read_for(CandidateSpec(use="xgboost", preprocess=as_category)) is data


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"columns": {"txt": {}}}, r"names 'txt', which is no feature\. .* Did you mean 'text'\?"),
        ({"columns": {"sum": {"encode": "target"}}}, r"request__sum\.encode is target, but the column is a number"),
        ({"columns": {"sum": {"kind": "text"}}}, r"request__sum\.kind is text, but the column is a number\. Cast it"),
        ({"columns": {"kind": {"parts": ["hour"]}}}, r"parts is set, but the column is a category, which is no date"),
        ({"columns": {"kind": {"missing": "mean"}}}, r"missing is mean, but the column is a category\. Allowed: native"),
        ({"columns": {"sum": {"missing": "native"}}}, r"'request__sum' as they are .* logistic_regression cannot read"),
        ({"columns": {"kind": {"encode": "native"}}}, r"'request__kind' as codes without an order .* one_hot"),
        ({"select": {"min_variance": 1e9}}, r"min_variance of 1e\+09 leaves no column: the greatest variance is"),
    ],
)  # fmt: skip
def test_steps_that_do_not_fit_are_refused_with_the_way_out(block: dict[str, Any], message: str) -> None:
    with pytest.raises(PreprocessError, match=message):
        prepared(block)


def test_a_name_of_several_features_is_refused() -> None:
    table = letters().append_column("shop__sum", pa.array(np.ones(N_ROWS)))
    candidate = CandidateSpec(use="ridge", preprocess=PreprocessSpec.model_validate({"columns": {"sum": {}}}))
    data = read_training_set(table, "binary").read_for(CandidateSpec(use="ridge"))
    with pytest.raises(
        PreprocessError, match=r"several features have: request__sum, shop__sum\. Write the whole"
    ):
        data.read_for(candidate)


def test_a_prepared_model_is_not_exported_without_its_columns() -> None:
    model, _ = prepared({})
    with pytest.raises(
        ExportError, match=r"columns prepared before it .* score in Python with `driftline predict`"
    ):
        model_to_onnx(model, {})
