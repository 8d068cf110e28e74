"""Findings of one window about the model that scored it, from sketches and labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from declaration.choices import METRICS_BY_PROBLEM
from declaration.drift import DriftSpec
from declaration.model import Metric
from declaration.target import ProblemType
from drift.columns.verdict import (
    LABEL_COLUMN,
    SCORE_BLOCK_ROWS,
    SCORE_COLUMN,
    ColumnVerdict,
    DriftVerdict,
    Role,
    decide_drift,
    moved_share,
)
from drift.extrapolation.outside import Extrapolation, extrapolation_text
from drift.multivariate.domain_classifier import DomainClassification
from drift.multivariate.judge import KeyedRows, judge_multivariate
from drift.performance.base_rate import BaseRateComparison, compare_with_base_rate
from drift.performance.baseline import NaiveRelations, measure_baselines
from drift.performance.estimated import estimate_performance
from drift.performance.estimated_errors import estimate_errors
from drift.performance.labelled_rows import (
    count_rows,
    read_held_out,
    read_predicted,
    read_scored_rows,
    read_scores,
    read_sliced_rows,
)
from drift.performance.open_loss import OpenLoss, follow_loss
from drift.performance.outcomes import Outcomes, outcomes_of
from drift.performance.realised import (
    Measurement,
    PerformanceDrop,
    ScoredRows,
    measure_performance,
    performance_drop,
    within_range,
)
from drift.performance.sequential_test import LossBlocks, SequentialTest, monitor_errors
from drift.performance.slices import SlicePerformance, measure_slices
from drift.performance.track_record import EstimateOutcome, with_track_record
from drift.retraining.policy import Evidence, RetrainDecision
from drift.season.verdict import (
    ReferenceRelations,
    WindowRelations,
    judge_season,
    relate_reference,
    relate_window,
)
from drift.sketch.bins import CategoricalBins, NumericBins, SketchError
from drift.sketch.counts import ReferenceSketch, WindowSketch
from drift.sketch.exact_ks import exact_ks_distance
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
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
from learning.metrics import Floats, MetricError, metric_value
from learning.skill import Skill, known_value_skills, worse_than_baseline_text

MAX_SCORE_BLOCKS = 200
"""Most blocks of time that the judged rows' scores are cut into, for the variation of the model's output: a long holdout's are
longer than `SCORE_BLOCK_ROWS`, as its windows are, and its sketch stays small."""


@dataclass(frozen=True)
class ScoringModel:
    """What a report needs to know of the model version that scored the window."""

    version: int
    algorithm: str
    trained_as_of: str
    metric: Metric
    holdout_metric: float
    features: tuple[str, ...]
    importances: Mapping[str, float]
    run_id: str = ""
    """Run of the registry that registered it."""

    @property
    def description(self) -> str:
        """Name the version in words."""
        return f"version {self.version}, {self.algorithm}, trained as of {self.trained_as_of}"


@dataclass(frozen=True)
class Relations:
    """SQL table expressions of everything that is compared.

    Attributes
    ----------
    predictions
        The window's rows: features and `score`.
    labels
        The window's rows whose label is known.
    realised
        Labels that are known now, with the champion's scores and the slices; also of earlier windows.
    training, holdout
        What the champion learned from, with `_source_partition`, and its scores on the held-out part. None where
        the training set was set aside: the kept sketch alone is compared with.
    recent
        Like `realised`, of labels that became known in this window and in the 1, 2, … windows before it.
    known
        What was known of the rows' entities when they were predicted, for naive forecasts; empty where nobody asks.
    """

    predictions: str
    labels: str
    realised: str
    training: str | None
    holdout: str
    recent: tuple[str, ...] = ()
    known: str = ""


@dataclass(frozen=True)
class Findings:
    """What a window shows; without a champion there is nothing to compare with.

    `rise` and `losses` are about errors over all windows of the champion, and in this one;
    `multivariate` is about all features together, None where nobody asked; `outcomes` counts what became of
    the predictions whose labels have come. `recent` is the metric over the newest windows together, where this
    one alone has too few labels: `drop` is then judged on it. `base_rate` compares with a constant forecast;
    `worse_than_baseline` says in words that the champion is surely worse than another naive one.
    `skills` compares with naive forecasts, the best one first; `extrapolation` counts rows outside what the model
    learned from, None where that is not known; `raw_estimate` is the estimate before its track record was looked at,
    `estimate_outcome` what came of earlier ones; `season` is how the features stand to each other.
    """

    champion: ScoringModel | None
    reference: ReferenceSketch
    current: WindowSketch
    verdict: DriftVerdict | None
    n_current: int
    n_labelled: int
    realised: Measurement
    estimated: Measurement
    drop: PerformanceDrop | None
    slices: tuple[SlicePerformance, ...] = ()
    rise: SequentialTest | None = None
    losses: LossBlocks | None = None
    multivariate: DomainClassification | None = None
    outcomes: Outcomes | None = None
    recent: Measurement | None = None
    base_rate: BaseRateComparison | None = None
    worse_than_baseline: str = ""
    skills: tuple[Skill, ...] = ()
    raw_estimate: Measurement | None = None
    estimate_outcome: EstimateOutcome | None = None
    extrapolation: Extrapolation | None = None
    season: WindowRelations | None = None

    @property
    def measured(self) -> Measurement:
        """The realised metric by which a loss is judged: of this window, or of the newest ones together."""
        return self.recent if self.recent is not None and not self.realised.is_known else self.realised


def unscored(metric: Metric) -> Findings:
    """Return the findings of a window that no model has scored."""
    unknown = Measurement(metric, 0, reason="no model has scored this partition")
    return Findings(None, {}, {}, None, 0, 0, unknown, unknown, None)


def incomparable(champion: ScoringModel, n_current: int) -> Findings:
    """Return the findings of a window whose model can be compared with nothing: what it learned from is gone."""
    unknown = Measurement(champion.metric, 0, reason=gone_text(champion))
    return Findings(champion, {}, {}, None, n_current, 0, unknown, unknown, None)


def gone_text(champion: ScoringModel) -> str:
    """Say that a version's training set is gone."""
    return f"what version {champion.version} learned from is no longer in the lake"


