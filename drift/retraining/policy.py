"""Retraining policy: one pure decision from the evidence of a window.

Measured on real and synthetic streams: triggers on data alone train on noise and miss an abrupt
change of concept. So a confirmed loss asks at once, age is the safety net, and drift asks only
where the declaration opts in; otherwise it warns and names the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from declaration.drift import LikelyDrift, RetrainSpec
from declaration.types import Severity
from drift.columns.verdict import DriftVerdict
from drift.performance.open_loss import next_training

Reason = Literal[
    "no_champion", "performance", "drift", "schedule",
    "none", "rolled_back", "broken_data", "cooldown", "few_labels", "watched", "watched_drift", "watched_likely",
]  # fmt: skip
"""Why a challenger is asked for (first four), or why not; the last three where there is no target."""

DRIFT_SCORE_THRESHOLD = 0.10
"""Drift score from which `drift` asks: a tenth of the model's importance sits on features that surely moved."""


@dataclass(frozen=True)
class Evidence:
    """What one drift report knows, as far as it bears on training.

    Attributes
    ----------
    has_champion
        A model serves this pipeline.
    n_new_labels
        Labels known now that no training has seen.
    age, since_training
        Partitions since the champion's training, and since any training, whose challenger may have been kept out;
        None when unknown or never.
    critical_faults
        What is broken in the data, in words; empty when nothing is.
    loss
        The realised loss in words, when it is certain; empty otherwise.
    unrecovered_loss
        A former loss in words, when it is confirmed and the metric is not regained; empty otherwise.
    since_loss, n_loss_trainings
        Partitions since that loss was confirmed, and trainings that it has asked for.
    rollback
        Why the champion's predecessor serves again; empty where it does not.
    estimated_loss
        The same for the estimated metric.
    unseen
        Labels of classes that the model never saw, in words; empty where there are none.
    drift_score
        In [0, 1]; None when the data does not suffice.
    drifted_features
        Names, strongest first.
    has_prediction_drift
        The model's output drifted.
    is_likely_warned
        A feature or the output has likely drifted, and the declaration wants that to be a warning.
    drift
        The drift in words, with numbers.
    waits
        Why the newest training was not made, in words; empty where it was.
    n_labels_since_wait
        Labels that have become known since; None where nothing waits, or another declaration did.
    """

    has_champion: bool
    n_new_labels: int
    age: int | None
    since_training: int | None
    critical_faults: tuple[str, ...] = ()
    loss: str = ""
    unrecovered_loss: str = ""
    since_loss: int = 0
    n_loss_trainings: int = 0
    rollback: str = ""
    estimated_loss: str = ""
    unseen: str = ""
    drift_score: float | None = None
    drifted_features: tuple[str, ...] = ()
    has_prediction_drift: bool = False
    is_likely_warned: bool = False
    drift: str = ""
    waits: str = ""
    n_labels_since_wait: int | None = None


@dataclass(frozen=True)
class RetrainDecision:
    """The answer, and why.

    Attributes
    ----------
    is_requested
        Train a challenger.
    reason
        The trigger, or what held it back.
    explanation
        A sentence or two with the numbers.
    severity
        How much a person should care.
    held_back
        The trigger that would have asked; None when none did or nothing held it back.
    """

    is_requested: bool
    reason: Reason
    explanation: str
    severity: Severity
    held_back: Reason | None = None


def decide_retrain(evidence: Evidence, policy: RetrainSpec) -> RetrainDecision:
    """Decide from one window's evidence; reads no clock, network or registry.

    Parameters
    ----------
    evidence
        What the drift report found.
    policy
        The declaration's `retrain:` block.

    Returns
    -------
    RetrainDecision
        Broken data is never learned from, and nothing is trained in the window of a rollback. Then a confirmed loss that is not regained goes before drift,
        and drift before age. Cooldown and too few new labels hold them back; a loss that no training has
        seen waits for labels only, and then asks as often as the data since it has doubled.

    Examples
    --------
    >>> calm = Evidence(has_champion=True, n_new_labels=900, age=1, since_training=1)
    >>> decide_retrain(calm, RetrainSpec(max_age=3)).reason
    'none'
    """
    if evidence.critical_faults:
        faults = "; ".join(evidence.critical_faults)
        text = f"Data quality is critical ({faults}): no model is trained on broken data. Repair the source and run the partition again."
        return RetrainDecision(False, "broken_data", text, "critical", _trigger(evidence, policy)[0])
    if evidence.rollback:
        # Another challenger would learn from the rows that made this one bad.
        return RetrainDecision(False, "rolled_back", evidence.rollback, "critical")
    trigger, why = _trigger(evidence, policy)
    if trigger is None:
        return RetrainDecision(False, "none", why, _severity(evidence))
    why = _sentences(why, evidence.waits)
    obstacle, hindrance = _obstacle(evidence, policy, trigger)
    if obstacle is not None:
        return RetrainDecision(False, obstacle, f"{why} Held back: {hindrance}", _severity(evidence), trigger)
    return RetrainDecision(True, trigger, why, "critical" if evidence.loss else "warning")


