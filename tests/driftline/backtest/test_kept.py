"""Tests of kept trainings: read back as they were, and trained anew where a file is not whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from declaration.model import ModelSpec
from drift.backtesting.trainer import Question, Trainer
from driftline.backtest.kept import MAX_HISTORIES, KeptTrainings, kept_trainings
from driftline.backtest.past import Past
from tests.drift.backtesting.worlds import world

MODEL = ModelSpec(candidates=("logistic_regression",))
HISTORY = world(0, n_windows=8)
FIRST, PLAIN = Question(3, None), Question(5, 2, frozenset({4}), is_plain=True)


@pytest.fixture
def kept(tmp_path: Path) -> KeptTrainings:
    return KeptTrainings(tmp_path / "kept")


@pytest.mark.parametrize("question", [FIRST, PLAIN])
def test_a_training_is_read_back_as_it_was(kept: KeptTrainings, question: Question) -> None:
    done = Trainer(HISTORY, MODEL, kept=kept).train(question)
    assert done is not None
    again = Trainer(HISTORY, MODEL, kept=kept)
    read = again.train(question)
    assert read is not None
    assert (again.n_trained, again.n_read) == (0, 1)
    assert (read.first, read.left_out, read.since_us, read.cpu_s) == (done.first, done.left_out, done.since_us, done.cpu_s)  # fmt: skip
    np.testing.assert_array_equal(read.score_window(HISTORY, 6), done.score_window(HISTORY, 6))
    if done.judgement is not None:
        assert read.judged.rows.equals(done.judged.rows)
        assert (read.judged.metric, read.judged.holdout_metric) == ("roc_auc", done.judged.holdout_metric)
        assert read.judged.importances == done.judged.importances


def test_another_question_is_another_training(kept: KeptTrainings) -> None:
    Trainer(HISTORY, MODEL, kept=kept).train(FIRST)
    assert kept.read(replace(FIRST, champion_knows_until_us=1)) is None
    assert kept.read(replace(FIRST, is_adaptive=False)) is None


@pytest.mark.parametrize("ending", ["json", "model", "parquet"])
def test_a_file_that_is_not_whole_is_trained_anew(kept: KeptTrainings, ending: str) -> None:
    Trainer(HISTORY, MODEL, kept=kept).train(FIRST)
    (file,) = kept.folder.glob(f"*.{ending}")
    file.write_bytes(file.read_bytes()[:40])
    again = Trainer(HISTORY, MODEL, kept=kept)
    assert again.train(FIRST) is not None
    assert (again.n_trained, again.n_read) == (1, 0)
    assert kept.read(FIRST) is not None


def test_another_history_or_algorithm_has_a_folder_of_its_own_and_few_are_kept(tmp_path: Path) -> None:
    past = Past(HISTORY, ("tiny/labels@3",), 100, 800, 8, 12, 0)
    spec = ModelSpec(candidates=("logistic_regression",), train_window=4)
    first = kept_trainings(tmp_path, "tiny", past, MODEL)
    assert kept_trainings(tmp_path, "tiny", past, spec) == first
    others = [
        kept_trainings(tmp_path, "tiny", replace(past, reads=(f"tiny/labels@{n}",)), MODEL) for n in range(9)
    ]
    others.append(kept_trainings(tmp_path, "tiny", past, ModelSpec(candidates=("random_forest",))))
    assert len({one.folder for one in (first, *others)}) == 10
    assert len(list((tmp_path / "backtest" / "tiny").iterdir())) <= MAX_HISTORIES
