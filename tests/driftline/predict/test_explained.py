"""`driftline predict --explain`: the parts that are shown sum to the raw score, and so to the probability."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from driftline.predict import command
from driftline.predict import explained as explained_module
from driftline.predict.explained import Explained, explained_rows
from driftline.predict.report import as_plain
from learning.encode import encode
from learning.explain.raw_score import ExplanationError
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes
from serving.predictor import Champion, Prediction, ServedFeatures, Serving
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented
from tests.fixtures.training_world import fitted, training_table


def test_a_line_says_what_moved_the_answer() -> None:
    explained = Explained(
        "log odds", "an average row", -1.0, 0.5, (("recent__mean", 1.25), ("heat", -0.25)), 0.5
    )
    assert explained.text() == (
        "log odds 0.5 = -1 of an average row, recent__mean +1.25, heat -0.25, all others +0.5"
    )


def test_a_line_says_what_is_estimated() -> None:
    explained = Explained(
        "probability", "the mean of 20 rows", 0.2, 0.5, (("a", 0.4), ("b", -0.1)), 0.0, (0.01, 0.034), 160
    )
    assert explained.text() == (
        "probability 0.5 = 0.2 of the mean of 20 rows, a +0.4, b -0.1 "
        "(estimated from 160 orders of the features: standard errors up to 0.034)"
    )
    assert explained.as_plain()["contributions"][1] == {"feature": "b", "part": -0.1, "standard_error": 0.034}


def asked(model: FittedModel, table: pa.Table) -> tuple[Explained, ...]:
    """Ask why of the first rows of a table that some model has answered for."""
    rows = table.slice(0, 2)
    served = ServedFeatures(rows.select(model.encoding.names), pa.table({}), pa.table({}), datetime.now(UTC))
    answer = Prediction(pa.table({"score": model.score(rows)}), 7, served)
    serving = SimpleNamespace(
        champion=Champion(7, model), lake=None, pipeline=SimpleNamespace(name="returns")
    )
    return explained_rows(cast("Serving", serving), answer, 2)


@pytest.mark.parametrize("algorithm", ["hist_gradient_boosting", "nearest_neighbours"])
def test_rows_kept_with_a_version_explain_what_is_no_sum(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = training_table(300)
    # More features than are counted one coalition after another.
    generator = np.random.default_rng(0)
    for number in range(8):
        table = table.append_column(f"more__{number}", pa.array(generator.normal(size=300)))
    model = fitted(table, "binary", algorithm)
    kept = SimpleNamespace(centres=None, background=encode(table, model.encoding)[::30])
    monkeypatch.setattr(explained_module, "read_version", lambda *_: kept)
    first, _ = asked(model, table)
    whole = first.base + sum(part for _, part in first.parts) + first.rest
    assert whole == pytest.approx(first.raw)
    assert first.base_of == "the mean of 10 rows that it learned from"
    if algorithm == "hist_gradient_boosting":
        assert (first.output, first.errors, first.n_orders) == ("log odds", (), 0)
        assert 1 / (1 + math.exp(-whole)) == pytest.approx(model.score(table)[0])
    else:
        assert (first.output, len(first.errors), first.n_orders) == ("probability", 2, 80)
        assert whole == pytest.approx(model.score(table)[0])


def test_a_version_of_before_rows_were_kept_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    table = training_table(300)
    model = fitted(table, "binary", "nearest_neighbours")
    for kept in (None, SimpleNamespace(centres=None, background=None)):
        monkeypatch.setattr(explained_module, "read_version", lambda *_, kept=kept: kept)
        with pytest.raises(
            ExplanationError,
            match=r"version 7 of returns cannot be asked why: .* `driftline run returns --partition KEY --retrain`",
        ):
            asked(model, table)


def test_parts_sum_to_the_scores_that_the_lake_keeps(installed: Home) -> None:
    connections, pipeline = installed.connections, installed.pipeline
    champion = connections.registry.champion("tiny")
    assert champion is not None
    content = connections.registry.model_file("tiny", champion.version, sha256=champion.artifact_sha256)
    rows = connections.lake.read(pipeline.table("predictions"))
    rows = rows.filter(pc.equal(rows["model_version"], champion.version)).slice(0, 20)
    served = ServedFeatures(
        rows.select(champion.feature_names), pa.table({}), pa.table({}), datetime.now(UTC)
    )
    answer = Prediction(rows.select(["score"]), champion.version, served)
    serving = SimpleNamespace(
        champion=Champion(champion.version, model_from_bytes(content)),
        lake=connections.lake,
        pipeline=pipeline,
    )
    found = explained_rows(cast("Serving", serving), answer, 2)
    assert len(found) == 20
    for one, score in zip(found, rows["score"].to_pylist(), strict=True):
        assert len(one.parts) == 2
        assert abs(one.parts[0][1]) >= abs(one.parts[1][1])
        whole = one.base + sum(part for _, part in one.parts) + one.rest
        assert whole == pytest.approx(one.raw, abs=1e-9)
        assert 1 / (1 + math.exp(-whole)) == pytest.approx(score, abs=1e-9)
    # From an average row: over the rows that it learned from parts are 0 in the mean.
    assert {(one.base_of, round(one.base, 9)) for one in found} == {
        ("an average row", round(found[0].base, 9))
    }


def test_json_has_the_parts_and_documents_them() -> None:
    table = pa.table({"heat": [1.5]})
    served = ServedFeatures(pa.table({"request__heat": [1.5]}), pa.table({}), pa.table({}), datetime.now(UTC))
    answer = Prediction(pa.table({"score": [0.6]}), 1, served)
    explained = Explained("log odds", "an average row", -1.0, 0.5, (("request__heat", 1.5),), 0.0)
    document = as_plain("tiny", answer, table, [explained])
    assert undocumented(document, command.KEYS) == set()
    assert document["rows"][0]["explanation"] == {
        "output": "log odds",
        "base_of": "an average row",
        "base": -1.0,
        "raw_score": 0.5,
        "contributions": [{"feature": "request__heat", "part": 1.5, "standard_error": None}],
        "rest": 0.0,
        "n_orders": 0,
    }
    assert as_plain("tiny", answer, table)["rows"][0]["explanation"] is None
