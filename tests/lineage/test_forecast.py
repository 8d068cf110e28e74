"""A forecast from its declaration to its answers: what is known, what is asked, and online the same as offline."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import mean_pinball_loss

from assets.drift_report.asset import materialize_drift_report
from assets.model.asset import materialize_model
from assets.model.card.reading import read_card_facts
from assets.model.card.sections import model_card
from assets.predictions.asset import materialize_predictions
from driftline.model import showing
from driftline.model.known import known_document, print_known, read_known
from driftline.model.versions import version_rows
from resources.connections import Connections
from resources.feature_store.online.served_log import ServedLog
from resources.feature_store.skew import measure_skew
from resources.model_registry.ledger import read_ledger
from serving import open_serving
from serving.request_rows import RequestRowsError
from tests.fixtures.forecast_world import (
    HOUR,
    START,
    Forecast,
    run_stages,
    stored,
    value_before,
    write_forecast,
)
from tests.fixtures.keys import undocumented
from tests.fixtures.stages import connected

WEEKS = ("2024-01-07", "2024-01-14")
END = datetime(2024, 1, 21, tzinfo=START.tzinfo)
NOW = END - timedelta(minutes=1)
"""When all is known that the two weeks' partitions hold."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Forecast, Connections]:
    folder = tmp_path_factory.mktemp("forecast")
    forecast, connections = write_forecast(folder), connected(folder)
    for week in WEEKS:
        run = run_stages(forecast.pipeline, connections, week)
    materialize_model(run, registry=connections.registry)
    return forecast, connections


def test_each_row_is_predicted_once_for_each_horizon(world: tuple[Forecast, Connections]) -> None:
    forecast, connections = world
    rows = stored(connections, "sales/labels")
    asked = {(row["product"], row["event_time"], row["horizon"]): row for row in rows}
    in_weeks = {key for key in forecast.sold if key[1] < END}
    assert set(asked) == {(*key, horizon) for key in in_weeks for horizon in (6.0, 24.0)}
    assert len({row["row_id"] for row in rows}) == len(rows)
    for (product, at, horizon), row in asked.items():
        assert row["event_timestamp"] == at - timedelta(hours=horizon)
        assert row["label"] == forecast.sold[product, at]
        # The label's column is known an hour after the event.
        assert row["label_time"] == at + HOUR


def test_the_training_set_has_what_was_known_of_the_same_hour(world: tuple[Forecast, Connections]) -> None:
    forecast, connections = world
    keys = {row["row_id"]: row for row in stored(connections, "sales/labels")}
    rows = stored(connections, "sales/training_set")
    n_known = 0
    for row in rows:
        key = keys[row["row_id"]]
        expected = value_before(forecast.sold, key["product"], key["event_time"], row["event_timestamp"])
        assert row["before__value"] == expected
        n_known += expected is not None
        # Of the view without an entity: the newest hour that was over, of all products.
        over = [at for _, at in forecast.sold if at + HOUR <= row["event_timestamp"]]
        newest = max(over, default=None)
        total = [forecast.sold[name, newest] for name in ("tea", "cake") if (name, newest) in forecast.sold]
        assert row["all_sold__sold"] == (pytest.approx(sum(total)) if newest else None)
        assert row["request__horizon"] == key["horizon"]
    # The first day or two of a series have no day before them, and are in both weeks' sets.
    assert n_known > 0.8 * len(rows)


