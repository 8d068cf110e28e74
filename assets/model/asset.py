"""The model of a partition: candidates trained, the best registered, the gate's decision in the ledger."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assets.materialization import Outcome, Scope, StageRun
from assets.model.conditions import conditioned, cost_findings
from assets.model.described import description_files
from assets.model.explanations import EXPLANATIONS, explanations_table
from assets.model.fingerprints import Question, question
from assets.model.known_labels import read_entities, read_known
from assets.model.known_loss import loss_since_us
from assets.model.naive import NaiveResults, judge_naively, naive_text
from assets.model.pictures import training_pages
from assets.model.plots import plot_files
from assets.model.recorded import OUT_OF_CORE, Judge, recorded_tags
from assets.model.tables import CANDIDATES, candidates_table
from assets.model.trial_log import LakeTrialLog
from assets.model.tuning_page import search_page, tuning_facts, tuning_figures, tuning_params
from assets.training_set.size import SetSize, streams
from declaration.model import CandidateSpec, ModelSpec
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier
from learning.algorithms.batched_rows import ROWS_AT_ONCE
from learning.algorithms.own import OwnEstimatorError
from learning.candidate_comparison import CandidateComparison, compare_candidates
from learning.comparison import ScoredPair
from learning.encode import EncodingError
from learning.environment import present_environment
from learning.error_scale import MASE
from learning.explain.explanation import Explanation, explain
from learning.fitted import FittedModel
from learning.gate import GateVerdict, judge_challenger
from learning.gate_conditions import with_approval
from learning.holdout_table import holdout_table
from learning.judged import judged_text
from learning.metrics import Floats, MetricError, Scored
from learning.model_file import model_from_bytes, model_to_bytes
from learning.naive_forecast import NAIVE
from learning.out_of_core.reading import LargeSet, read_large_set
from learning.out_of_core.training import train_out_of_core
from learning.preprocess.reading import PreprocessError
from learning.proper_score import SCORE_NAMES
from learning.score_columns import aligned_scores, classes_of_both, score_fields, scores_from
from learning.threads import limited_threads
from learning.train import Training, chosen_metric, train_model
from learning.training_rows import (
    MIN_CLASS_ROWS,
    NOT_FEATURES,
    LabelsNeededError,
    TrainingError,
    TrainingSet,
    instant,
    read_training_set,
)
from resources.engine.memory import limit_bytes, row_bytes
from resources.lake.files import read_batches
from resources.lake.lake import Snapshot, scan
from resources.model_registry.enactment import enact, follow
from resources.model_registry.ledger import (
    CONFIRMED_LOSS,
    GATE,
    Decision,
    Ledger,
    aliases_after,
    open_ledger,
    trusted_sha256,
)
from resources.model_registry.registry import MODEL_FILE, UNNUMBERED, ModelRegistry
from resources.model_registry.version import ModelVersion
from resources.model_registry.waits import WAITS, Wait, write_wait


@dataclass(frozen=True)
class _Rival:
    """The serving model, and up to when it has learned."""

    version: ModelVersion
    model: FittedModel
    knows_until_us: int


@dataclass(frozen=True)
class _Inputs:
    """Inputs of a training and its judgement.

    Attributes
    ----------
    snapshot, data
        The training set's table, and its rows.
    asked
        What is trained and why, for its fingerprints.
    is_loss_confirmed
        The champion has surely lost performance: the reason of this run.
    ledger
        As it was before the training.
    large
        The set where memory may not hold it: `data` are its newest rows, which judge. None where `data` are all.
    """

    snapshot: Snapshot
    data: TrainingSet
    asked: Question
    is_loss_confirmed: bool
    ledger: Ledger
    large: LargeSet | None = None


def materialize_model(run: StageRun, *, registry: ModelRegistry) -> Outcome:
    """Train as of a partition, register the best candidate, and decide whether it serves.

    The same training set, settings and reason are trained and judged once: asked again, the
    decision that is in the ledger is returned. Where the labels do not suffice nothing is trained:
    the outcome says which are needed, and the next reports ask again as labels come.
    """
    Path(run.engine.spill_directory).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=run.engine.spill_directory, prefix="training_set_") as folder:
        return _materialize(run, registry, Path(folder))


def _materialize(run: StageRun, registry: ModelRegistry, folder: Path) -> Outcome:
    """Train and decide; what memory may not hold is in a folder meanwhile."""
    started = time.monotonic()
    # Waiting threads must not spin: on busy cores that cost twelve times the work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        inputs = _read(run, registry, folder)
        answered = _standing_decision(inputs.ledger.decisions, inputs.asked)
        if answered is not None and _has_tables(run, answered.version):
            return _known_outcome(run, answered, inputs.ledger, registry)
        decisions = inputs.ledger.decisions
        judge = _champion_then(inputs.asked, decisions, registry)
        rival = _rival(run.pipeline, decisions, registry, judge)
        training = _train(run, inputs, rival)
    except LabelsNeededError as needed:
        return _waiting(run, needed)
    return _write(run, inputs, training, rival, registry, started)


def _read(run: StageRun, registry: ModelRegistry, folder: Path) -> _Inputs:
    """Read the training set, or what memory may hold of it, and the decisions so far."""
    snapshot = run.lake.snapshot(run.table("training_set"))
    is_loss_confirmed = run.scope.reason.startswith(CONFIRMED_LOSS)
    with _located(run, snapshot):
        large = _read_large(run, snapshot, folder) if _is_large(run, snapshot) else None
        data = large.newest if large is not None else _read_rows(run, snapshot)
        since_us = loss_since_us(run.pipeline, run.lake, _partition(run)) if is_loss_confirmed else None
        asked = question(run.pipeline, _partition(run), run.scope.reason, data, since_us)
    ledger = follow(run.lake, registry, run.pipeline.name)
    return _Inputs(snapshot, data, asked, is_loss_confirmed, ledger, large)


def _train(run: StageRun, inputs: _Inputs, rival: _Rival | None) -> Training:
    with _located(run, inputs.snapshot):
        if inputs.large is not None:
            return train_out_of_core(inputs.large, run.spec.model, threads=run.engine.threads)
        return train_model(
            inputs.data,
            run.spec.model,
            champion_knows_until_us=rival.knows_until_us if rival else None,
            # Without a champion there is nothing that lost.
            loss_since_us=inputs.asked.loss_since_us if rival else None,
            threads=run.engine.threads,
            trials=_trial_log(run, inputs, rival),
            entities=read_entities(run, inputs.data),
        )


def _trial_log(run: StageRun, inputs: _Inputs, rival: _Rival | None) -> LakeTrialLog:
    key = inputs.asked.training_key(rival.version.version if rival else None)
    return LakeTrialLog(run.lake, run.pipeline.name, key, _partition(run), run.commit)


def _write(
    run: StageRun,
    inputs: _Inputs,
    training: Training,
    rival: _Rival | None,
    registry: ModelRegistry,
    started: float,
) -> Outcome:
    """Register the version, keep its tables, and write the gate's decision to the ledger."""
    judge, gate = rival.version.version if rival else None, run.spec.model.gate
    with _located(run, inputs.snapshot):
        # Of each entity's last label a large set has no table: it would be as large.
        known = read_known(run, inputs.data) if inputs.large is None else {}
        naive = judge_naively(inputs.data, training, known, seed=run.spec.model.seed)
        comparison = compare_candidates(
            inputs.data.problem,
            training.metric,
            training.candidates,
            training.candidate_rows,
            seed=run.spec.model.seed,
        )
        explanation = explain(
            training,
            inputs.data,
            _chosen(run.spec.model, training),
            seed=run.spec.model.seed,
            threads=run.engine.threads,
        )
    content = model_to_bytes(training.model)
    costs = cost_findings(run, inputs.data, training, len(content))
    version = _register(run, inputs, training, content, naive, judge, registry)
    tables = _write_tables(run, inputs.data, training, comparison, naive, explanation, version)
    pair: ScoredPair | None = None
    verdict: GateVerdict | None = None

    def decide(decisions: Sequence[Decision]) -> Decision | None:
        """Judge against who serves now: during the training others may have answered, or rolled back."""
        nonlocal pair, verdict
        if _standing_decision(decisions, inputs.asked) is not None:
            return None
        champion = aliases_after(decisions)["champion"]
        is_same = champion == judge
        serving = rival if is_same else _rival(run.pipeline, decisions, registry, champion)
        pair, verdict = _judge(
            run, inputs.data, training, version, serving,
            # The loss was that of the champion before.
            is_loss_confirmed=inputs.is_loss_confirmed and is_same,
        )  # fmt: skip
        verdict = conditioned(run, inputs.data, training, naive, pair, costs, verdict)
        reasons = naive.explained(f"{naive_text(training)}{verdict.explanation}")
        verdict = replace(verdict, explanation=reasons)
        if gate.approval == "manual":
            verdict = with_approval(
                verdict,
                pipeline=run.pipeline.name,
                version=version.version,
                clock=run.scope.clock,
                within=gate.approve_within,
            )
        return _decision(run.scope, version, serving, verdict, inputs.asked.decision_key(judge))

    enacted = enact(run.lake, registry, run.pipeline.name, decide, commit=run.commit)
    if enacted.decision is None or enacted.written is None:
        answered = _standing_decision(enacted.ledger.decisions, inputs.asked)
        assert answered is not None
        return _known_outcome(run, answered, enacted.ledger, registry, tables)
    written = (*tables, enacted.written)
    duration_s = time.monotonic() - started
    outcome = _outcome(
        run.pipeline, enacted.decision, version, inputs.snapshot, written, duration_s, enacted.ledger
    )
    pages = training_pages(
        training,
        comparison,
        naive,
        pair.champion if pair is not None else None,
        verdict.limits if verdict is not None else (),
        explanation,
    )
    registry.keep_files(version.run_id, plot_files(pages))
    searches = {"search": search_page(training.searches)} if training.searches else {}
    return replace(
        outcome,
        metadata={**outcome.metadata, **_rare(training), **_skill(naive), **tuning_facts(training)},
        markdown={**pages, **searches},
    )


