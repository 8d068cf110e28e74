"""Trials of a training in the lake: an interrupted search goes on where it was, and what was tried can be read."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from declaration.lake_table import LakeTable
from learning.search.trials import Trial

if TYPE_CHECKING:
    from resources.lake.lake import Lake

TRIALS = LakeTable(
    "trials",
    pa.schema(
        [
            ("training_key", pa.string()),
            ("training_partition", pa.string()),
            ("candidate", pa.string()),
            ("number", pa.int32()),
            ("params", pa.string()),
            ("loss", pa.float64()),
            ("fold_losses", pa.list_(pa.field("element", pa.float64()))),
            ("cpu_seconds", pa.float64()),
        ]
    ),
)
"""A row per finished trial; `params` is JSON, `loss` the metric as a loss, `training_key` the fingerprint of the training."""

MAX_FILES = 64
"""Files of the table from which it is merged: each trial is one."""


@dataclass(frozen=True)
class LakeTrialLog:
    """Trials of one training in its pipeline's table; each is a commit of its own, whole or not there.

    Attributes
    ----------
    lake, pipeline
        Where.
    training_key, partition
        Which training.
    commit
        Kept in the lake's commits.

    Candidates that are searched side by side share it.
    """

    lake: Lake
    pipeline: str
    training_key: str
    partition: str
    commit: Mapping[str, str]
    _turn: AbstractContextManager[object] = field(default_factory=threading.RLock, repr=False, compare=False)

    def finished(self, candidate: str) -> Sequence[Trial]:
        """Return the trials that are kept, by number: of two runs that did the same the quicker, and none after a gap."""
        table = TRIALS.of(self.pipeline)
        if not self.lake.has(table):
            return []
        with self._turn:
            self.lake.compact(table, above=MAX_FILES)
            rows = self.lake.read(table)
        is_ours = pc.and_(
            pc.equal(rows["training_key"], self.training_key), pc.equal(rows["candidate"], candidate)
        )
        order = [(name, "ascending") for name in ("number", "cpu_seconds")]
        found: dict[int, Trial] = {}
        for row in rows.filter(is_ours).sort_by(order).to_pylist():
            trial = Trial(
                row["number"],
                json.loads(row["params"]),
                row["loss"],
                tuple(row["fold_losses"]),
                row["cpu_seconds"],
            )
            if trial.number == len(found):
                found[trial.number] = trial
        return list(found.values())

    def keep(self, candidate: str, trial: Trial) -> None:
        """Append a trial to the table."""
        row = {
            "training_key": self.training_key,
            "training_partition": self.partition,
            "candidate": candidate,
            "number": trial.number,
            "params": json.dumps(dict(trial.params), sort_keys=True),
            "loss": trial.loss,
            "fold_losses": list(trial.fold_losses),
            "cpu_seconds": trial.cpu_seconds,
        }
        with self._turn:
            self.lake.append(TRIALS.of(self.pipeline), TRIALS.rows([row]), commit=self.commit)
