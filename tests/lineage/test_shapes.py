"""Other shapes of data, from raw to drift report: rows with only an order, a snapshot loaded again, nothing to predict."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest
from rich.console import Console
from sklearn.datasets import load_breast_cancer

from driftline.history import history, print_history
from pipelines.loading.read import read
from tests.fixtures.replaying import replay_all
from tests.fixtures.stages import connected

pytestmark = pytest.mark.long

STREAM = """\
type: pipelines.MLPipeline
attributes:
  description: Does the valve stick? Readings come in order, without a clock.
  partitions: {every: rows, size: 500}
  datasets:
    readings:
      source: {type: csv, path: readings.csv}
      columns: {valve: string, pressure: float, stuck: boolean}
      event_time: row_time
      key: [row_number]
      expectations:
        - {expect: column_values_to_be_between, column: pressure, min_value: -9, max_value: 9, on_failure: quarantine}
  entities: {valve: [valve]}
  features:
    recent: {entity: valve, sql: recent.sql, lookback: 500m, ttl: 1000m}
  target:
    dataset: readings
    prediction_time: row_time
    label: stuck
    label_time: row_time + INTERVAL 1 MINUTE
    problem: binary
    request_features: {pressure: pressure}
  model: {candidates: [logistic_regression], metric: roc_auc}
  drift: {min_rows: 200}
  retrain: {on: [drift], min_new_labels: 100}
"""

RECENT = """\
SELECT valve, row_time + INTERVAL 1 MINUTE AS event_timestamp,
  avg(pressure) OVER (PARTITION BY valve ORDER BY row_time RANGE BETWEEN INTERVAL 500 MINUTE PRECEDING AND CURRENT ROW) AS mean_pressure
FROM readings
"""


def write_stream(folder: Path, n_rows: int, *, shift_from: int) -> None:
    generator = np.random.default_rng(3)
    pressure = generator.normal(size=n_rows)
    stuck = generator.uniform(size=n_rows) < 1 / (1 + np.exp(2 - 2 * pressure))
    pressure[shift_from:] += 1.5
    with (folder / "readings.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["valve", "pressure", "stuck"])
        for number in range(n_rows):
            rows.writerow(
                [f"v{number % 4}", round(float(pressure[number]), 4), str(bool(stuck[number])).lower()]
            )


def test_a_stream_of_rows_is_cut_into_windows_of_rows(tmp_path: Path) -> None:
    folder = tmp_path / "valves"
    folder.mkdir()
    (folder / "defs.yaml").write_text(STREAM)
    (folder / "recent.sql").write_text(RECENT)
    write_stream(folder, 1_700, shift_from=1_500)
    pipeline = read(folder)
    assert replay_all(pipeline, tmp_path) == 1
    lake = connected(tmp_path).lake
    keys = ("row-0000000000", "row-0000000500", "row-0000001000")
    assert lake.snapshot("valves/raw/readings").partitions == keys
    assert set(lake.snapshot("valves/raw/readings").rows_by_partition.values()) == {500}
    # 800 more rows complete two windows; those that are done stay, and the shift is seen.
    write_stream(folder, 2_500, shift_from=1_500)
    assert replay_all(pipeline, tmp_path) == 1
    windows = history(pipeline, connected(tmp_path))
    assert [window.partition for window in windows] == [*keys, "row-0000001500", "row-0000002000"]
    assert [window.is_retrain_requested for window in windows] == [True, False, False, True, False]
    assert windows[1].realised is not None
    assert windows[1].realised > 0.7


SNAPSHOT = """\
type: pipelines.MLPipeline
attributes:
  description: Is the tumour malignant? One table, no time.
  partitions: {every: load}
  datasets:
    tumours:
      source: {type: csv, path: tumours.csv}
      columns: {radius: float, texture: float, smoothness: float, benign: int}
      event_time: load_time
      key: [row_number]
  target:
    dataset: tumours
    prediction_time: load_time
    label: benign
    label_time: load_time + INTERVAL 1 MILLISECOND
    problem: binary
    request_features: {radius: radius, texture: texture, smoothness: smoothness}
  model: {candidates: [logistic_regression], metric: roc_auc, train_window: 1}
  drift: {min_rows: 200}
  retrain: {on: [drift], cooldown: 0, min_new_labels: 100}
