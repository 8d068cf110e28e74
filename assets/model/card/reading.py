"""Facts behind a model card: ledger, registry and lake, read for one version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.model.explanations import EXPLANATIONS, read_explanation
from assets.model.quantiles import QUANTILES, read_figures
from assets.model.recorded import Recorded
from assets.model.tables import CANDIDATES
from assets.model.trial_log import TRIALS
from declaration.pipeline import Pipeline
from learning.explain.explanation import Explanation
from learning.metrics import Scored
from learning.quantiles import QuantileFigures
from learning.score_columns import scores_from
from learning.training_rows import label_indices
from resources.lake.lake import Lake
from resources.model_registry.ledger import Decision, read_ledger
from resources.model_registry.registry import KEY_TAG, ModelRegistry, TrainingRun
from resources.model_registry.stages import Stage, stages_after
from resources.model_registry.version import ModelVersion


@dataclass(frozen=True)
class CardFacts:
    """Stored facts of one version.

    Attributes
    ----------
    version
        From the registry.
    stage
        By the ledger, at the instant of the card; 'dev' where it does not name the version.
    decisions
        The ledger's rows that name it or let another take its place, oldest first.
    tags, run
        Of MLflow; no run where it was deleted.
    candidates
        Rows of `<p>/candidates`.
    trials
        Rows of `<p>/trials`: settings that searches tried, the best first.
    explanation, judged
        What its training found, and its judged rows out of fold; None where they were not kept.
    quantiles
        Figures of its quantiles; empty where none were declared.
    judged_span
        First and last instant of the judged rows; None where they were not kept.
    written_at
        Instant of the card (UTC).
    """

    version: ModelVersion
    stage: Stage
    decisions: tuple[Decision, ...]
    tags: Mapping[str, str]
    run: TrainingRun | None
    candidates: tuple[Mapping[str, Any], ...]
    trials: tuple[Mapping[str, Any], ...]
    explanation: Explanation | None
    judged: Scored | None
    quantiles: tuple[QuantileFigures, ...]
    judged_span: tuple[datetime, datetime] | None
    written_at: datetime

    @property
    def recorded(self) -> Recorded:
        """Notes of its training."""
        return Recorded.from_tags(self.tags)


def read_card_facts(
    pipeline: Pipeline, lake: Lake, registry: ModelRegistry, number: int, *, now: datetime
) -> CardFacts:
    """Read what is kept of a version.

    Raises
    ------
    ModelRegistryError
        If the registry does not have it.
    """
    decisions = read_ledger(lake, pipeline.name)
    version = registry.version(pipeline.name, number)
    explained = _rows_of(lake, EXPLANATIONS.of(pipeline.name), number)
    held_out = _rows_of(lake, pipeline.table("holdout_scores"), number)
    candidates = _rows_of(lake, CANDIDATES.of(pipeline.name), number)
    quantiles = _rows_of(lake, QUANTILES.of(pipeline.name), number)
    tags = registry.version_tags(pipeline.name).get(number, {})
    return CardFacts(
        version=version,
        stage=stages_after(decisions, now).get(number, "dev"),
        decisions=tuple(
            one for one in decisions if number in (one.version, one.champion_before, one.champion_after)
        ),
        trials=_trials(lake, TRIALS.of(pipeline.name), tags.get(KEY_TAG, "")),
        tags=tags,
        run=registry.training_run(pipeline.name, number),
        candidates=tuple(candidates.to_pylist()) if candidates is not None else (),
        explanation=read_explanation(explained) if explained is not None else None,
        judged=_judged(held_out, pipeline, version),
        quantiles=read_figures(quantiles.to_pylist()) if quantiles is not None else (),
        judged_span=_span(held_out),
        written_at=now,
    )


def _rows_of(lake: Lake, table: str, number: int) -> pa.Table | None:
    if not lake.has(table) or str(number) not in lake.snapshot(table).partitions:
        return None
    return lake.read(table, partitions=[str(number)])


def _trials(lake: Lake, table: str, training_key: str) -> tuple[Mapping[str, Any], ...]:
    if not training_key or not lake.has(table):
        return ()
    rows = lake.read(table)
    return tuple(rows.filter(pc.equal(rows["training_key"], training_key)).sort_by("loss").to_pylist())


def _judged(rows: pa.Table | None, pipeline: Pipeline, version: ModelVersion) -> Scored | None:
    problem = pipeline.spec.learned.problem
    # The classes of old versions were not written down: their scores have no names.
    if rows is None or rows.num_rows == 0 or (problem == "multiclass" and not version.classes):
        return None
    labels = label_indices(rows["label"], problem, version.classes)
    return Scored(labels, scores_from(rows, problem, len(version.classes)))


def _span(rows: pa.Table | None) -> tuple[datetime, datetime] | None:
    if rows is None or rows.num_rows == 0:
        return None
    ends = pc.min_max(rows["event_timestamp"]).as_py()
    return ends["min"], ends["max"]
