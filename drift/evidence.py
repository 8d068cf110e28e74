"""Evidence of a window for the retraining policy, and its facts for sensors and pages: findings in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from declaration.choices import METRICS_BY_PROBLEM
from declaration.drift import DriftSpec
from declaration.target import ProblemType
from drift.columns.verdict import (
    ColumnVerdict,
    DriftVerdict,
    Role,
    moved_share,
)
from drift.extrapolation.outside import extrapolation_text
from drift.findings import Findings, ScoringModel, gone_text
from drift.performance.decision_cost import DecisionCost
from drift.performance.open_loss import OpenLoss, follow_loss
from drift.performance.realised import Measurement
from drift.retraining.policy import Evidence, RetrainDecision
from drift.wording import (
    base_rate_text,
    chance_text,
    confirmed_loss_text,
    drift_text,
    estimated_loss_text,
    multivariate_text,
    rise_text,
    unrecovered_loss_text,
    unseen_text,
    without_headline,
)
from learning.skill import Skill, worse_than_baseline_text


def evidence_of(
    findings: Findings,
    *,
    problem: ProblemType,
    drift: DriftSpec,
    n_new_labels: int,
    age: int | None,
    since_training: int | None,
    faults: tuple[str, ...],
    open_loss: OpenLoss | None = None,
    since_loss: int = 0,
    n_loss_trainings: int = 0,
) -> Evidence:
    """Combine findings and circumstances into the policy's evidence.

    Parameters
    ----------
    findings
        What the window shows.
    problem, drift
        The declaration's.
    n_new_labels, age, since_training, faults, since_loss, n_loss_trainings
        As `Evidence` wants them.
    open_loss
        What is still to be regained, this window's own loss included.

    Returns
    -------
    Evidence
        With losses and drift in words.
    """
    champion, verdict = findings.champion, findings.verdict
    if champion is None:
        return Evidence(False, n_new_labels, None, since_training, faults)
    if verdict is None:
        gone = gone_text(champion)
        return Evidence(
            True, n_new_labels, age, since_training, faults,
            incomparable=f"Neither drift nor performance can be judged: {gone}. The next training ends this.",
        )  # fmt: skip
    return Evidence(
        has_champion=True,
        n_new_labels=n_new_labels,
        age=age,
        since_training=since_training,
        critical_faults=faults,
        loss=confirmed_loss_text(champion.holdout_metric, findings.measured, findings.drop, findings.rise),
        worse_than_baseline=_worse_than_baseline(findings),
        past_rise=rise_text(findings.rise) if findings.rise is not None and findings.rise.is_past else "",
        unrecovered_loss=unrecovered_loss_text(open_loss.objective, open_loss.since, findings.measured)
        if open_loss
        else "",
        since_loss=since_loss,
        n_loss_trainings=n_loss_trainings,
        estimated_loss=_estimated_loss(findings.estimated, champion, problem, drift),
        unseen=unseen_text(findings.realised),
        extrapolation=extrapolation_text(findings.extrapolation),
        drift_score=moved_share(verdict) if drift.likely == "retrain" else verdict.drift_score,
        drifted_features=tuple(column.column for column in _asking(verdict, drift, "feature")),
        has_prediction_drift=bool(_asking(verdict, drift, "prediction")),
        is_likely_warned=drift.likely != "show" and verdict.has_likely,
        drift=_drift_text(findings.n_current, champion, verdict, drift),
    )


def _worse_than_baseline(findings: Findings) -> str:
    texts = (base_rate_text(findings.base_rate), chance_text(findings.measured), findings.worse_than_baseline)
    return " ".join(text for text in texts if text)


def is_loss_confirmed(findings: Findings) -> bool:
    """Tell whether the champion is known to be bad: the metric surely dropped, the errors surely rose, or a naive forecast is surely better."""
    return (
        (findings.drop is not None and findings.drop.is_certain)
        or (findings.rise is not None and findings.rise.is_confirmed)
        or bool(_worse_than_baseline(findings))
    )


def _asking(verdict: DriftVerdict, drift: DriftSpec, role: Role) -> tuple[ColumnVerdict, ...]:
    """Return the columns that count for `retrain.on: [drift]`: the drifted ones, and as declared the likely ones."""
    likely = verdict.having("likely", role) if drift.likely == "retrain" else ()
    return (*verdict.drifted(role), *likely)


def _drift_text(n_current: int, champion: ScoringModel, verdict: DriftVerdict, drift: DriftSpec) -> str:
    text = drift_text(verdict, drift.min_rows)
    return text if n_current else f"There was nothing to score; version {champion.version} serves. {text}"


def loss_after(
    findings: Findings, before: OpenLoss | None, *, problem: ProblemType, partition: str, n_trainings: int
) -> OpenLoss | None:
    """Carry an open loss over this window; see `follow_loss`."""
    champion = findings.champion
    if champion is None:
        return None
    return follow_loss(
        before,
        is_confirmed=is_loss_confirmed(findings),
        holdout_metric=champion.holdout_metric,
        realised=findings.measured,
        problem=problem,
        metric=champion.metric,
        partition=partition,
        trained_as_of=champion.trained_as_of,
        n_trainings=n_trainings,
    )


def _estimated_loss(
    estimated: Measurement, champion: ScoringModel, problem: ProblemType, drift: DriftSpec
) -> str:
    is_error = METRICS_BY_PROBLEM[problem][champion.metric] == "lower"
    allowed = drift.max_performance_drop * (abs(champion.holdout_metric) if is_error else 1.0)
    return estimated_loss_text(champion.holdout_metric, estimated, allowed, is_error=is_error)


def facts_of(
    findings: Findings, decision: RetrainDecision, quality_score: float | None
) -> Mapping[str, object]:
    """Return the facts that the sensors and the asset's page read; unknown ones are None."""
    verdict, champion, metric = findings.verdict, findings.champion, findings.realised.metric
    return {
        "headline": decision.headline,
        "retrain_requested": decision.is_requested,
        "retrain_reason": decision.reason,
        "explanation": without_headline(decision.explanation, decision.headline),
        "severity": decision.severity,
        "n_rows": findings.n_current,
        "n_labelled": findings.n_labelled,
        "drift_status": verdict.status if verdict else None,
        "drift_score": verdict.drift_score if verdict else None,
        "multivariate_status": findings.multivariate.status if findings.multivariate else None,
        "multivariate_auc": findings.multivariate.auc if findings.multivariate else None,
        "multivariate": multivariate_text(findings.multivariate),
        "n_drifted": len(verdict.drifted()) if verdict else None,
        "n_likely": len(verdict.having("likely")) if verdict else None,
        "n_unjudged": len(verdict.having("cannot be judged")) if verdict else None,
        f"estimated_{metric}": findings.estimated.value,
        f"realised_{metric}": findings.realised.value,
        **_cost_facts(findings.cost),
        **{f"{one.name}_coverage": one.value for one in findings.coverage},
        "unseen_class_share": findings.realised.unseen_share,
        "error_e_value": findings.rise.e_value if findings.rise else None,
        "errors_rise": findings.rise.is_certain if findings.rise else None,
        "errors": rise_text(findings.rise),
        "proper_score": findings.base_rate.champion if findings.base_rate else None,
        "base_rate_score": findings.base_rate.base_rate if findings.base_rate else None,
        "holdout_metric": champion.holdout_metric if champion else None,
        **_skill_facts(findings.skills),
        **_scaled_error(findings),
        "outside_share": findings.extrapolation.any_share if findings.extrapolation else None,
        "extrapolation": extrapolation_text(findings.extrapolation),
        "model_version": champion.version if champion else None,
        "quality_score": quality_score,
    }


def _scaled_error(findings: Findings) -> Mapping[str, object]:
    """Return the realised mean absolute error in units of the season before, where that is the metric and the unit is known."""
    scale = findings.champion.error_scale if findings.champion else None
    if scale is None or findings.realised.metric != "mae":
        return {}
    value = findings.realised.value
    return {"realised_mase": None if value is None else value / scale}


def _cost_facts(cost: DecisionCost | None) -> Mapping[str, object]:
    """Return what decisions have cost; nothing where mistakes have no declared cost."""
    if cost is None:
        return {}
    return {"cost": cost.value, "cost_low": cost.low, "cost_high": cost.high, "plain_cost": cost.plain}


def _skill_facts(skills: Sequence[Skill]) -> Mapping[str, object]:
    """Return the model's skill against the best naive baseline; None where no label has come."""
    best = skills[0] if skills else None
    return {
        "baseline": best.baseline if best else None,
        "baseline_loss": best.loss if best else None,
        "baseline_value": best.baseline_value if best else None,
        "skill": best.skill if best else None,
        "skill_low": best.low if best else None,
        "skill_high": best.high if best else None,
        "worse_than_baseline": worse_than_baseline_text(skills),
    }
