"""Examination of one window: its sketches and labelled rows against those its model learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from declaration.decisions import ThresholdSpec
from declaration.drift import DriftSpec
from declaration.model import Metric
from declaration.target import ProblemType
from drift.columns.verdict import (
    LABEL_COLUMN,
    SCORE_BLOCK_ROWS,
    SCORE_COLUMN,
    decide_drift,
)
from drift.extrapolation.outside import Extrapolation
from drift.findings import Findings, Relations, ScoringModel, gone_text
from drift.multivariate.judge import KeyedRows, judge_multivariate
from drift.performance.base_rate import compare_with_base_rate
from drift.performance.baseline import NaiveRelations, measure_baselines
from drift.performance.decision_cost import realised_cost
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
from drift.performance.outcomes import outcomes_of
from drift.performance.realised import (
    Measurement,
    PerformanceDrop,
    ScoredRows,
    measure_performance,
    performance_drop,
    within_range,
)
from drift.performance.realised_coverage import realised_coverage
from drift.performance.sequential_test import monitor_errors
from drift.performance.slices import measure_slices
from drift.performance.track_record import EstimateOutcome, with_track_record
from drift.season.verdict import (
    ReferenceRelations,
    judge_season,
    relate_reference,
    relate_window,
)
from drift.sketch.bins import CategoricalBins, NumericBins, SketchError
from drift.sketch.counts import ReferenceSketch, WindowSketch
from drift.sketch.exact_ks import exact_ks_distance
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from drift.wording import (
    confirmed_loss_text,
)
from learning.metrics import Floats, MetricError, metric_value
from learning.skill import Skill, known_value_skills, worse_than_baseline_text

MAX_SCORE_BLOCKS = 200
"""Most blocks of time that the judged rows' scores are cut into, for the variation of the model's output: a long holdout's are
longer than `SCORE_BLOCK_ROWS`, as its windows are, and its sketch stays small."""


def build_reference(
    connection: duckdb.DuckDBPyConnection, relations: Relations, features: Sequence[str]
) -> ReferenceSketch:
    """Sketch the rows that a model version learned from: features, label, and its output on the holdout."""
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
    """Compute the co-moments of the features that a model version learned from, by partition."""
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
    since_us: int | None = None,
    costs: ThresholdSpec | None = None,
    covers: Mapping[str, float] | None = None,
) -> Findings:
    """Compare a scored window with the rows its model learned from, and measure the model on it.

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
    since_us
        First instant of the window; None takes all labelled rows for its own.
    costs
        What mistakes cost; None where that is not declared, or nothing was decided by it.
    covers
        What is declared of an interval and of quantiles that were served: see `declared_coverage`.

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
    # A model of a shorter span also has the classes that only older rows have.
    classes = champion.classes or _classes(reference)
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
        problem, holdout, labelled, earlier_losses,
        max_drop=drift.max_performance_drop, alpha=drift.alpha, since_us=since_us,
    )  # fmt: skip
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
        cost=None
        if costs is None
        else realised_cost(
            connection, relations.realised, costs, problem, classes, seed=seed, min_rows=drift.min_rows
        ),
        coverage=realised_coverage(
            connection, relations.realised, covers or {}, seed=seed, min_rows=drift.min_rows
        ),
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
    """Describe a model's sure loss on labelled rows against its own holdout; empty where there is none.

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
