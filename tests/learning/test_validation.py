"""Validation: who judges, who is learned from, and who a search may see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from learning.train import train_model
from learning.training_rows import LabelsNeededError, read_training_set
from learning.validation import Validation, validation
from tests.fixtures.training_world import training_table

HOUR_US = 3_600_000_000
SEARCH = {"use": "decision_tree", "search": {"trials": 3, "method": "random"}}


def spec_of(**settings: Any) -> ModelSpec:
    return ModelSpec.model_validate({"candidates": ["decision_tree"], **settings})


def knows(fold: int, validated: Validation) -> np.ndarray:
    """Return the rows that a fold's models learn from."""
    return np.flatnonzero(~validated.judged.held_out[fold])


def test_rolling_folds_know_nothing_that_came_later() -> None:
    data = read_training_set(training_table(1_000), "binary")
    validated = validation(
        data, spec_of(validation={"method": "rolling_origin", "folds": 4, "embargo": "12h"})
    )
    judged = validated.judged
    # A first model: the newest half, in four folds.
    assert judged.rows.tolist() == list(range(500, 1_000))
    assert np.bincount(judged.folds).tolist() == [125] * 4
    for fold in range(4):
        first = data.event_time_us[judged.rows[judged.folds == fold]].min()
        assert data.label_time_us[knows(fold, validated)].max() < first - 12 * HOUR_US
    # A row each 57.6 minutes: 12 and 3 hours are 15.6 rows.
    assert knows(0, validated).size == 500 - 15


def test_later_trainings_judge_the_rows_of_today_in_time_order() -> None:
    data = read_training_set(training_table(1_500), "binary")
    champion = int(data.label_time_us[1_000])
    today, rolling = (
        validation(data, spec_of(validation={"method": method}), champion_knows_until_us=champion).judged
        for method in ("judged", "rolling_origin")
    )
    np.testing.assert_array_equal(today.rows, rolling.rows)


def test_nothing_declared_is_what_was_judged_before() -> None:
    data = read_training_set(training_table(800), "binary")
    for spec in (spec_of(), spec_of(validation={})):
        validated = validation(data, spec)
        assert validated.judged.rows.size == 800
        assert validated.searched.size == 0


@pytest.mark.parametrize("champion", [None, 1_000])
def test_a_search_sees_what_was_known_before_the_judged_rows(champion: int | None) -> None:
    data = read_training_set(training_table(1_500), "binary")
    at = None if champion is None else int(data.label_time_us[champion])
    validated = validation(
        data, spec_of(candidates=[SEARCH], validation={"embargo": "1d"}), champion_knows_until_us=at
    )
    first = data.event_time_us[validated.judged.rows].min()
    assert validated.searched.size > 500
    assert data.label_time_us[validated.searched].max() < first - 24 * HOUR_US


def loads(n_rows: int) -> pa.Table:
    """The same rows in two loads, all at the instant of the load: there is no time."""
    parts = []
    for load in range(2):
        table = training_table(n_rows)
        at = pa.array([datetime(2024, load + 1, 1, tzinfo=UTC)] * n_rows, pa.timestamp("us", tz="UTC"))
        for name in ("event_timestamp", "label_time"):
            table = table.set_column(table.column_names.index(name), name, at)
        parts.append(table)
    return pa.concat_tables(parts)


def test_drawn_folds_hold_a_row_out_wherever_it_comes_again() -> None:
    data = read_training_set(loads(400), "binary")
    validated = validation(data, spec_of(candidates=[SEARCH], validation={"method": "stratified_kfold"}))
    judged = validated.judged
    # Two of five parts are the search's.
    assert validated.searched.size == pytest.approx(0.4 * 800, abs=4)
    assert not np.isin(data.row_numbers[validated.searched], data.row_numbers[judged.rows]).any()
    for fold in range(5):
        held = data.row_numbers[judged.rows[judged.folds == fold]]
        assert not np.isin(data.row_numbers[knows(fold, validated)], held).any()
        assert data.labels[judged.rows[judged.folds == fold]].mean() == pytest.approx(
            data.labels.mean(), abs=0.03
        )


def test_grouped_folds_keep_an_entity_together_and_drawn_ones_say_that_they_do_not() -> None:
    data = read_training_set(loads(400), "binary")
    entities = data.row_numbers % 60
    grouped = validation(
        data,
        spec_of(candidates=[SEARCH], validation={"method": "grouped_kfold", "folds": 4}),
        entities=entities,
    )
    judged = grouped.judged
    assert len(judged.held_out) == 4
    for fold in range(4):
        held = entities[judged.rows[judged.folds == fold]]
        assert not np.isin(entities[knows(fold, grouped)], held).any()
    assert not np.isin(entities[grouped.searched], entities[judged.rows]).any()
    drawn = validation(data, spec_of(validation={"method": "stratified_kfold"}), entities=entities)
    assert drawn.note.startswith("60 of 60 entities have rows in several folds")
    assert grouped.note == ""


def test_a_grouping_that_is_not_known_is_no_grouping() -> None:
    data = read_training_set(training_table(800), "binary")
    with pytest.raises(LabelsNeededError, match="needs the entity of each row"):
        validation(data, spec_of(validation={"method": "grouped_kfold"}))
    with pytest.raises(LabelsNeededError, match="has 3 entities for 5 folds"):
        validation(data, spec_of(validation={"method": "grouped_kfold"}), entities=np.arange(800) % 3)


def test_rows_of_one_instant_cannot_roll() -> None:
    data = read_training_set(loads(400).slice(0, 400), "binary")
    with pytest.raises(LabelsNeededError, match="rolling_origin needs 100 rows"):
        validation(data, spec_of(validation={"method": "rolling_origin"}))


def test_a_training_without_time_searches_and_spans_do_not_compete() -> None:
    data = read_training_set(loads(500), "binary")
    training = train_model(
        data, spec_of(candidates=[SEARCH], validation={"method": "stratified_kfold", "folds": 3})
    )
    assert len(training.searches["decision_tree"].trials) == 3
    assert [result.span.name for result in training.spans] == ["all"]
    assert np.unique(training.folds).size == 3


def test_a_search_without_time_says_what_to_declare() -> None:
    data = read_training_set(loads(500), "binary")
    result = train_model(data, spec_of(candidates=[SEARCH])).searches["decision_tree"]
    assert "validation.method: stratified_kfold" in result.obstacle


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"folds": 3}, "name another method"),
        ({"method": "stratified_kfold", "embargo": "1d"}, "a span of time"),
        ({"method": "rolling_origin", "group": ["a"]}, "group needs the method grouped_kfold"),
    ],
)
def test_settings_of_another_method_are_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of(validation=declared)
