"""Tests of edits of a declaration's text: only the asked value changes, whatever way it is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from pipelines.loading.edits import EditError, edit_diff
from pipelines.loading.read import read
from tests.fixtures.tiny import DECLARATION, READINGS_SQL

LONG = """\
  retrain:
    # Labels come the same day.
    on: [performance, schedule]
    max_age: 4  # days
  model:
    candidates: [logistic_regression]
    metric: accuracy
    gate: {min_metric: 0.5, alpha: 0.05}
"""


def declared(folder: Path, blocks: str) -> Path:
    """Write the tiny declaration with other blocks at its end; return its folder."""
    kept = {key: value for key, value in DECLARATION.items() if key not in ("model", "drift", "retrain")}
    place = folder / "edited"
    place.mkdir()
    text = yaml.safe_dump({"type": "driftline.MLPipeline", "attributes": kept}, sort_keys=False)
    (place / "defs.yaml").write_text(text + blocks, encoding="utf-8")
    (place / "recent.sql").write_text(READINGS_SQL, encoding="utf-8")
    return place


def changed(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[0] in "+-" and not line.startswith(("+++", "---"))]


def test_a_value_of_a_block_is_replaced_and_its_comment_stays(tmp_path: Path) -> None:
    pipeline = read(declared(tmp_path, LONG))
    assert changed(edit_diff(pipeline, {("retrain", "max_age"): 10})) == [
        "-    max_age: 4  # days",
        "+    max_age: 10  # days",
    ]


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        (("model", "train_window"), 8, ["+    train_window: 8"]),
        (("retrain", "cooldown"), 0, ["+    cooldown: 0"]),
        (
            ("model", "gate", "inconclusive"),
            "promote",
            [
                "-    gate: {min_metric: 0.5, alpha: 0.05}",
                "+    gate: {min_metric: 0.5, alpha: 0.05, inconclusive: promote}",
            ],
        ),
        (("drift", "max_performance_drop"), 0.02, ["+  drift: {max_performance_drop: 0.02}"]),
        (("model", "metric"), None, ["-    metric: accuracy"]),
        (
            ("model", "gate", "min_metric"),
            None,
            ["-    gate: {min_metric: 0.5, alpha: 0.05}", "+    gate: {alpha: 0.05}"],
        ),
        (
            ("retrain", "on"),
            ("performance", "schedule", "drift"),
            ["-    on: [performance, schedule]", "+    on: [performance, schedule, drift]"],
        ),
        (("model", "adapt_window"), False, ["+    adapt_window: false"]),
    ],
)
def test_keys_are_added_and_taken_away_where_they_belong(
    tmp_path: Path, path: tuple[str, ...], value: object, lines: list[str]
) -> None:
    pipeline = read(declared(tmp_path, LONG))
    assert changed(edit_diff(pipeline, {path: value})) == lines


def test_nothing_is_written_and_the_diff_applies(tmp_path: Path) -> None:
    folder = declared(tmp_path, LONG)
    before = (folder / "defs.yaml").read_text(encoding="utf-8")
    diff = edit_diff(read(folder), {("retrain", "max_age"): 10, ("model", "train_window"): 8})
    assert (folder / "defs.yaml").read_text(encoding="utf-8") == before
    # With as many folders taken off as the path has: the file is beside us.
    n_folders = diff.splitlines()[0].removeprefix("--- ").count("/")
    subprocess.run(
        ["patch", f"-p{n_folders}"], input=diff, text=True, cwd=folder, check=True, capture_output=True
    )
    spec = read(folder).spec
    assert (spec.retrain.max_age, spec.model.train_window) == (10, 8)


@pytest.mark.parametrize("key", ["cooldown", "max_age"])
def test_a_value_that_others_share_is_not_edited(tmp_path: Path, key: str) -> None:
    shared = "  model: {candidates: [logistic_regression]}\n  retrain: {cooldown: &both 2, max_age: *both}\n"
    pipeline = read(declared(tmp_path, shared))
    with pytest.raises(EditError, match=f"so that it only says retrain.{key}: 7. Edit it by hand"):
        edit_diff(pipeline, {("retrain", key): 7})