def decide_monitoring(
    verdict: DriftVerdict | None, critical_faults: tuple[str, ...], drift: str, likely: LikelyDrift = "show"
) -> RetrainDecision:
    """Judge a window of a pipeline without a target: nothing is trained, and a person is told what moved.

    Parameters
    ----------
    verdict
        Drift; None where there is no reference yet.
    critical_faults, drift
        As in `Evidence`.
    likely
        What drift does that is likely and not yet certain.

    Returns
    -------
    RetrainDecision
        Never a request.
    """
    if critical_faults:
        text = f"Data quality is critical ({'; '.join(critical_faults)}). Repair the source and run the partition again."
        return RetrainDecision(False, "broken_data", text, "critical")
    if verdict is None:
        text = "No earlier partition to compare with: this one becomes part of the reference."
        return RetrainDecision(False, "watched", text, "info")
    if verdict.status == "drifted":
        return RetrainDecision(False, "watched_drift", drift, "warning")
    if verdict.status == "likely":
        return RetrainDecision(False, "watched_likely", drift, "info" if likely == "show" else "warning")
    return RetrainDecision(False, "watched", drift, "info")


def _trigger(evidence: Evidence, policy: RetrainSpec) -> tuple[Reason | None, str]:
    if not evidence.has_champion:
        return "no_champion", f"No model serves yet; {evidence.n_new_labels} labels are known."
    if "performance" in policy.on and (evidence.loss or evidence.unrecovered_loss):
        return "performance", _sentences(
            evidence.loss or evidence.unrecovered_loss, evidence.unseen, evidence.drift
        )
    if "drift" in policy.on and _has_weighty_drift(evidence):
        return "drift", _sentences(evidence.drift, evidence.unseen)
    tried = _since_last_try(evidence)
    if "schedule" in policy.on and tried is not None and tried >= policy.max_age:
        text = f"The champion is {evidence.age} partitions old, retrain.max_age is {policy.max_age}."
        return "schedule", _sentences(text, evidence.unseen, evidence.drift)
    return None, _sentences(
        "Nothing asks for training.",
        evidence.loss or evidence.unrecovered_loss,
        evidence.unseen,
        evidence.estimated_loss,
        evidence.drift,
    )


def _since_last_try(evidence: Evidence) -> int | None:
    """Count from the newest training: a challenger that was kept out says that age alone is no fault."""
    known = [age for age in (evidence.age, evidence.since_training) if age is not None]
    return min(known, default=None) if evidence.age is not None else None


def _has_weighty_drift(evidence: Evidence) -> bool:
    is_weighty = evidence.drift_score is not None and evidence.drift_score >= DRIFT_SCORE_THRESHOLD
    return evidence.has_prediction_drift or (is_weighty and bool(evidence.drifted_features))


def _obstacle(evidence: Evidence, policy: RetrainSpec, trigger: Reason) -> tuple[Reason | None, str]:
    waiting = _waiting(evidence, policy, trigger)
    if waiting:
        return "cooldown", waiting
    if evidence.n_new_labels < policy.min_new_labels:
        return "few_labels", (
            f"{evidence.n_new_labels} new labels, retrain.min_new_labels is {policy.min_new_labels}."
        )
    if evidence.n_labels_since_wait == 0:
        return "few_labels", "no label has become known since."
    return None, ""


def _waiting(evidence: Evidence, policy: RetrainSpec, trigger: Reason) -> str:
    """Say why it is too early; empty when it is not."""
    since = evidence.since_training
    # A first model has nothing to wait for, nor has a loss that no training has seen.
    if trigger == "no_champion" or since is None:
        return ""
    if trigger == "performance":
        if evidence.n_loss_trainings == 0 and since > 0:
            return ""
        due = next_training(evidence.n_loss_trainings)
        if evidence.since_loss < due:
            return (
                f"{evidence.n_loss_trainings} training(s) have followed this loss, and the next one comes {due} "
                "partitions after it, when the data since then has doubled."
            )
    # Cooldown counts whole partitions after the training's own.
    if since <= policy.cooldown:
        return f"the last training was {since} partition(s) ago, and retrain.cooldown waits for {policy.cooldown}."
    return ""


def _severity(evidence: Evidence) -> Severity:
    if evidence.loss:
        return "critical"
    if (
        evidence.unrecovered_loss
        or evidence.estimated_loss
        or evidence.drifted_features
        or evidence.has_prediction_drift
        or evidence.is_likely_warned
    ):
        return "warning"
    return "info"


def _sentences(*texts: str) -> str:
    return " ".join(text for text in texts if text)
