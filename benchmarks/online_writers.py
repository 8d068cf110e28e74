"""Writers in processes of their own, killed while they write: SQLite has no server that could be."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 60.0


class RefusedError(Exception):
    """A writer's store did not take the rows, for the reason that is named."""


@dataclass
class WriterProcesses:
    """Processes that write what they are handed, and answer when the store has taken it."""

    folder: Path
    online: Mapping[str, Any]
    n_writers: int
    writers: Sequence[tuple[BaseProcess, Connection]] = ()

    def start(self) -> None:
        """Start them, and wait until all can write."""
        # Forked from a process that has Feast imported and no threads: a new one takes no time.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["feast", "benchmarks.online_subject", "feature_repo.online_sqlite"])
        started = []
        for _ in range(self.n_writers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_write_on, args=(self.folder, dict(self.online), theirs))
            process.start()
            theirs.close()
            started.append((process, ours))
        for process, ours in started:
            if not ours.poll(START_TIMEOUT_S):
                raise RefusedError(f"writer {process.pid} did not start in {START_TIMEOUT_S:.0f} s")
            ours.recv()
        self.writers = started

    def kill(self) -> None:
        """End them wherever they are."""
        for process, _ in self.writers:
            process.kill()
        for process, _ in self.writers:
            process.join()

    stop = kill

    def write(self, number: int, entities: Sequence[int], moments: Sequence[int]) -> None:
        """Have one writer write rows.

        Raises
        ------
        RefusedError
            If its store did not take them.
        OSError, EOFError
            If the writer is dead.
        """
        _, connection = self.writers[number]
        connection.send((entities, moments))
        refusal = connection.recv()
        if refusal:
            raise RefusedError(refusal)


def _write_on(folder: Path, online: Mapping[str, Any], connection: Connection) -> None:
    """Write what comes, until nobody is there who sends."""
    from benchmarks.online_subject import open_subject

    subject = open_subject(folder, online, register=False)
    connection.send("")
    while True:
        try:
            entities, moments = connection.recv()
        except EOFError:
            return
        try:
            subject.write(entities, moments)
        except Exception as error:  # noqa: BLE001 (handed to the parent, which counts it)
            connection.send(type(error.__cause__ or error).__name__)
        else:
            connection.send("")
