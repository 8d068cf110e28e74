"""A long reading tells how far it is; a short one tells nothing."""

from __future__ import annotations

import logging

import pyarrow as pa
import pytest

from sources import progress
from sources.progress import PROGRESS, Progress


def batches(*sizes: int) -> list[pa.RecordBatch]:
    return [pa.record_batch({"x": range(size)}) for size in sizes]


def test_rows_are_counted_and_given_on_as_they_are() -> None:
    seen = Progress("orders")
    assert list(seen.through(batches(3, 0, 4))) == batches(3, 0, 4)
    assert seen.n_rows == 7


def test_only_time_in_the_other_side_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("sources.progress.time.monotonic", lambda: clock[0])

    def slow() -> object:
        for batch in batches(1, 1):
            clock[0] += 2  # in the database
            yield batch

    seen = Progress("orders")
    for _ in seen.through(slow()):  # type: ignore[arg-type]  # a generator of batches
        clock[0] += 100  # in the reader
    assert seen.waited_s == 4


def test_a_line_is_told_when_it_is_due(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("sources.progress.time.monotonic", lambda: clock[0])
    seen = Progress("orders")
    with caplog.at_level(logging.INFO, PROGRESS.name):
        for seconds in (progress.TELL_EVERY_S - 1, 1, 1):
            clock[0] += seconds
            seen.add(1_000)
    assert caplog.messages == ["orders: 2,000 rows so far, 200 a second"]
