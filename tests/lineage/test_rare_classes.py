"""A rare class is learned or missed, and never a reason to stop: many small windows walk through in one start."""

import csv
from pathlib import Path

import numpy as np
import pytest

from declaration.pipeline import Pipeline
from driftline.history import history
from driftline.rebuild.tables import rebuilt_tables, set_aside
from pipelines.loading.read import read
from tests.fixtures.replaying import replay_all, replaying
from tests.fixtures.stages import connected

STREAM = """\
type: driftline.MLPipeline
attributes:
  description: What does a wearable's sensor see? Readings come in order, without a clock.
  partitions: {every: rows, size: 500}
  datasets:
    readings:
      source: {type: csv, path: readings.csv}
      columns: {x: float, y: float, z: float, activity: string}
      event_time: row_time
      key: [row_number]
  target:
    dataset: readings
    prediction_time: row_time
    label: activity
    label_time: row_time + INTERVAL 1 MINUTE
    problem: multiclass
    request_features: {x: x, y: y, z: z}
  model: {candidates: [logistic_regression], metric: accuracy}
"""

SHARES = {"walk": 0.42, "sit": 0.3, "stand": 0.2, "run": 0.07, "fall": 0.008, "jump": 0.002}
"""The rarest class has one row in a window, on average; in a third of the windows none."""


def write_readings(folder: Path, n_rows: int) -> None:
    """Draw readings around a centre for each activity; the centres turn once, half way."""
    draw = np.random.default_rng(11)
    names = list(SHARES)
    labels = draw.choice(len(names), size=n_rows, p=list(SHARES.values()))
    centres = draw.normal(scale=2, size=(len(names), 3))
    turned = np.roll(centres, 1, axis=0)
    is_late = (np.arange(n_rows) >= n_rows // 2)[:, None]
    readings = np.where(is_late, turned[labels], centres[labels]) + draw.normal(size=(n_rows, 3))
    with (folder / "readings.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["x", "y", "z", "activity"])
        rows.writerows(
            [*(round(float(one), 4) for one in reading), names[label]]
            for reading, label in zip(readings, labels, strict=True)
        )


@pytest.mark.long
def test_six_classes_some_rare_walk_through_in_one_start(tmp_path: Path) -> None:
    n_rows = 24_000
    folder = tmp_path / "wearable"
    folder.mkdir()
    (folder / "defs.yaml").write_text(STREAM)
    write_readings(folder, n_rows)
    pipeline = read(folder)
    # A run that fails stops the walk with an error.
    n_trainings = replay_all(pipeline, tmp_path)
    windows = history(pipeline, connected(tmp_path))
    assert len(windows) == n_rows // 500
    assert n_trainings >= 5
    # The turn is a loss that is answered within two windows of labels.
    turn = n_rows // 2 // 500
    assert any(
        "for the loss" in one.explanation or "worse" in one.headline for one in windows[turn : turn + 2]
    )
    assert any(one.is_retrain_requested for one in windows[turn : turn + 2])
    before, after = (
        np.mean([one.realised for one in windows[first : first + 4] if one.realised is not None])
        for first in (turn - 4, len(windows) - 4)
    )
    assert after > before - 0.05
    _walks_again_after_a_rebuild(pipeline, tmp_path)


def _walks_again_after_a_rebuild(pipeline: Pipeline, home: Path) -> None:
    """The champion stays; what it learned from is set aside, and it knows classes that only older rows have."""
    lake = connected(home).lake
    with replaying(pipeline, home) as replay:
        tables = rebuilt_tables(lake, pipeline.name, with_models=False)
        set_aside(lake, replay.instance, pipeline.name, tables, with_models=False, to=home / "aside")
    assert not lake.has("wearable/training_set")
    replay_all(pipeline, home, first=0, last=3)
    again = history(pipeline, connected(home))
    assert len(again) == 3
    # A champion that no report has sketched before the rebuild is compared with nothing, and the report says so.
    assert all(one.headline for one in again)