def _chosen(spec: ModelSpec, training: Training) -> CandidateSpec:
    """Return the candidate that was chosen, with the settings that a search has found."""
    name = training.model.name
    if name in training.searches:
        return training.searches[name].candidate
    return next((one for one in spec.competitors if one.label == name), NAIVE)


def _rare(training: Training) -> Mapping[str, str]:
    """List the labels that have too few rows to be learned surely; the others do not wait for them."""
    counts = ", ".join(f"{name}: {n}" for name, n in sorted(training.rare_classes.items(), key=itemgetter(1)))
    return {"rare_labels": f"rows to learn from, fewer than {MIN_CLASS_ROWS}: {counts}"} if counts else {}


def _skill(naive: NaiveResults) -> Mapping[str, object]:
    """Describe the trained model's skill against the best naive baseline, and its error in units of the season before."""
    best = naive.skills[0] if naive.skills else None
    scale = naive.scale
    scaled = {} if scale is None else {MASE: naive.mase, "mase_unit": f"{scale.value:.4g} ({scale.baseline})"}
    return {
        **scaled,
        "baseline": best.baseline if best else None,
        "skill": best.skill if best else None,
        "worse_than_baseline": naive.warning or None,
    }


def _is_large(run: StageRun, snapshot: Snapshot) -> bool:
    """Tell whether the set is beyond what memory may hold.

    Raises
    ------
    TrainingSetError
        If it is, and not every candidate learns out of core.
    """
    names = [name for name in snapshot.schema.names if name not in NOT_FEATURES]
    size = SetSize(
        snapshot.rows_by_partition.get(_partition(run), 0),
        row_bytes(snapshot.schema),
        len(names),
        limit_bytes(run.engine.memory_limit),
        run.engine.memory_limit,
    )
    return streams(size, run.spec)


