"""Backtest of a policy: what it would have decided, window by window, from the stored sketches, predictions and labels.

Nothing is trained or written. Models served as they did: a decision is compared with the one that was
made in the same place, not with a history that would have gone another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.drift_report.judgement import weigh_evidence
from assets.drift_report.tables_read import read_quality
from assets.drift_report.window_inputs import examine_window, read_circumstances, trainings_of
from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from drift.performance.open_loss import OpenLoss
from drift.retraining.policy import RetrainDecision, decide_retrain
from resources.connections import Connections
from resources.model_registry.ledger import read_ledger
from resources.model_registry.open_approval import open_approval
from resources.model_registry.waits import read_waits


class RedecisionError(DriftlineError):
    """There is no history to decide anew."""


@dataclass(frozen=True)
class Redecision:
    """One window under another policy.

    Attributes
    ----------
    partition
        The window.
    was_requested, was
        What was decided: whether a training was asked for, and the reason.
    now
        What would have been decided.
    drifted_before, drifted_now
        Features called drifted.
    """

    partition: str
    was_requested: bool
    was: str
    now: RetrainDecision
    drifted_before: tuple[str, ...]
    drifted_now: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        """Another decision, or the same for another reason."""
        return (self.was_requested, self.was) != (self.now.is_requested, self.now.reason)


def backtest(
    pipeline: Pipeline, connections: Connections, *, first: str | None = None, last: str | None = None
) -> Iterator[Redecision]:
    """Decide every reported window anew, oldest first.

    Parameters
    ----------
    pipeline
        With the other policy in its `drift` and `retrain` blocks.
    connections
        Lake, engine and registry.
    first, last
        Partition keys to stay between; by default all.

    Raises
    ------
    RedecisionError
        If no window has been reported, or the pipeline has no target.
    """
    table = pipeline.table("drift_decisions")
    if pipeline.spec.target is None:
        raise RedecisionError(f"'{pipeline.name}' has no target: nothing is ever trained for it.")
    if not connections.lake.has(table):
        raise RedecisionError(
            f"'{pipeline.name}' has no drift reports yet. Run `driftline replay {pipeline.name}` first."
        )
    rows = sorted(connections.lake.read(table).to_pylist(), key=lambda row: row["partition"])
    decisions = read_ledger(connections.lake, pipeline.name)
    trainings = trainings_of(decisions)
    waits = read_waits(connections.lake, pipeline.name)
    loss: OpenLoss | None = None
    for row in rows:
        key = row["partition"]
        if (last is not None and key > last) or (first is not None and key < first):
            continue
        window = partitioning(pipeline.spec.partitions).window(key)
        with connections.engine.connect() as connection:
            examined = examine_window(
                pipeline,
                window,
                connections.lake,
                connection,
                connections.registry,
                serving=row["model_version"],
            )
            quality = read_quality(pipeline, window, connections.lake, connection)
            circumstances = read_circumstances(
                pipeline,
                window,
                examined,
                connection,
                loss_before=loss,
                # A training as of this window came after its report.
                trainings=[entry for entry in trainings if entry.partition < key],
                waits=[wait for wait in waits if wait.partition < key],
                approval=open_approval(
                    [entry for entry in decisions if entry.instant < row["decided_at"]], row["decided_at"]
                ),
            )
        evidence, loss = weigh_evidence(window, examined.findings, circumstances, quality, pipeline.spec)
        yield Redecision(
            partition=key,
            was_requested=row["is_retrain_requested"],
            was=row["reason"],
            now=decide_retrain(evidence, pipeline.spec.retrain),
            drifted_before=tuple(row["drifted_features"] or ()),
            drifted_now=evidence.drifted_features,
        )


def print_backtest(pipeline: Pipeline, decided: Sequence[Redecision], console: Console) -> None:
    """Print what differs, window by window, and how many trainings each policy asks for."""
    table = Table(title=f"{pipeline.name}: what was decided, and what would have been", title_justify="left")
    for name in ("partition", "was", "would be", "drifted features"):
        table.add_column(name)
    for decision in decided:
        change = _features(decision)
        if decision.is_changed or change:
            cells = (
                decision.partition,
                _decision(decision.was_requested, decision.was),
                _now(decision),
                change,
            )
            table.add_row(*map(Text, cells))
    if table.row_count:
        console.print(table)
    n_same = len(decided) - table.row_count
    was, now = (
        sum(decision.was_requested for decision in decided),
        sum(decision.now.is_requested for decision in decided),
    )
    console.print(
        f"{n_same} of {len(decided)} windows are decided alike. Trainings asked for: {was} before, {now} under this "
        "policy, with the models that served then. What other trainings would have been worth is told by "
        f"`driftline backtest {pipeline.name} --compare`.",
        highlight=False,
    )


def _now(decision: Redecision) -> str:
    return _decision(decision.now.is_requested, decision.now.reason) if decision.is_changed else "the same"


def _decision(is_requested: bool, reason: str) -> str:
    return f"train: {reason}" if is_requested else reason


def _features(decision: Redecision) -> str:
    before, now = set(decision.drifted_before), set(decision.drifted_now)
    return ", ".join(
        [*(f"+{name}" for name in sorted(now - before)), *(f"-{name}" for name in sorted(before - now))]
    )
