"""Headline of a window: one sentence that is never calmer than the worst known fault, and the lead of its decision.

The page, Dagster, the terminal, the alerts and the index all lead with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from drift.columns.verdict import DriftVerdict, Status
from drift.findings import Findings
from drift.performance.open_loss import OpenLoss
from drift.performance.sequential_test import LOSS_NAMES, SequentialTest
from drift.retraining.policy import Evidence, Reason, RetrainDecision
from drift.wording import SUBJECTS

CALM = "Nothing asks for training"
"""Leads only where nothing is known to be wrong."""

CONSEQUENCES: Mapping[Reason, str] = {
    "no_champion": "The first training is asked for.",
    "performance": "A training is asked for.",
    "drift": "A training is asked for.",
    "schedule": "A training is asked for.",
    "rolled_back": "Nothing is trained in this window.",
    "broken_data": "Nothing is learned from it.",
    "cooldown": "A training was asked for and has to wait.",
    "few_labels": "A training was asked for and waits for labels.",
    "approval": "A model waits for a person's approval.",
}
"""What follows from a decision, by its reason."""

_SHORT_LOSSES: Mapping[str, str] = {LOSS_NAMES["binary"]: "Brier"}


def with_headline(
    decision: RetrainDecision, findings: Findings, evidence: Evidence, open_loss: OpenLoss | None
) -> RetrainDecision:
    """Return a decision that leads with the window's headline."""
    fact = next(facts(findings, evidence, open_loss), "")
    lead = fact or _without_fault(findings, decision)
    consequence = CONSEQUENCES.get(decision.reason, "No training is asked for." if fact else "")
    return replace(decision, headline=f"{lead} {consequence}".strip())


def with_monitoring_headline(decision: RetrainDecision, findings: Findings) -> RetrainDecision:
    """Return a decision about a pipeline without a target that leads with the window's headline."""
    if decision.reason == "broken_data":
        lead = "The data is broken."
    elif findings.verdict is None:
        lead = "There is no earlier partition to compare with."
    else:
        lead = next(_moved(findings, "column"), "") or _cannot_tell_drift(findings)
    return replace(decision, headline=lead or "Nothing has surely moved.")


def facts(findings: Findings, evidence: Evidence, open_loss: OpenLoss | None) -> Iterator[str]:
    """Yield the known faults, a sentence each, the gravest first."""
    if evidence.critical_faults:
        yield "The data is broken."
    if evidence.rollback:
        yield "Rolled back: the champion before serves again, for it is surely better."
    yield from _losses(findings, evidence, open_loss)
    if evidence.given_up_loss:
        yield _first_sentence(evidence.given_up_loss)
    if evidence.past_rise:
        yield "Errors had surely risen under this model, and are accepted again in this window."
    if evidence.incomparable:
        yield _first_sentence(evidence.incomparable)
    if evidence.unseen:
        yield _first_sentence(evidence.unseen)
    if evidence.estimated_loss:
        yield _estimated(findings)
    if evidence.extrapolation:
        yield _first_sentence(evidence.extrapolation)
    yield from _moved(findings, "feature")


def _losses(findings: Findings, evidence: Evidence, open_loss: OpenLoss | None) -> Iterator[str]:
    if evidence.worse_than_baseline:
        yield _first_sentence(evidence.worse_than_baseline)
    if evidence.loss:
        yield _loss(findings)
    if evidence.beaten:
        yield "Surely worse than the champion before, which has surely lost as well."
    if evidence.unrecovered_loss and open_loss is not None:
        yield _regained_from(open_loss, findings)


def told_loss(findings: Findings, evidence: Evidence, open_loss: OpenLoss | None) -> str:
    """Describe the lost performance, the gravest first, for the alerts; empty where none was lost."""
    words = (evidence.worse_than_baseline, evidence.loss, evidence.beaten)
    text = " ".join(text for text in words if text) or evidence.unrecovered_loss
    lead = next(_losses(findings, evidence, open_loss), "")
    return text if text.startswith(lead) else f"{lead} {text}"


def _loss(findings: Findings) -> str:
    drop, measured, champion = findings.drop, findings.measured, findings.champion
    if drop is not None and drop.is_certain and measured.value is not None and champion is not None:
        before = champion.holdout_metric
        return f"Surely worse than at training: {measured.metric} {measured.value:.3g}, was {before:.3g}."
    rise = findings.rise
    return "Surely worse than at training." if rise is None else _risen(rise)


