"""Judgement of a window: the evidence for the policy, the decision, and the signals for the alerts; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assets.drift_report.quality import WindowQuality
from assets.drift_report.signals import Signals, signals_of
from declaration.partitioning import Window, partitioning
from declaration.spec import PipelineSpec
from declaration.target import ProblemType
from drift.evidence import evidence_of, loss_after
from drift.findings import Findings
from drift.headline import told_loss, with_headline, with_monitoring_headline
from drift.performance.open_loss import OpenLoss, is_regained
from drift.retraining.policy import Evidence, RetrainDecision, decide_monitoring, decide_retrain
from drift.wording import drift_text, given_up_text


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
    trainings
        Partitions of all trainings.
    waits
        Why the newest training was not made, in words; empty where it was.
    n_labels_since_wait
        Labels that have become known since; None where nothing waits, or another declaration did.
    approval
        In words that a challenger waits for a person's approval; empty where none does.
    """

    n_new_labels: int
    loss_before: OpenLoss | None = None
    newest_training: str | None = None
    loss_trainings: frozenset[str] = frozenset()
    trainings: frozenset[str] = frozenset()
    waits: str = ""
    n_labels_since_wait: int | None = None
    approval: str = ""

    def n_trainings_of(self, loss: OpenLoss | None) -> int:
        """Count the trainings that a loss has asked for."""
        return 0 if loss is None else sum(partition >= loss.since for partition in self.loss_trainings)

    def n_trainings_since(self, loss: OpenLoss | None) -> int:
        """Count all trainings since a loss, whoever asked for them."""
        return 0 if loss is None else sum(partition >= loss.since for partition in self.trainings)


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
    """Combine a window's findings and its circumstances into the policy's evidence.

    Returns
    -------
    tuple
        The evidence, and what is to be regained after this window.
    """
    problem, champion = spec.learned.problem, findings.champion

    def since(partition: str | None) -> int | None:
        return None if partition is None else partitioning(spec.partitions).n_since(partition, window)

    loss_before = circumstances.loss_before
    n_trainings = circumstances.n_trainings_since(loss_before)
    open_loss = loss_after(
        findings, loss_before, problem=problem, partition=window.key, n_trainings=n_trainings
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
    evidence = replace(
        evidence,
        given_up_loss=_given_up(findings, loss_before, open_loss, problem, n_trainings),
        waits=circumstances.waits,
        n_labels_since_wait=circumstances.n_labels_since_wait,
        approval=circumstances.approval,
    )
    return evidence, open_loss


def _given_up(
    findings: Findings,
    before: OpenLoss | None,
    after: OpenLoss | None,
    problem: ProblemType,
    n_trainings: int,
) -> str:
    champion, measured = findings.champion, findings.measured
    if before is None or after is not None or champion is None or measured.metric != champion.metric:
        return ""
    if is_regained(before, measured, problem, champion.metric):
        return ""
    return given_up_text(before.objective, before.since, measured, n_trainings)


def judge_window(
    window: Window,
    findings: Findings,
    circumstances: Circumstances,
    quality: WindowQuality,
    spec: PipelineSpec,
    *,
    rollback: str = "",
    beaten: str = "",
) -> WindowReport:
    """Decide whether to train.

    `rollback` says why the champion's predecessor serves again, and `beaten` that it would be better but
    has surely lost as well.
    """
    evidence, open_loss = weigh_evidence(window, findings, circumstances, quality, spec)
    evidence = replace(evidence, rollback=rollback, beaten=beaten)
    decision = with_headline(decide_retrain(evidence, spec.retrain), findings, evidence, open_loss)
    signals = signals_of(
        findings,
        quality.faults,
        loss=told_loss(findings, evidence, open_loss),
        estimated_loss=evidence.estimated_loss,
        rollback=rollback,
        likely=spec.drift.likely,
    )
    return WindowReport(window, findings, quality, decision, signals, open_loss)


def judge_monitoring(
    window: Window, findings: Findings, quality: WindowQuality, spec: PipelineSpec
) -> WindowReport:
    """Judge a window of a pipeline without a target: nothing is trained, and a person is told what moved."""
    drift = drift_text(findings.verdict, spec.drift.min_rows) if findings.verdict else ""
    decision = decide_monitoring(findings.verdict, quality.faults, drift, spec.drift.likely)
    decision = with_monitoring_headline(decision, findings)
    signals = signals_of(findings, quality.faults, likely=spec.drift.likely)
    return WindowReport(window, findings, quality, decision, signals)