def _read_large(run: StageRun, snapshot: Snapshot, folder: Path) -> LargeSet:
    paths = snapshot.paths([_partition(run)])
    names = snapshot.schema.names
    return read_large_set(
        lambda: (part for path in paths for batch in read_batches(path, names) for part in _parts(batch)),
        run.spec.learned.problem,
        folder,
        holdout=run.spec.model.holdout,
        timezone=run.spec.partitions.timezone,
    )


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a row group into what is encoded at once."""
    for start in range(0, batch.num_rows, ROWS_AT_ONCE):
        yield batch.slice(start, ROWS_AT_ONCE)


def _read_rows(run: StageRun, snapshot: Snapshot) -> TrainingSet:
    with run.engine.connect() as connection:
        source = scan(snapshot, [_partition(run)])
        rows = connection.sql(f"SELECT * FROM {source}").to_arrow_table()
    return read_training_set(
        rows,
        run.spec.learned.problem,
        timezone=run.spec.partitions.timezone,
        folder=run.pipeline.folder,
        difference=run.spec.learned.difference,
    )


@contextmanager
def _located(run: StageRun, snapshot: Snapshot) -> Iterator[None]:
    """Add the training set to the errors raised inside."""
    try:
        yield
    except LabelsNeededError:
        raise  # No fault: the outcome of the partition says what is needed.
    except (TrainingError, EncodingError, MetricError, OwnEstimatorError, PreprocessError) as error:
        where = f"{snapshot.table}@{snapshot.version}, partition {run.scope.partition}"
        raise type(error)(f"pipeline '{run.pipeline.name}', training set {where}: {error}") from error


def _partition(run: StageRun) -> str:
    if run.scope.partition is None:
        raise TrainingError(
            f"the model of '{run.pipeline.name}' is trained as of a partition, and none was given. "
            "Materialize it for a partition key."
        )
    return run.scope.partition


def _standing_decision(decisions: Sequence[Decision], asked: Question) -> Decision | None:
    """Return the decision that answered this question, unless the champion was changed since.

    Whoever was champion when it was asked: a challenger that was promoted is asked about again as champion.
    """
    judges = {None, *(decision.champion_after for decision in decisions)}
    keys = {asked.decision_key(number) for number in judges}
    champion = aliases_after(decisions)["champion"]
    same = [decision for decision in decisions if decision.decision_key in keys]
    return same[-1] if same and same[-1].champion_after == champion else None


def _champion_then(asked: Question, decisions: Sequence[Decision], registry: ModelRegistry) -> int | None:
    """Return the champion that judged this training, if the present one came of it; else the present one.

    A model that serves has seen all that it was trained on: beside it the same training would be another one.
    """
    champion = aliases_after(decisions)["champion"]
    promoted = next(
        (decision for decision in reversed(decisions) if decision.champion_after != decision.champion_before),
        None,
    )
    if promoted is None or promoted.partition != asked.partition:
        return champion
    version = registry.find(asked.pipeline.name, asked.training_key(promoted.champion_before))
    is_same = version is not None and version.version == champion
    return promoted.champion_before if is_same else champion


def _rival(
    pipeline: Pipeline, decisions: Sequence[Decision], registry: ModelRegistry, number: int | None
) -> _Rival | None:
    if number is None:
        return None
    version = registry.version(pipeline.name, number)
    sha256 = trusted_sha256(decisions, number)
    content = registry.model_file(pipeline.name, number, sha256=sha256)
    as_of = partitioning(pipeline.spec.partitions).window(version.training_partition).end
    return _Rival(version, model_from_bytes(content, ledger_sha256=sha256), round(as_of.timestamp() * 1e6))


def _register(
    run: StageRun,
    inputs: _Inputs,
    training: Training,
    content: bytes,
    naive: NaiveResults,
    judge: int | None,
    registry: ModelRegistry,
) -> ModelVersion:
    data, snapshot = inputs.data, inputs.snapshot
    low, high = training.interval
    model = ModelVersion(
        version=UNNUMBERED,
        algorithm=training.model.algorithm,
        candidate=training.model.name,
        training_partition=_partition(run),
        training_table_version=snapshot.version,
        metric=training.metric,
        holdout_metric=training.holdout_metric,
        holdout_low=low,
        holdout_high=high,
        holdout_start=instant(int(data.event_time_us[training.judged[0]])),
        n_judged=training.judged.size,
        n_folds=int(training.folds.max()) + 1,
        span=training.span.name,
        feature_names=data.feature_names,
        importances=training.importances,
        n_training_rows=training.n_rows,
        learned_since=instant(training.span.since_us) if training.span.since_us is not None else None,
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        registered_at=run.scope.clock,
        classes=training.model.classes if data.problem == "multiclass" else (),
        error_scale=naive.scale.value if naive.scale is not None else None,
    )
    settings = run.spec.model.model_dump(mode="json")
    figures = {
        f"{result.name}/{name}": value
        for result in training.results
        for name, value in result.metrics.items()
    }
    baselines = {
        f"baseline/{baseline}/{name}": value
        for baseline, values in naive.figures.items()
        for name, value in values.items()
    }
    environment = present_environment()
    trained_beside = Judge(judge, inputs.asked.loss_since_us if judge is not None else None)
    losses = {
        f"{SCORE_NAMES[data.problem]} of the span {span.span.name}": span.loss for span in training.spans
    }
    return registry.register(
        run.pipeline.name,
        model,
        content,
        training_key=inputs.asked.training_key(judge),
        params={
            "problem": data.problem,
            **{name: json.dumps(value) for name, value in settings.items()},
            **tuning_params(training),
        },
        metrics={
            training.metric: training.holdout_metric,
            **figures,
            **baselines,
            **losses,
            **({} if naive.mase is None else {MASE: naive.mase}),
            **tuning_figures(training),
        },
        tags={
            "driftline.training_set": f"{snapshot.table}@{snapshot.version}",
            "driftline.training_partition": model.training_partition,
            "driftline.artifact_sha256": model.artifact_sha256,
            "driftline.spec_hash": run.pipeline.spec_hash,
            "driftline.run_id": run.scope.run_id,
            "driftline.reason": run.scope.reason,
            "driftline.span": training.span.name,
            **recorded_tags(environment, inputs.asked.rows_sha256, trained_beside),
            **({OUT_OF_CORE: "true"} if inputs.large is not None else {}),
        },
        files=description_files(training.model, data.rows, environment, MODEL_FILE),
    )


def _write_tables(
    run: StageRun,
    data: TrainingSet,
    training: Training,
    comparison: CandidateComparison,
    naive: NaiveResults,
    explanation: Explanation,
    version: ModelVersion,
) -> tuple[Snapshot, ...]:
    """Keep the judged rows' scores, the candidates' figures and the explanation, by model version."""
    partition, commit, lake = str(version.version), run.commit, run.lake
    held_out = holdout_table(data, training)
    figures = candidates_table(training, comparison, naive, version.version, version.training_partition)
    explained = explanations_table(explanation, version.version, version.training_partition)
    return (
        lake.write(run.table("holdout_scores"), held_out, partition=partition, commit=commit),
        lake.write(CANDIDATES.of(run.pipeline.name), figures, partition=partition, commit=commit),
        lake.write(EXPLANATIONS.of(run.pipeline.name), explained, partition=partition, commit=commit),
    )


def _has_tables(run: StageRun, version: int) -> bool:
    """Tell whether a version has the tables of its training; else it is trained again, to the same model."""
    lake, tables = run.lake, (run.table("holdout_scores"), CANDIDATES.of(run.pipeline.name))
    return all(lake.has(table) and str(version) in lake.snapshot(table).partitions for table in tables)


def _judge(
    run: StageRun,
    data: TrainingSet,
    training: Training,
    version: ModelVersion,
    champion: _Rival | None,
    *,
    is_loss_confirmed: bool,
) -> tuple[ScoredPair | None, GateVerdict]:
    if champion is not None and champion.version.version == version.version:
        return None, GateVerdict(False, "inconclusive", "this training gave the model that serves already")
    pair, obstacle = None, None
    if champion is not None:
        try:
            pair = _scored_pair(run, data, training, champion)
        except EncodingError as error:
            # It cannot serve either: comparing is impossible and keeping it would stop predictions.
            obstacle = f"champion {champion.version.version} cannot score today's rows: {error}"
    verdict = judge_challenger(
        pair,
        problem=data.problem,
        metric=chosen_metric(run.spec.model, data.problem),
        holdout_metric=training.holdout_metric,
        gate=run.spec.model.gate,
        is_loss_confirmed=is_loss_confirmed,
        has_champion=champion is not None and obstacle is None,
        seed=run.spec.model.seed,
    )
    if obstacle is not None and verdict.outcome == "first":
        verdict = replace(verdict, explanation=f"{obstacle} Serving instead: {verdict.explanation}")
    return pair, verdict


def _scored_pair(run: StageRun, data: TrainingSet, training: Training, champion: _Rival) -> ScoredPair | None:
    """Score both models on the judged rows that the champion has not learned from; the challenger's scores are out of fold."""
    if champion.model.problem != data.problem:
        raise EncodingError(
            f"it predicts a {champion.model.problem} label, the declaration a {data.problem} one."
        )
    judged = training.judged
    # By the label's time: a row that was predicted before the champion's training may have been labelled after it.
    is_unseen = data.label_time_us[judged] >= champion.knows_until_us
    unseen = np.flatnonzero(is_unseen)
    with limited_threads(run.engine.threads):
        fresh = champion.model.score(data.rows.take(judged[unseen]))
    # Its own judged rows were scored by models that had not learned from them: those scores are as blind.
    held_out, recorded = _recorded_scores(run, data, judged[~is_unseen], champion)
    places = np.concatenate([np.flatnonzero(~is_unseen)[held_out], unseen])
    scores = np.concatenate([recorded, fresh])
    # Over the classes of both: a class that one does not know has probability 0, and naming one that is gone is wrong.
    classes = classes_of_both(data.classes, champion.model.classes)
    labels = data.labels[judged[places]]
    if places.size == 0:
        return None
    return ScoredPair(
        challenger=Scored(labels, aligned_scores(training.holdout.scores[places], data.classes, classes)),
        champion=Scored(labels, aligned_scores(scores, champion.model.classes, classes)),
        event_time_us=data.event_time_us[judged[places]],
        windows=data.windows[judged[places]],
        positions=places,
    )