def _risen(rise: SequentialTest) -> str:
    # The window's own rows where they alone say it: labels of better times may have come with theirs.
    now = rise.sudden.mean if rise.is_sudden and rise.sudden is not None else rise.now
    if now is None or rise.before is None:
        return "Surely worse than at training, and no label has come since it was found."
    name = _SHORT_LOSSES.get(rise.loss, rise.loss)
    now, before = now * rise.unit, rise.before * rise.unit
    return f"Surely worse than at training: {name} {now:.3g}, was {before:.3g}."


def _regained_from(open_loss: OpenLoss, findings: Findings) -> str:
    measured = findings.measured
    now = "it cannot be measured" if measured.value is None else f"{measured.metric} {measured.value:.3g}"
    return f"The loss of {open_loss.since} is not regained: {now}, was {open_loss.objective:.3g}."


def _estimated(findings: Findings) -> str:
    estimated, champion = findings.estimated, findings.champion
    if estimated.value is None or champion is None:
        return "Probably worse than at training."
    return (
        f"Probably worse than at training: {estimated.metric} is estimated at {estimated.value:.3g}, "
        f"was {champion.holdout_metric:.3g}."
    )


def _moved(findings: Findings, noun: str) -> Iterator[str]:
    """Yield the drift of the columns, of the output and the label, and of all features together; then the likely one."""
    verdict = findings.verdict
    if verdict is None:
        return
    yield from _counted(verdict, "drifted", f"{noun}s drifted")
    yield from (f"{subject} drifted." for role, subject in SUBJECTS.items() if verdict.drifted(role))
    if findings.multivariate is not None and findings.multivariate.status == "drifted":
        yield f"The {noun}s have surely moved together."
    yield from _counted(verdict, "likely", f"{noun}s likely drifted")
    yield from (
        f"{subject} likely drifted." for role, subject in SUBJECTS.items() if verdict.having("likely", role)
    )
    calm = verdict.having("stable") if verdict.status == "stable" else ()
    beside = f"; {len(calm)} are stable" if calm else ""
    yield from _counted(verdict, "cannot be judged", f"{noun}s cannot be judged", beside)


def _counted(verdict: DriftVerdict, status: Status, what: str, beside: str = "") -> Iterator[str]:
    columns = verdict.having(status)
    if columns:
        n_columns = sum(column.role == "feature" for column in verdict.columns)
        most = ", most of all" if len(columns) > 1 else ":"
        yield f"{len(columns)} of {n_columns} {what}{most} {columns[0].column}{beside}."


def _without_fault(findings: Findings, decision: RetrainDecision) -> str:
    """Describe a window without known faults: the questions it answers, and those it cannot."""
    if "no_champion" in (decision.reason, decision.held_back):
        return "No model serves yet."
    if "schedule" in (decision.reason, decision.held_back):
        return "The champion has reached its age."
    if findings.champion is not None and findings.n_current == 0 and findings.n_labelled == 0:
        return "There was nothing to score."
    drift, performance = _cannot_tell_drift(findings), not is_performance_judged(findings)
    if drift and performance:
        return f"Neither drift nor performance could be judged: {findings.n_current:,} rows, {findings.n_labelled:,} of them labelled."
    if drift:
        return f"{CALM}, but drift could not be judged: {findings.n_current:,} rows are too few."
    if performance:
        return f"{CALM}, but performance could not be judged: {findings.n_labelled:,} labels have come."
    return f"{CALM}."


def _cannot_tell_drift(findings: Findings) -> str:
    if findings.verdict is None or findings.verdict.status != "insufficient data":
        return ""
    return f"Drift cannot be judged: {findings.n_current:,} rows are too few."


def is_performance_judged(findings: Findings) -> bool:
    """Tell whether labels of this window, or of the newest ones together, say if performance was lost."""
    by_metric = findings.drop is not None and findings.drop.lower_bound is not None
    return by_metric or (findings.rise is not None and findings.rise.now is not None)


def _first_sentence(text: str) -> str:
    head, stop, _ = text.partition(". ")
    return f"{head}." if stop else text
