"""Retraining policy: one pure decision from the evidence of a window.

Measured on real and synthetic streams: triggers on data alone train on noise and miss an abrupt
change of concept. So a confirmed loss asks at once, age is the safety net, and drift asks only
where the declaration opts in; otherwise it warns and names the features. The first trigger that nothing
holds back is followed: a loss that waits for its data to double must not silence the schedule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from declaration.drift import LikelyDrift, RetrainSpec
from declaration.types import Severity
from drift.columns.verdict import DriftVerdict
from drift.performance.open_loss import next_training

Reason = Literal[
    "no_champion", "performance", "drift", "schedule",
    "none", "rolled_back", "broken_data", "cooldown", "few_labels", "approval", "watched", "watched_drift", "watched_likely",
]  # fmt: skip
"""Why a challenger is asked for (first four), or why not; the last three where there is no target."""

TRIGGERS: Mapping[Reason, str] = {
    "no_champion": "The first training",
    "performance": "The training for the loss",
    "drift": "The training for the drift",
    "schedule": "The training by age",
}
"""What each trigger asks for, in words."""

DRIFT_SCORE_THRESHOLD = 0.10
"""Drift score from which `drift` asks: a tenth of the model's importance sits on features that surely moved."""


@dataclass(frozen=True)
class Evidence:
    """Evidence of one drift report, as far as it bears on training.

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
        The realised loss in words, when it is certain by the metric or by the errors of all windows; empty otherwise.
    worse_than_baseline
        In words that the champion is surely worse than chance, or than a naive forecast; empty otherwise.
    beaten
        In words that the champion's predecessor is surely better and has surely lost as well, so that
        neither should serve; empty otherwise.
    past_rise
        In words that errors had surely risen, where they are accepted again in this window; empty otherwise.
    given_up_loss
        A former loss in words, in the window in which it is given up; empty otherwise.
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
    extrapolation
        In words that surely many rows lie outside what the champion learned from; empty where they do not.
    incomparable
        In words that what the champion learned from is gone; empty where it is there.
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
    approval
        In words that a challenger waits for a person's approval; empty where none does.
    """

    has_champion: bool
    n_new_labels: int
    age: int | None
    since_training: int | None
    critical_faults: tuple[str, ...] = ()
    loss: str = ""
    worse_than_baseline: str = ""
    beaten: str = ""
    past_rise: str = ""
    given_up_loss: str = ""
    unrecovered_loss: str = ""
    since_loss: int = 0
    n_loss_trainings: int = 0
    rollback: str = ""
    estimated_loss: str = ""
    unseen: str = ""
    extrapolation: str = ""
    incomparable: str = ""
    drift_score: float | None = None
    drifted_features: tuple[str, ...] = ()
    has_prediction_drift: bool = False
    is_likely_warned: bool = False
    drift: str = ""
    waits: str = ""
    n_labels_since_wait: int | None = None
    approval: str = ""

    @property
    def is_lost(self) -> bool:
        """True where the champion is known to be bad."""
        return bool(self.loss or self.worse_than_baseline or self.beaten)


