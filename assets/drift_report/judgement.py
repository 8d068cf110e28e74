"""Judgement of a window: the evidence for the policy, the decision, and the signals for the alerts; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assets.drift_report.quality import WindowQuality
from assets.drift_report.signals import Signals, signals_of
from declaration.partitioning import Window, partitioning
from declaration.spec import PipelineSpec
from drift.performance.open_loss import OpenLoss
from drift.retraining.policy import Evidence, RetrainDecision, decide_monitoring, decide_retrain
from drift.window import Findings, evidence_of, loss_after
from drift.wording import drift_text


@dataclass(frozen=True)
class Circumstances:
    """Facts beside a window's findings that the decision to train depends on.

    Attributes
    ----------
    n_new_labels
        Labels known now that the champion could not have learned from.
    loss_before
        The loss that was open after the window before.
    newest_training
        Partition of the newest training; None where there was none.
    loss_trainings
        Partitions of the trainings that a confirmed loss asked for.
    waits
        Why the newest training was not made, in words; empty where it was.
    n_labels_since_wait
        Labels that have become known since; None where nothing waits, or another declaration did.
    """

    n_new_labels: int
    loss_before: OpenLoss | None = None
    newest_training: str | None = None
    loss_trainings: frozenset[str] = frozenset()
    waits: str = ""
    n_labels_since_wait: int | None = None

    def n_trainings_of(self, loss: OpenLoss | None) -> int:
        """Count the trainings that a loss has asked for."""
        return 0 if loss is None else sum(partition >= loss.since for partition in self.loss_trainings)


@dataclass(frozen=True)
class WindowReport:
    """Result of a drift report: findings, data quality, decision, signals, and the loss that stays open."""

    window: Window
    findings: Findings
    quality: WindowQuality
    decision: RetrainDecision
    signals: Signals
    open_loss: OpenLoss | None = None


def weigh_evidence(
    window: Window,
    findings: Findings,
    circumstances: Circumstances,
    quality: WindowQuality,
    spec: PipelineSpec,
) -> tuple[Evidence, OpenLoss | None]:
    """Put a window's findings and its circumstances together for the policy.

    Returns
    -------
    tuple
        The evidence, and what is to be regained after this window.
    """
    problem, champion = spec.learned.problem, findings.champion

    def since(partition: str | None) -> int | None:
        return None if partition is None else partitioning(spec.partitions).n_since(partition, window)

    open_loss = loss_after(
        findings,
        circumstances.loss_before,
        problem=problem,
        partition=window.key,
        n_trainings=circumstances.n_trainings_of(circumstances.loss_before),
    )
    evidence = evidence_of(
        findings,
        problem=problem,
        drift=spec.drift,
        n_new_labels=circumstances.n_new_labels,
        age=since(champion.trained_as_of if champion else None),
        since_training=since(circumstances.newest_training),
        faults=quality.faults,
        open_loss=open_loss,
        since_loss=since(open_loss.since if open_loss else None) or 0,
        n_loss_trainings=circumstances.n_trainings_of(open_loss),
    )
    waits, n_labels = circumstances.waits, circumstances.n_labels_since_wait
    return replace(evidence, waits=waits, n_labels_since_wait=n_labels), open_loss


def judge_window(
    window: Window,
    findings: Findings,
    circumstances: Circumstances,
    quality: WindowQuality,
    spec: PipelineSpec,
    *,
    rollback: str = "",
) -> WindowReport:
    """Decide whether to train; `rollback` says why the champion's predecessor serves again, if it does."""
    evidence, open_loss = weigh_evidence(window, findings, circumstances, quality, spec)
    evidence = replace(evidence, rollback=rollback)
    signals = signals_of(
        findings,
        quality.faults,
        loss=evidence.loss or evidence.unrecovered_loss,
        estimated_loss=evidence.estimated_loss,
        rollback=rollback,
        likely=spec.drift.likely,
    )
    return WindowReport(window, findings, quality, decide_retrain(evidence, spec.retrain), signals, open_loss)


def judge_monitoring(
    window: Window, findings: Findings, quality: WindowQuality, spec: PipelineSpec
) -> WindowReport:
    """Judge a window of a pipeline without a target: nothing is trained, and a person is told what moved."""
    drift = drift_text(findings.verdict, spec.drift.min_rows) if findings.verdict else ""
    decision = decide_monitoring(findings.verdict, quality.faults, drift, spec.drift.likely)
    signals = signals_of(findings, quality.faults, likely=spec.drift.likely)
    return WindowReport(window, findings, quality, decision, signals)