def _recorded_scores(
    run: StageRun,
    data: TrainingSet,
    rows: NDArray[np.int64],
    champion: _Rival,
) -> tuple[NDArray[np.int64], Floats]:
    """Look up the scores of rows from when the champion was judged on them; return places and scores."""
    table = run.lake.snapshot(run.table("holdout_scores"))
    columns = ", ".join(quote_identifier(field.name) for field in score_fields(data.problem))
    source = scan(table, [str(champion.version.version)])
    with run.engine.connect() as connection:
        theirs = connection.sql(
            f"SELECT concat(row_id, '@', epoch_us(event_timestamp)) AS row_at, {columns} FROM {source}"
        ).to_arrow_table()
    # With the instant: a key may come again in another partition, as it does in every load of a snapshot.
    instants = pa.array(data.event_time_us[rows]).cast(pa.string())
    ids = data.rows["row_id"].take(rows)
    ours = pa.chunked_array([pc.binary_join_element_wise(ids.combine_chunks(), instants, "@")])
    indices = pc.index_in(ours, value_set=theirs["row_at"].combine_chunks())
    places = np.flatnonzero(indices.is_valid().to_numpy())
    return places, scores_from(theirs.take(indices.drop_null()), data.problem, len(champion.model.classes))


def _decision(
    scope: Scope,
    version: ModelVersion,
    champion: _Rival | None,
    verdict: GateVerdict,
    decision_key: str,
) -> Decision:
    before = champion.version.version if champion is not None else None
    return Decision(
        instant=scope.clock,
        partition=version.training_partition,
        actor=GATE,
        action="promoted" if verdict.is_promoted else "kept",
        version=version.version,
        champion_before=before,
        champion_after=version.version if verdict.is_promoted else before,
        reason=scope.reason,
        gate_report=json.dumps(asdict(verdict), sort_keys=True),
        run_id=scope.run_id,
        artifact_sha256=version.artifact_sha256,
        decision_key=decision_key,
    )


