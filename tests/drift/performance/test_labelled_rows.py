"""Only labels that are known by now are seen."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from drift.performance.labelled_rows import count_rows, labels_known, read_scored_rows, scored_labels

INSTANT = pa.timestamp("us", tz="UTC")
DAY = 86_400_000_000


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """Return four labels: known on day 1, on day 3, without label, never known."""
    opened = duckdb.connect()
    ids = ["a", "b", "c", "d"]
    times = pa.array([DAY, 3 * DAY, DAY, None], pa.int64()).cast(INSTANT)
    made = pa.array([4, 3, 2, 1], pa.int64()).cast(INSTANT)
    labels = {"row_id": ids, "event_timestamp": made, "label": [1, 0, None, 1], "label_time": times}
    opened.register("labels", pa.table(labels))
    scored = {
        "row_id": ids,
        "event_timestamp": made,
        "model_version": pa.array([1, 1, 1, 2], pa.int32()),
        "score": [0.1, 0.2, 0.3, 0.4],
    }
    opened.register("predictions", pa.table(scored))
    return opened


def day(number: int) -> datetime:
    return datetime(1970, 1, 1 + number, tzinfo=UTC)


def test_a_label_is_known_from_its_time_on(connection: duckdb.DuckDBPyConnection) -> None:
    assert count_rows(connection, labels_known("labels", until=day(1))) == 0
    assert count_rows(connection, labels_known("labels", until=day(2))) == 1
    assert count_rows(connection, labels_known("labels", until=day(4))) == 2
    assert count_rows(connection, labels_known("labels", until=day(4), since=day(2))) == 1


def test_only_scores_of_the_asked_version_are_joined_in_order_of_time(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    known = labels_known("labels", until=day(9))
    rows = read_scored_rows(connection, scored_labels(known, "predictions", 1, "binary"), "binary", ())
    assert rows.scored.labels.tolist() == [0.0, 1.0]
    assert rows.scored.scores.tolist() == [0.2, 0.1]
    assert read_scored_rows(connection, scored_labels(known, "predictions", 2, "binary"), "binary", ()).n == 0


def test_a_key_that_comes_again_meets_the_label_of_its_own_instant(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    # The next load of a snapshot: the same keys, a day later.
    again = "(SELECT * REPLACE (event_timestamp + INTERVAL 1 DAY AS event_timestamp, 0.9 AS score) FROM predictions)"
    both = f"(SELECT * FROM predictions UNION ALL SELECT * FROM {again})"
    known = labels_known("labels", until=day(9))
    rows = read_scored_rows(connection, scored_labels(known, both, 1, "binary"), "binary", ())
    assert rows.scored.scores.tolist() == [0.2, 0.1]


def test_a_class_that_the_model_never_saw_stays_beyond_its_classes() -> None:
    opened = duckdb.connect()
    rows = {
        "label": ["cat", "fox", "dog", "emu"],
        "event_timestamp": pa.array([1, 2, 3, 4], pa.int64()).cast(INSTANT),
        "scores": [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5]],
        "prediction": ["cat", "dog", "dog", "cat"],
    }
    opened.register("rows", pa.table(rows))
    read = read_scored_rows(opened, "rows", "multiclass", ("cat", "dog"))
    assert read.scored.labels.tolist() == [0.0, 3.0, 1.0, 2.0]
    assert read.scored.scores.tolist() == [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5]]
    assert read.scored.n_unseen == 2