def test_online_answers_are_those_of_training(world: tuple[Forecast, Connections]) -> None:
    forecast, connections = world
    pipeline = forecast.pipeline
    asked = [
        ("tea", END + 5 * HOUR),
        ("cake", END + 5 * HOUR),
        ("tea", END + 23 * HOUR),
        ("cake", END + 22 * HOUR),
        ("new", END),
    ]
    rows = pa.table({"product": [name for name, _ in asked], "sold_at": [at for _, at in asked]})
    with open_serving(pipeline, connections) as serving:
        answer = serving.score(rows, NOW)
    found = answer.features.table.to_pylist()
    assert [row["request__horizon"] for row in found] == [6.0, 6.0, 24.0, 24.0, 6.0]
    before = [value_before(forecast.sold, name, at, NOW) for name, at in asked]
    assert [row["before__value"] for row in found] == before
    newest = max(at for _, at in forecast.sold if at + HOUR <= NOW)
    total = sum(forecast.sold[name, newest] for name in ("tea", "cake") if (name, newest) in forecast.sold)
    assert [row["all_sold__sold"] for row in found] == [pytest.approx(total)] * len(asked)
    # In the label's own unit, near what was sold at that hour of the day before: cakes sell three times as much.
    scores = answer.scores["score"].to_pylist()
    assert scores[:4] == pytest.approx(before[:4], abs=2.5)
    low, high = answer.scores["low"].to_pylist(), answer.scores["high"].to_pylist()
    assert all(a < score < b for a, score, b in zip(low, scores, high, strict=True))
    # The ends of the 90 % interval are the quantiles at 5 % and 95 %.
    assert (answer.scores["quantile_5"].to_pylist(), answer.scores["quantile_95"].to_pylist()) == (low, high)
    assert all(
        a < half < b for a, half, b in zip(low, answer.scores["quantile_50"].to_pylist(), high, strict=True)
    )


def test_what_is_served_of_a_view_without_an_entity_is_what_the_lake_has(
    world: tuple[Forecast, Connections],
) -> None:
    forecast, connections = world
    store, lake = connections.feature_store, connections.lake
    for view, n_rows in (("all_sold", 1), ("before", 2 * 24)):
        found = store.compare_online(forecast.pipeline, view, lake)
        assert (found.n_entities, found.n_different) == (n_rows, 0)


def test_skew_of_a_view_without_an_entity_is_counted(world: tuple[Forecast, Connections]) -> None:
    forecast, connections = world
    pipeline, rows = forecast.pipeline, pa.table({"product": ["tea", "cake"], "sold_at": [END, END]})
    with open_serving(pipeline, connections) as serving, ServedLog(connections.lake, pipeline.name) as log:
        serving.features(rows, NOW, log=log)
    found = measure_skew(
        pipeline, connections.lake, connections.engine, connections.feature_store, since=NOW - HOUR
    )
    # The whole is asked for once, each product for itself.
    assert {(one.view, one.feature): (one.n_compared, one.n_different) for one in found} == {
        ("all_sold", "sold"): (1, 0),
        ("before", "value"): (2, 0),
    }


def test_farther_ahead_than_was_learned_is_refused(world: tuple[Forecast, Connections]) -> None:
    forecast, connections = world
    rows = pa.table({"product": ["tea", "tea"], "sold_at": [END, END + 25 * HOUR - timedelta(minutes=1)]})
    with (
        open_serving(forecast.pipeline, connections) as serving,
        pytest.raises(
            RequestRowsError,
            match=r"row 2 lies 25 hours ahead, and the longest horizon of target\.horizon is 24",
        ),
    ):
        serving.score(rows, NOW)


def test_batch_scores_and_the_report_are_in_the_unit_of_the_label(
    world: tuple[Forecast, Connections],
) -> None:
    forecast, connections = world
    run = run_stages(forecast.pipeline, connections, "2024-01-21", trains=False)
    materialize_predictions(
        run,
        feature_store=connections.feature_store,
        registry=connections.registry,
        score_targets=connections.score_targets,
    )
    labels = {row["row_id"]: row["label"] for row in stored(connections, "sales/labels")}
    rows = stored(connections, "sales/predictions")
    # Of normal noise with a spread of 0.7: a week that the model has never seen.
    below = [
        np.mean([labels[row["row_id"]] <= row[f"quantile_{share}"] for row in rows]) for share in (5, 50, 95)
    ]
    assert below == pytest.approx([0.05, 0.5, 0.95], abs=0.06)
    errors = np.array([labels[row["row_id"]] - row["score"] for row in rows])
    # Noise of 0.5 against one value with noise of 0.5, and a rise: a mean error of about 0.6.
    assert float(np.abs(errors).mean()) < 0.8
    report = materialize_drift_report(run, registry=connections.registry, reports=connections.reports)
    assert report.metadata["realised_mae"] == pytest.approx(np.abs(errors).mean(), rel=0.02)
    low, high, half, truths = (
        np.array([labels[row["row_id"]] if name == "label" else row[name] for row in rows])
        for name in ("low", "high", "quantile_50", "label")
    )
    inside, below = ((truths >= low) & (truths <= high)).mean(), (truths <= half).mean()
    assert report.metadata["interval_coverage"] == pytest.approx(inside, abs=0.005)
    assert report.metadata["quantile_50_coverage"] == pytest.approx(below, abs=0.005)
    kept = stored(connections, "sales/realised_coverage", order="declared, name")
    assert [row["name"] for row in kept] == ["quantile_5", "quantile_50", "interval", "quantile_95"]
    page = Path(str(report.metadata["report"])).read_text()
    assert "Inside the interval" in page
    assert "At or below quantiles" in page
    # In units of the day before's error in the training rows.
    scale = connections.registry.version("sales", 1).error_scale
    assert scale is not None
    assert report.metadata["realised_mase"] == pytest.approx(report.metadata["realised_mae"] / scale)