def _waiting(run: StageRun, needed: LabelsNeededError) -> Outcome:
    """Write down which labels a training waits for."""
    pipeline, scope = run.pipeline, run.scope
    wait = Wait(
        partition=_partition(run),
        instant=scope.clock,
        asked_for=scope.reason,
        needed=str(needed),
        spec_hash=pipeline.spec_hash,
        run_id=scope.run_id,
    )
    written = write_wait(run.lake, pipeline.name, wait, commit=run.commit)
    return Outcome(
        data_version=f"{written.table}@{written.version}",
        metadata={
            "gate_outcome": WAITS,
            "gate_explanation": f"{WAITS}: {wait.needed}",
            "is_promoted": False,
            "reason": wait.asked_for,
            "champion_version": open_ledger(run.lake, pipeline.name).champion,
            "writes": f"{written.table}@{written.version}",
        },
    )


def _known_outcome(
    run: StageRun,
    decision: Decision,
    ledger: Ledger,
    registry: ModelRegistry,
    written: Sequence[Snapshot] = (),
) -> Outcome:
    version = registry.version(run.pipeline.name, decision.version)
    outcome = _outcome(run.pipeline, decision, version, None, written, 0.0, ledger)
    return replace(outcome, metadata={**outcome.metadata, "is_answered_before": True})


