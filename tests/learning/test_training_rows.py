"""Reading a partition of the training set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from learning.training_rows import LabelsNeededError, TrainingError, read_training_set

Builder = Callable[..., pa.Table]


def test_the_digest_follows_every_value(make_training_table: Builder) -> None:
    table = make_training_table(200)
    digests = {read_training_set(table, "binary").digest}
    for name in ("signal__x", "label", "label_time"):
        column = table[name].combine_chunks()
        changed = pa.concat_arrays([column.slice(1, 1), column.slice(1)])
        position = table.column_names.index(name)
        digests.add(read_training_set(table.set_column(position, name, changed), "binary").digest)
    # Rows 0 and 1 may have the same label; the others differ.
    assert len(digests) >= 3


def test_rows_without_a_label_are_left_out(make_training_table: Builder) -> None:
    table = make_training_table(400)
    is_open = pa.array(np.arange(400) % 4 == 0)
    labels = pc.if_else(is_open, pa.scalar(None, pa.int8()), table["label"].combine_chunks())
    table = table.set_column(table.column_names.index("label"), "label", labels)
    assert read_training_set(table, "binary").labels.size == 300


def test_a_training_set_without_features_is_refused(make_training_table: Builder) -> None:
    bare = make_training_table(200).select(["row_id", "event_timestamp", "label", "label_time"])
    with pytest.raises(TrainingError, match=r"has no features\. Declare a view .* target\.request_features"):
        read_training_set(bare, "binary")
    with pytest.raises(LabelsNeededError, match="no labelled rows"):
        read_training_set(bare.slice(0, 0), "binary")


def test_no_labels_at_all_are_waited_for(make_training_table: Builder) -> None:
    with pytest.raises(LabelsNeededError, match="no labelled rows"):
        read_training_set(make_training_table(200).slice(0, 0), "binary")


def test_one_class_is_waited_for(make_training_table: Builder) -> None:
    table = make_training_table(400)
    with pytest.raises(
        LabelsNeededError, match=r"all \d+ labelled rows have the label 1: there is nothing to tell apart"
    ):
        read_training_set(table.filter(pc.equal(table["label"], 1)), "binary")


def test_a_class_for_every_row_is_waited_for(make_training_table: Builder) -> None:
    table = make_training_table(200, problem="multiclass")
    every = pa.array([f"k{i}" for i in range(200)])
    table = table.set_column(table.column_names.index("label"), "label", every)
    with pytest.raises(LabelsNeededError, match="200 labelled rows have 200 labels: most come once"):
        read_training_set(table, "multiclass")


def test_labels_other_than_zero_and_one_are_refused(make_training_table: Builder) -> None:
    table = make_training_table(200, problem="regression")
    with pytest.raises(TrainingError, match="binary labels are 0 and 1"):
        read_training_set(table, "binary")
