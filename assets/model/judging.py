"""Judgement of a challenger beside the champion, on rows that neither has learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assets.materialization import StageRun
from assets.model.reading import Rival
from declaration.sql import quote_identifier
from learning.comparison import ScoredPair
from learning.encode import EncodingError
from learning.gate import GateVerdict, judge_challenger
from learning.metrics import Floats, Scored
from learning.score_columns import aligned_scores, classes_of_both, score_fields, scores_from
from learning.threads import limited_threads
from learning.train import Training, chosen_metric
from learning.training_rows import TrainingSet
from resources.lake.lake import scan
from resources.model_registry.version import ModelVersion


def judge_beside(
    run: StageRun,
    data: TrainingSet,
    training: Training,
    version: ModelVersion,
    champion: Rival | None,
    *,
    is_loss_confirmed: bool,
) -> tuple[ScoredPair | None, GateVerdict]:
    """Judge a challenger beside the champion; return what was compared, None for nothing, and the verdict."""
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


def _scored_pair(run: StageRun, data: TrainingSet, training: Training, champion: Rival) -> ScoredPair | None:
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
    champion: Rival,
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