@dataclass(frozen=True)
class RetrainDecision:
    """Decision on retraining, and its reason.

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
    headline
        Leading sentence, which `drift.headline` adds.
    """

    is_requested: bool
    reason: Reason
    explanation: str
    severity: Severity
    held_back: Reason | None = None
    headline: str = ""


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
        Broken data is never learned from, and nothing is trained in the window of a rollback. Then the first
        trigger that nothing holds back asks: a confirmed loss that is not regained before drift, and drift before
        age. Cooldown and too few new labels hold them back; a loss that no training has seen waits for labels only,
        and then asks as often as the data since it has doubled. A champion that is surely worse than chance, or than a
        naive forecast, waits for neither cooldown nor `min_new_labels`.

    Examples
    --------
    >>> calm = Evidence(has_champion=True, n_new_labels=900, age=1, since_training=1)
    >>> decide_retrain(calm, RetrainSpec(max_age=3)).reason
    'none'
    """
    asking = tuple(_asking(evidence, policy))
    if evidence.critical_faults:
        faults = "; ".join(evidence.critical_faults)
        text = f"Data quality is critical ({faults}): no model is trained on broken data. Repair the source and run the partition again."
        return RetrainDecision(False, "broken_data", text, "critical", asking[0][0] if asking else None)
    if evidence.rollback:
        # Another challenger would learn from the rows that made this one bad.
        return RetrainDecision(False, "rolled_back", evidence.rollback, "critical")
    if not asking:
        return RetrainDecision(False, "none", _known(evidence), _severity(evidence))
    held: list[tuple[Reason, str, Reason, str]] = []
    for trigger, why in asking:
        obstacle, hindrance = _obstacle(evidence, policy, trigger)
        if obstacle is None:
            waiting = (f"{TRIGGERS[other]} is held back: {text}" for other, _, _, text in held)
            explanation = _sentences(why, _known(evidence), *waiting, evidence.waits)
            return RetrainDecision(True, trigger, explanation, _graver("warning", _severity(evidence)))
        held.append((trigger, why, obstacle, hindrance))
    first, _, reason, hindrance = held[0]
    others = (
        f"{TRIGGERS[other]} is held back: {text}" for other, _, _, text in held[1:] if text != hindrance
    )
    whys = (why for _, why, _, _ in held)
    explanation = _sentences(*whys, _known(evidence), evidence.waits, f"Held back: {hindrance}", *others)
    return RetrainDecision(False, reason, explanation, _severity(evidence), first)


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


def _asking(evidence: Evidence, policy: RetrainSpec) -> Iterator[tuple[Reason, str]]:
    """Yield the triggers that ask, gravest first, with the words that `_known` leaves out."""
    if not evidence.has_champion:
        yield "no_champion", f"{evidence.n_new_labels} labels are known."
        return
    if "performance" in policy.on and (evidence.is_lost or evidence.unrecovered_loss):
        yield "performance", ""
    if "drift" in policy.on and _has_weighty_drift(evidence):
        yield "drift", ""
    tried = _since_last_try(evidence)
    if "schedule" in policy.on and tried is not None and tried >= policy.max_age:
        yield (
            "schedule",
            f"The champion is {evidence.age} partitions old, retrain.max_age is {policy.max_age}.",
        )


def _known(evidence: Evidence) -> str:
    """Describe all known findings, the gravest first."""
    return _sentences(
        evidence.worse_than_baseline,
        evidence.loss,
        evidence.beaten,
        # What is lost now says it; a loss of this very window cannot be regained in it.
        "" if evidence.is_lost else evidence.unrecovered_loss,
        evidence.given_up_loss,
        evidence.past_rise,
        evidence.incomparable,
        evidence.unseen,
        evidence.estimated_loss,
        evidence.extrapolation,
        evidence.drift,
    )


def _since_last_try(evidence: Evidence) -> int | None:
    """Count from the newest training: a challenger that was kept out says that age alone is no fault."""
    ages = [age for age in (evidence.age, evidence.since_training) if age is not None]
    return min(ages, default=None) if evidence.age is not None else None


def _has_weighty_drift(evidence: Evidence) -> bool:
    is_weighty = evidence.drift_score is not None and evidence.drift_score >= DRIFT_SCORE_THRESHOLD
    return evidence.has_prediction_drift or (is_weighty and bool(evidence.drifted_features))


def _obstacle(evidence: Evidence, policy: RetrainSpec, trigger: Reason) -> tuple[Reason | None, str]:
    if trigger == "no_champion" and evidence.approval:
        # Another first model would wait for the same person.
        return "approval", evidence.approval
    is_urgent = trigger == "performance" and bool(evidence.worse_than_baseline)
    waiting = _waiting(evidence, policy, trigger, is_urgent=is_urgent)
    if waiting:
        return "cooldown", waiting
    key, floor = policy.first_floor if trigger == "no_champion" else policy.floor
    if not is_urgent and evidence.n_new_labels < floor:
        return "few_labels", f"{evidence.n_new_labels} new labels, retrain.{key} is {floor}."
    # Without a new label the same model would come out.
    if evidence.n_labels_since_wait == 0 or (is_urgent and evidence.n_new_labels == 0):
        return "few_labels", "no label has become known since."
    return None, ""


def _waiting(evidence: Evidence, policy: RetrainSpec, trigger: Reason, *, is_urgent: bool) -> str:
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
    cooldown = 0 if is_urgent else policy.cooldown
    if since <= cooldown:
        return f"the last training was {since} partition(s) ago, and retrain.cooldown waits for {policy.cooldown}."
    return ""


def _severity(evidence: Evidence) -> Severity:
    if evidence.is_lost:
        return "critical"
    if (
        evidence.unrecovered_loss
        or evidence.given_up_loss
        or evidence.past_rise
        or evidence.incomparable
        or evidence.unseen
        or evidence.estimated_loss
        or evidence.extrapolation
        or evidence.drifted_features
        or evidence.has_prediction_drift
        or evidence.is_likely_warned
    ):
        return "warning"
    return "info"


def _graver(left: Severity, right: Severity) -> Severity:
    order = get_args(Severity)
    return max(left, right, key=order.index)


def _sentences(*texts: str) -> str:
    return " ".join(text for text in texts if text)