def _outcome(
    pipeline: Pipeline,
    decision: Decision,
    version: ModelVersion,
    snapshot: Snapshot | None,
    written: Sequence[Snapshot],
    duration_s: float,
    ledger: Ledger,
) -> Outcome:
    verdict = decision.report
    return Outcome(
        data_version=f"{pipeline.name}@{version.version}",
        metadata={
            "n_rows": version.n_training_rows,
            "duration_s": round(duration_s, 3),
            "size_bytes": sum(table.size_bytes for table in written),
            "reads": f"{snapshot.table}@{snapshot.version}" if snapshot is not None else "",
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written),
            "model_version": version.version,
            "algorithm": version.made_by,
            "metric": version.metric,
            "holdout_metric": version.holdout_metric,
            "holdout_interval": f"{version.holdout_low:.4f} to {version.holdout_high:.4f}",
            "holdout_start": version.holdout_start,
            "judged": judged_text(version.n_judged, version.n_folds),
            "span": version.span,
            "learned_since": version.learned_since or "all rows",
            "reason": decision.reason,
            "is_promoted": verdict["is_promoted"],
            "gate_outcome": verdict["outcome"],
            "gate_explanation": verdict["explanation"],
            "gain": verdict["gain"],
            "p_value": verdict["p_value"],
            "champion_version": decision.champion_after,
            "artifact_sha256": version.artifact_sha256,
            "ledger_rows": ledger.head.count,
            "ledger_sha256": ledger.head.sha256,
        },
    )