"""


def write_snapshot(folder: Path, *, shift: float = 0.0) -> None:
    found = load_breast_cancer(as_frame=True)
    table = found.frame[["mean radius", "mean texture", "mean smoothness", "target"]]
    table.columns = ["radius", "texture", "smoothness", "benign"]
    table = table.assign(radius=table["radius"] + shift)
    table.to_csv(folder / "tumours.csv", index=False)


def test_a_snapshot_is_compared_load_by_load(tmp_path: Path) -> None:
    folder = tmp_path / "tumours"
    folder.mkdir()
    (folder / "defs.yaml").write_text(SNAPSHOT)
    write_snapshot(folder)
    n_rows = pacsv.read_csv(folder / "tumours.csv").num_rows
    pipeline = read(folder)
    assert replay_all(pipeline, tmp_path) == 1
    # An unchanged source is the same load, and there is nothing to do.
    assert replay_all(pipeline, tmp_path) == 0
    write_snapshot(folder, shift=8.0)
    assert replay_all(pipeline, tmp_path) == 1
    lake = connected(tmp_path).lake
    assert lake.snapshot("tumours/raw/tumours").rows_by_partition == {
        "load-000001": n_rows,
        "load-000002": n_rows,
    }
    loads = history(pipeline, connected(tmp_path))
    assert [load.is_retrain_requested for load in loads] == [True, True]
    assert "radius" in loads[1].explanation
    assert loads[1].model_version == 1


WATCHED = """\
type: pipelines.MLPipeline
attributes:
  description: Nothing is predicted; the data is watched.
  partitions: {every: week, start: 2024-01-07}
  datasets:
    orders:
      source: {type: csv, path: orders.csv}
      columns: {id: int, placed_at: timestamp_tz, shop: string, label: float, note: string}
      event_time: placed_at
      key: [id]
      expectations:
        - {expect: column_values_to_not_be_null, column: shop}
  drift: {min_rows: 100, reference_partitions: 2}
"""


def write_orders(folder: Path, n_weeks: int, *, shift_from: int) -> None:
    generator = np.random.default_rng(5)
    with (folder / "orders.csv").open("w", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["id", "placed_at", "shop", "label", "note"])
        for number in range(n_weeks * 7 * 50):
            at = datetime(2024, 1, 7, tzinfo=UTC) + number * timedelta(days=1) / 50
            amount = generator.lognormal() * (3 if number >= shift_from * 350 else 1)
            rows.writerow(
                [number, at.isoformat(), f"s{generator.integers(5)}", round(amount, 4), f"note {number}"]
            )


def test_without_a_target_the_data_is_watched(tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "defs.yaml").write_text(WATCHED)
    write_orders(folder, 5, shift_from=4)
    pipeline = read(folder)
    assert replay_all(pipeline, tmp_path, last=5) == 0
    weeks = history(pipeline, connected(tmp_path))
    # Notes are unique and no key is compared: what is left is shop and label, a column as any other.
    assert [week.n_drifted for week in weeks] == [0, 0, 0, 0, 1]
    assert "label" in weeks[4].explanation
    assert "No earlier partition" in weeks[0].explanation
    page = (tmp_path / "reports" / "orders" / "2024-02-04.html").read_text()
    assert "1 of 2 columns drifted: label." in page
    assert "Realised" not in page
    life = (tmp_path / "reports" / "orders" / "index.html").read_text()
    assert "orders: watched over 5 windows" in life
    # The reference of the newest window is found again: each of its two columns has its pictures.
    assert life.count('viewBox="0 0 150 40"') == 2
    output = StringIO()
    print_history(pipeline, connected(tmp_path), Console(file=output, width=200))
    assert "never retrained" not in output.getvalue()
    # The reference is sketched once for the first week alone, and once for the two.
    assert len(connected(tmp_path).lake.snapshot("orders/sketches").partitions) == 2
