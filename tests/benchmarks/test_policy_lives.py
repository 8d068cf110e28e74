"""Tests of lives under plain schedules and under the product's own decisions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.policy.life import live, trainer_of
from benchmarks.policy.ours import ours
from benchmarks.policy.streams.concepts import abrupt
from benchmarks.policy.streams.logistic import Logistic, draw_logistic
from benchmarks.policy.streams.stream import Stream
from declaration.drift import RetrainSpec
from drift.backtesting.plain import EveryWindow, Never, evenly
from drift.backtesting.trainer import Question, Trainer
from learning.training_rows import microseconds


@pytest.fixture(scope="module")
def stream() -> Stream:
    """Four live windows, the concept changing in the second of them."""
    return draw_logistic("small", 0, Logistic(abrupt, n_rows=300, first_onset=1, n_live=4))


@pytest.fixture(scope="module")
def trainer(stream: Stream) -> Trainer:
    """Trainings, each done once for all tests."""
    return trainer_of(stream)


def test_never_trains_never_and_loses_with_the_change(stream: Stream, trainer: Trainer):
    life = live("never", stream, Never(), trainer)
    assert life.trainings == life.promotions == life.rollbacks == ()
    assert life.quality[0] - np.mean(life.quality[1:]) > 0.1


def test_every_batch_trains_at_every_end_and_serves_what_comes_out(stream: Stream, trainer: Trainer):
    life = live("every batch", stream, EveryWindow(2), trainer)
    assert life.trainings == tuple(stream.live)
    assert len(life.promotions) == len(stream.live)


def test_a_training_sees_the_labels_that_are_known_at_its_end_and_no_later_ones(
    stream: Stream, trainer: Trainer
):
    version = trainer.train(Question(7, 3, is_plain=True))
    assert version is not None
    learned = version.learned(stream.history)
    assert set(learned["_source_partition"].to_pylist()) == {"005", "006", "007"}
    assert microseconds(learned["label_time"]).max() < stream.start_us(8)


def test_the_same_question_is_trained_once(trainer: Trainer):
    assert trainer.train(Question(6, None)) is trainer.train(Question(6, None))


def test_ours_answers_an_abrupt_change_with_a_training_of_what_came_since(stream: Stream, trainer: Trainer):
    life = live("ours", stream, ours(stream, RetrainSpec(min_new_labels=100)), trainer)
    onset = stream.onsets[0] - stream.n_history
    asked = [window for window, answer in enumerate(life.answers) if answer.loss_since is not None]
    assert asked[0] == onset
    assert life.answers[onset].loss_since == stream.onsets[0]
    assert life.promotions[0].gain > 0


@pytest.mark.parametrize(("n", "phase", "at"), [(2, 0.0, {6, 8}), (2, 0.5, {7, 9}), (0, 0.5, set())])
def test_a_schedule_is_even(n: int, phase: float, at: set[int]):
    assert evenly(range(6, 10), n, phase).at == at