def build_reference(
    connection: duckdb.DuckDBPyConnection, relations: Relations, features: Sequence[str]
) -> ReferenceSketch:
    """Sketch what a model version learned from: features, label, and its output on the holdout."""
    assert relations.training is not None
    n_rows = count_rows(connection, relations.holdout)
    n_blocks = max(1, min(MAX_SCORE_BLOCKS, n_rows // SCORE_BLOCK_ROWS))
    blocks = (
        f"(SELECT {SCORE_COLUMN}, ntile({n_blocks}) OVER (ORDER BY event_timestamp, row_id) AS block "
        f"FROM {relations.holdout})"
    )
    learned = [*features, LABEL_COLUMN]
    inputs = sketch_reference(connection, relations.training, learned, part_column="_source_partition")
    output = sketch_reference(connection, blocks, [SCORE_COLUMN], part_column="block")
    return dict(sorted({**inputs, **output}.items()))


def build_relations(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    reference: ReferenceSketch,
    features: Sequence[str],
    *,
    has_calendar: bool,
) -> ReferenceRelations:
    """Compute how the features that a model version learned from stand to each other, by partition."""
    assert relations.training is not None
    return relate_reference(
        connection,
        relations.training,
        reference,
        features,
        time_column=_instant(has_calendar),
        part_column="_source_partition",
    )


def _instant(has_calendar: bool) -> str:
    return "event_timestamp" if has_calendar else ""


def examine(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    champion: ScoringModel,
    reference: ReferenceSketch,
    reference_relations: ReferenceRelations,
    *,
    problem: ProblemType,
    drift: DriftSpec,
    seed: int,
    has_calendar: bool = True,
    earlier_losses: Sequence[Floats] = (),
    estimate_outcomes: Sequence[EstimateOutcome] = (),
    extrapolation: Extrapolation | None = None,
    earlier: Sequence[WindowSketch] = (),
) -> Findings:
    """Compare a scored window with what its model learned from, and measure the model on it.

    Parameters
    ----------
    connection
        Where the relations can be read.
    relations
        The window, its labels, and the reference.
    champion
        The model version that scored the window.
    reference, reference_relations
        Its sketch, and how its features stand to each other.
    problem, drift, seed
        The declaration's, for judging.
    has_calendar
        Whether instants are those of a calendar; of rows that are only counted they are not.
    earlier_losses
        Block losses of the champion's earlier windows, in order.
    estimate_outcomes
        What became of the champion's earlier estimates, in order.
    extrapolation
        The window's rows outside what the champion learned from; None where nobody asks.
    earlier
        Sketches of the windows just before this one, oldest first.

    Returns
    -------
    Findings
        Drift, and performance realised and estimated; what cannot be known carries its reason.
    """
    current = _current_sketch(connection, relations, reference)
    n_current = count_rows(connection, relations.predictions)
    verdict = decide_drift(
        reference,
        current,
        n_current=n_current,
        importances=champion.importances,
        spec=drift,
        earlier=earlier,
        exact_ks=None
        if relations.training is None
        else lambda column: _exact_ks(connection, relations, reference, column),
    )
    season = relate_window(
        connection, relations.predictions, reference_relations, time_column=_instant(has_calendar)
    )
    verdict = judge_season(verdict, reference, current, season, drift)
    classes = _classes(reference)
    sliced = read_sliced_rows(connection, relations.realised, problem, classes, drift.slices)
    labelled = sliced.rows
    holdout = read_scored_rows(connection, relations.holdout, problem, classes)
    realised = measure_performance(champion.metric, labelled, seed=seed, min_rows=drift.min_rows)
    if problem == "regression":
        raw = _estimated_errors(connection, relations, champion, seed)
    else:
        scores = read_scores(connection, relations.predictions, problem, len(classes))
        raw = estimate_performance(problem, champion.metric, holdout, scores, seed=seed)
    corrected = with_track_record(raw, estimate_outcomes, champion.holdout_metric)
    estimated = within_range(champion.metric, corrected)
    slices = measure_slices(champion.metric, sliced, seed=seed, min_rows=drift.min_slice_rows)
    judged = labelled
    recent = None
    # Without a new label the windows before would only be judged once more.
    if 0 < labelled.n < drift.min_rows and relations.recent:
        judged = _recent_rows(connection, relations, problem, classes, labelled, drift.min_rows)
        recent = measure_performance(champion.metric, judged, seed=seed, min_rows=drift.min_rows)
    is_measured = (realised if recent is None else recent).is_known
    drop = _drop(problem, champion.metric, holdout, judged, drift, seed) if is_measured else None
    multivariate = (
        None
        if relations.training is None
        else judge_multivariate(
            connection,
            KeyedRows(relations.training, ["row_id"], "event_timestamp", "_source_partition"),
            KeyedRows(relations.predictions, ["row_id"], "event_timestamp"),
            verdict,
            champion.features,
            drift=drift,
            seed=seed,
        )
    )
    skills = _skills(connection, relations, champion, problem, classes, seed) if labelled.n else ()
    rise, losses = monitor_errors(
        problem, holdout, labelled, earlier_losses, max_drop=drift.max_performance_drop, alpha=drift.alpha
    )
    return Findings(
        champion, reference, current, verdict, n_current, labelled.n, realised, estimated, drop, slices,
        rise, losses, multivariate,
        outcomes_of(champion.version, problem, classes, holdout=holdout, served=labelled),
        recent, compare_with_base_rate(problem, holdout, judged, alpha=drift.alpha, seed=seed),
        # The constant ones are `base_rate`'s.
        worse_than_baseline=worse_than_baseline_text(known_value_skills(skills)),
        skills=skills,
        raw_estimate=raw,
        extrapolation=extrapolation,
        season=season,
    )  # fmt: skip


def _skills(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    champion: ScoringModel,
    problem: ProblemType,
    classes: Sequence[str],
    seed: int,
) -> tuple[Skill, ...]:
    if not relations.known or relations.training is None:
        return ()
    naive = NaiveRelations(relations.realised, relations.training, relations.known)
    return measure_baselines(connection, naive, problem, champion.metric, classes, seed=seed)


def _recent_rows(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    problem: ProblemType,
    classes: Sequence[str],
    labelled: ScoredRows,
    min_rows: int,
) -> ScoredRows:
    """Add the labels of the windows before, until they are enough or no window is left."""
    rows = labelled
    for relation in relations.recent:
        rows = read_scored_rows(connection, relation, problem, classes)
        if rows.n >= min_rows:
            break
    return rows


def _drop(
    problem: ProblemType,
    metric: Metric,
    holdout: ScoredRows,
    labelled: ScoredRows,
    drift: DriftSpec,
    seed: int,
) -> PerformanceDrop | None:
    try:
        return performance_drop(
            problem, metric, holdout, labelled,
            max_drop=drift.max_performance_drop, alpha=drift.alpha, seed=seed,
        )  # fmt: skip
    except MetricError:
        # A ranking needs both classes on either side; the errors are judged without it.
        return None


def surely_lost(
    problem: ProblemType,
    metric: Metric,
    holdout: ScoredRows,
    labelled: ScoredRows,
    *,
    drift: DriftSpec,
    seed: int,
) -> str:
    """Say what a model has surely lost on labelled rows against its own holdout; empty where it has not.

    Parameters
    ----------
    problem, metric
        What is predicted and how it is judged.
    holdout, labelled
        Its rows that it did not learn from, and those labelled since.
    drift, seed
        The declaration's.
    """
    if not holdout.n or not labelled.n:
        return ""
    measured = measure_performance(metric, labelled, seed=seed, min_rows=1)
    drop = _drop(problem, metric, holdout, labelled, drift, seed) if measured.is_known else None
    rise, _ = monitor_errors(
        problem, holdout, labelled, [], max_drop=drift.max_performance_drop, alpha=drift.alpha
    )
    before = metric_value(metric, holdout.scored) if drop is not None else 0.0
    return confirmed_loss_text(before, measured, drop, rise)


def _current_sketch(
    connection: duckdb.DuckDBPyConnection, relations: Relations, reference: ReferenceSketch
) -> WindowSketch:
    bins = bins_of(reference)
    label = {LABEL_COLUMN: bins.pop(LABEL_COLUMN)}
    current = dict(sketch_window(connection, relations.predictions, bins))
    if count_rows(connection, relations.labels):
        current |= sketch_window(connection, relations.labels, label)
    return current


def _exact_ks(
    connection: duckdb.DuckDBPyConnection, relations: Relations, reference: ReferenceSketch, column: str
) -> float:
    bins = reference[column].bins
    if not isinstance(bins, NumericBins):
        raise SketchError(f"column '{column}' is not numeric: it has no KS distance.")
    before = relations.holdout if column == SCORE_COLUMN else relations.training
    assert before is not None
    now = relations.labels if column == LABEL_COLUMN else relations.predictions
    return exact_ks_distance(connection, before, now, column, bins)


def _classes(reference: ReferenceSketch) -> Sequence[str]:
    """Return the classes that the model knows, in its order; none for other problems."""
    bins = reference[LABEL_COLUMN].bins
    return sorted(bins.categories) if isinstance(bins, CategoricalBins) else ()


def _estimated_errors(
    connection: duckdb.DuckDBPyConnection, relations: Relations, champion: ScoringModel, seed: int
) -> Measurement:
    if relations.training is None:
        return Measurement(champion.metric, 0, reason=gone_text(champion))
    held = read_held_out(connection, relations.holdout, relations.training, champion.features)
    current = read_predicted(connection, relations.predictions, champion.features)
    names = [*champion.features, SCORE_COLUMN]
    return estimate_errors(champion.metric, held, current, names, seed=seed)


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
    """Put findings and circumstances into what the policy reads.

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
    found = drift_text(verdict, drift.min_rows)
    return found if n_current else f"There was nothing to score; version {champion.version} serves. {found}"


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
    """Return what the sensors and the asset's page read; what is not known is None."""
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
        "unseen_class_share": findings.realised.unseen_share,
        "error_e_value": findings.rise.e_value if findings.rise else None,
        "errors_rise": findings.rise.is_certain if findings.rise else None,
        "errors": rise_text(findings.rise),
        "proper_score": findings.base_rate.champion if findings.base_rate else None,
        "base_rate_score": findings.base_rate.base_rate if findings.base_rate else None,
        "holdout_metric": champion.holdout_metric if champion else None,
        **_skill_facts(findings.skills),
        "outside_share": findings.extrapolation.any_share if findings.extrapolation else None,
        "extrapolation": extrapolation_text(findings.extrapolation),
        "model_version": champion.version if champion else None,
        "quality_score": quality_score,
    }


def _skill_facts(skills: Sequence[Skill]) -> Mapping[str, object]:
    """Return how the model does against the best naive baseline; None where no label has come."""
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