def test_the_scaled_error_is_beside_the_other_metrics(world: tuple[Forecast, Connections]) -> None:
    _, connections = world
    rows = stored(connections, "sales/candidates", order="candidate, metric")
    figures = {(row["candidate"], row["metric"]): row["value"] for row in rows}
    scale = connections.registry.version("sales", 1).error_scale
    assert {name for name, metric in figures if metric == "mase"} >= {"ridge", "naive", "baseline/day_season"}
    assert figures["ridge", "mase"] == pytest.approx(figures["ridge", "mae"] / scale)


def test_what_is_known_of_a_version_has_its_quantiles(
    world: tuple[Forecast, Connections], capsys: pytest.CaptureFixture[str]
) -> None:
    forecast, connections = world
    registered = connections.registry.versions("sales")
    (row,) = version_rows(read_ledger(connections.lake, "sales"), registered, NOW)
    known = read_known(forecast.pipeline, row, connections)
    document = known_document(known)
    assert undocumented({"pipeline": "sales", **document}, showing.KEYS) == set()
    assert [(one["horizon"], one["share"]) for one in document["quantiles"]][3:5] == [(6.0, 0.05), (6.0, 0.5)]  # type: ignore[index]  # a list
    assert all(one["skill"] > 0.5 for one in document["quantiles"])  # type: ignore[attr-defined]  # a list
    print_known(forecast.pipeline, known)
    assert "Quantiles on the judged rows" in capsys.readouterr().out
    # A version that was trained without has none.
    assert read_known(forecast.pipeline, replace(row, version=9, decisions=()), connections).quantiles == ()


def test_quantiles_are_measured_at_each_horizon(world: tuple[Forecast, Connections]) -> None:
    forecast, connections = world
    held = stored(connections, "sales/holdout_scores")
    horizons = {row["row_id"]: row["horizon"] for row in stored(connections, "sales/labels")}
    rows = stored(connections, "sales/quantiles", order="horizon NULLS FIRST, share")
    asked = [(row["horizon"], row["share"]) for row in rows]
    assert asked == [(horizon, share) for horizon in (None, 6.0, 24.0) for share in (0.05, 0.5, 0.95)]
    for row in rows:
        column = f"quantile_{round(100 * row['share'])}"
        judged = [one for one in held if row["horizon"] in (None, horizons[one["row_id"]])]
        values, labels = ([one[name] for one in judged] for name in (column, "label"))
        assert row["n"] == len(judged)
        assert row["coverage"] == pytest.approx(np.mean(np.array(labels) <= np.array(values)))
        assert row["pinball"] == pytest.approx(mean_pinball_loss(labels, values, alpha=row["share"]))
        # Cakes sell three times as much as tea: one quantile of all is far from either.
        assert row["label_pinball"] > 2 * row["pinball"]
    facts = read_card_facts(forecast.pipeline, connections.lake, connections.registry, 1, now=NOW)
    (quality,) = (
        one for one in model_card(forecast.pipeline, facts, {}).sections if one.title == "How good it is"
    )
    (table,) = quality.tables
    assert table.header[:4] == ("quantile", "forecast", "rows", "truths below")
    assert [row[:2] for row in table.rows[:4]] == [
        ("0.05", "all"),
        ("0.5", "all"),
        ("0.95", "all"),
        ("0.05", "in 6 h"),
    ]
