"""Forecasts spelled out: what the horizon and the difference say, and what they must not meet."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.loading.read import DeclarationError, read

DECLARATION = """\
type: driftline.MLPipeline
attributes:
  description: Sales in an hour.
  partitions: {every: month, start: 2024-01-01, timezone: Europe/Berlin}
  datasets:
    sales:
      source: {type: csv, path: sales.csv}
      columns:
        shop: string
        sold_at: timestamp_tz
        sold: {type: float, known_at: sold_at + INTERVAL 1 HOUR}
        price: float
      event_time: sold_at
      key: [shop, sold_at]
  features: {}
  target:
    dataset: sales
    horizon: 24h
    label: sold
    problem: regression
    request_features: {hour: hour(sold_at)}
"""

Edit = tuple[str, str]


def write(folder: Path, *edits: Edit) -> Path:
    """Write the declaration with some texts changed."""
    text = DECLARATION
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    folder.mkdir()
    (folder / "defs.yaml").write_text(text)
    return folder


def test_one_horizon_is_a_prediction_time(tmp_path: Path) -> None:
    target = read(write(tmp_path / "sales")).spec.learned
    assert target.prediction_time == '"sold_at" - INTERVAL 24 HOUR'
    assert target.label_time == "sold_at + INTERVAL 1 HOUR"
    assert (target.key, dict(target.request_features)) == ((), {"hour": "hour(sold_at)"})


@pytest.mark.parametrize(
    ("edits", "label_time"),
    [
        ([("label: sold", "label: price")], '"sold_at"'),
        ([("label: sold", "label: sold / price")], "sold_at + INTERVAL 1 HOUR"),
        (
            [("price: float", "price: {type: float, known_at: sold_at + INTERVAL 2 DAY}"), ("label: sold", "label: SOLD * price")],
            "greatest(sold_at + INTERVAL 1 HOUR, sold_at + INTERVAL 2 DAY)",
        ),
        ([("label: sold", "label: sold\n    label_time: sold_at + INTERVAL 3 HOUR")], "sold_at + INTERVAL 3 HOUR"),
    ],
    ids=["at-the-event", "one-column", "the-last-column", "declared"],
)  # fmt: skip
def test_a_label_is_known_when_the_last_of_its_columns_is(
    tmp_path: Path, edits: list[Edit], label_time: str
) -> None:
    assert read(write(tmp_path / "sales", *edits)).spec.learned.label_time == label_time


def test_several_horizons_are_a_feature_and_part_of_the_key(tmp_path: Path) -> None:
    target = read(write(tmp_path / "sales", ("horizon: 24h", "horizon: [90m, 24h]"))).spec.learned
    assert target.key == ("shop", "sold_at", "horizon")
    assert target.request_features["horizon"] == "horizon"
    assert target.horizon == (timedelta(minutes=90), timedelta(days=1))


def test_a_wall_clock_is_read_in_the_zone_of_the_partitions(tmp_path: Path) -> None:
    known = ("known_at: sold_at + INTERVAL 1 HOUR", "known_at: sold_at AT TIME ZONE 'Europe/Berlin'")
    edits = [("sold_at: timestamp_tz", "sold_at: timestamp"), known]
    target = read(write(tmp_path / "sales", *edits)).spec.learned
    assert (
        target.prediction_time
        == "(CAST(\"sold_at\" AS TIMESTAMP) AT TIME ZONE 'Europe/Berlin') - INTERVAL 24 HOUR"
    )


def test_a_difference_makes_a_view_of_the_same_place_in_the_season(tmp_path: Path) -> None:
    pipeline = read(write(tmp_path / "sales", ("label: sold", "label: sold\n    difference: 7d")))
    view = pipeline.spec.features["before"]
    assert pipeline.spec.view_keys("before") == ("shop", "season_place")
    # An hour until it is known, and one more.
    assert (view.lookback, view.ttl) == (timedelta(hours=2), timedelta(days=28))
    assert "timezone('Europe/Berlin', \"sold_at\")" in pipeline.sql[view.sql]


def test_a_difference_to_the_last_value_of_one_series_needs_no_entity(tmp_path: Path) -> None:
    edits = [("key: [shop, sold_at]", "key: [sold_at]"), ("label: sold", "label: sold\n    difference: last")]
    pipeline = read(write(tmp_path / "sales", *edits))
    view = pipeline.spec.features["before"]
    assert (view.entity, view.ttl, pipeline.spec.view_keys("before")) == (None, None, ())


def test_a_difference_by_ratio_is_read(tmp_path: Path) -> None:
    edit = ("label: sold", "label: sold\n    difference: {to: year, by: ratio}")
    difference = read(write(tmp_path / "sales", edit)).spec.learned.difference
    assert difference is not None
    assert (difference.to, difference.by) == ("year", "ratio")


def test_what_is_spelled_out_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    hashes = {
        read(write(tmp_path / f"sales{number}", edit)).spec_hash
        for number, edit in enumerate(
            [("horizon: 24h", "horizon: 24h"), ("horizon: 24h", "horizon: 12h"), ("label: sold", "label: sold\n    difference: 1d")]
        )
    }  # fmt: skip
    assert len(hashes) == 3


WRONG: list[tuple[list[Edit], list[str]]] = [
    (
        [
            ("    horizon: 24h\n", ""),
        ],
        [
            "missing key 'prediction_time' in target. Declare it; of a forecast `horizon` says it.",
            "missing key 'label_time' in target. Declare it; of a forecast `horizon` says it.",
        ],
    ),
    (
        [
            ("horizon: 24h", "horizon: 24h\n    prediction_time: sold_at"),
        ],
        [
            "target.prediction_time and target.horizon both say when a prediction is made. Keep one.",
        ],
    ),
    (
        [
            ("horizon: 24h", "horizon: [24h, 1d]"),
        ],
        [
            "target.horizon has a span twice. Name each once.",
        ],
    ),
    (
        [
            ("horizon: 24h", "horizon: soon"),
        ],
        [
            "target.horizon is 'soon', but a duration is a positive number and a unit: 90m, 12h, 28d or 4w.",
        ],
    ),
    (
        [
            ("problem: regression", "problem: binary\n    difference: 1d"),
            ("label: sold", "label: sold > 1"),
        ],
        [
            "target.difference is for a regression, and the target is binary. Leave it out.",
        ],
    ),
    (
        [
            ("horizon: 24h", "horizon: [1h, 24h]"),
            ("price: float", "horizon: float"),
        ],
        [
            "datasets.sales has a column 'horizon', which a forecast adds to its rows. Rename it.",
        ],
    ),
    (
        [
            ("horizon: 24h", "horizon: [1h, 24h]"),
            ("{hour: hour(sold_at)}", "{horizon: price}"),
        ],
        [
            "target.request_features.horizon: with several horizons it is a feature by itself. Remove it.",
        ],
    ),
    (
        [
            ("label: sold", "label: sold\n    difference: 1d"),
            ("features: {}", "entities: {shop: [shop]}\n  features: {before: {entity: shop, sql: a.sql}}"),
        ],
        [
            "features.before: target.difference makes one of that name. Choose another.",
        ],
    ),
    (
        [
            ("label: sold", "label: solt\n    difference: 1d"),
        ],
        [
            "target.label names the unknown column 'solt'. Columns: shop, sold_at, sold, price, season_place. Did you mean 'sold'?",
        ],
    ),
    (
        [
            ("label: sold", "label: sold +\n    difference: 1d"),
        ],
        [
            "target.label is not an SQL expression: it ends too early.",
        ],
    ),
]


@pytest.mark.parametrize(("edits", "messages"), WRONG)
def test_a_forecast_that_cannot_be_is_refused_with_the_repair(
    tmp_path: Path, edits: list[Edit], messages: list[str]
) -> None:
    folder = write(tmp_path / "sales", *edits)
    (folder / "a.sql").write_text("SELECT shop, sold_at AS event_timestamp, price FROM sales")
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()] == messages
