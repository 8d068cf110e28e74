"""Limits of a query: its time, and an engine that gives up in the midst of a stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

INTERRUPT_EVERY_S = 0.05

STREAMED = {
    "INTERRUPT Error": duckdb.InterruptException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "Conversion Error": duckdb.ConversionException,
}
"""The engine's errors by how their messages begin."""


@contextmanager
def stopped_after(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """Interrupt what the engine does when the time is over; None lets it end.

    Raises
    ------
    duckdb.InterruptException
        From what was interrupted.
    """
    if seconds is None:
        yield
        return
    is_done = threading.Event()

    def stop() -> None:
        # Again and again: between two statements there is nothing to interrupt.
        wait = seconds
        while not is_done.wait(wait):
            connection.interrupt()
            wait = INTERRUPT_EVERY_S

    watch = threading.Thread(target=stop, daemon=True)
    watch.start()
    try:
        yield
    finally:
        is_done.set()
        watch.join()


@contextmanager
def engine_errors() -> Iterator[None]:
    """Raise the engine's own errors while its stream is read: Arrow makes an `OSError` of any.

    Raises
    ------
    duckdb.Error
        What the engine said.
    """
    try:
        yield
    except OSError as error:
        for beginning, kind in STREAMED.items():
            if str(error).startswith(beginning):
                raise kind(str(error)) from error
        raise
