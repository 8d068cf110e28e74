"""Reads of a training: its rows, the decisions so far, and the model that serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from assets.materialization import StageRun
from assets.model.fingerprints import Question, question
from assets.model.known_loss import loss_since_us
from assets.training_set.size import SetSize, streams
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from learning.algorithms.batched_rows import ROWS_AT_ONCE
from learning.algorithms.own import OwnEstimatorError
from learning.encode import EncodingError
from learning.fitted import FittedModel
from learning.metrics import MetricError
from learning.model_file import model_from_bytes
from learning.out_of_core.reading import LargeSet, read_large_set
from learning.preprocess.reading import PreprocessError
from learning.training_rows import (
    NOT_FEATURES,
    LabelsNeededError,
    TrainingError,
    TrainingSet,
    read_training_set,
)
from resources.engine.memory import limit_bytes, row_bytes
from resources.lake.files import read_batches
from resources.lake.lake import Snapshot, scan
from resources.model_registry.enactment import follow
from resources.model_registry.ledger import CONFIRMED_LOSS, Decision, Ledger, aliases_after, trusted_sha256
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.version import ModelVersion


@dataclass(frozen=True)
class Rival:
    """The serving model, and up to when it has learned."""

    version: ModelVersion
    model: FittedModel
    knows_until_us: int


@dataclass(frozen=True)
class Inputs:
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


def read_inputs(run: StageRun, registry: ModelRegistry, folder: Path) -> Inputs:
    """Read the training set, or what memory may hold of it, and the decisions so far."""
    snapshot = run.lake.snapshot(run.table("training_set"))
    is_loss_confirmed = run.scope.reason.startswith(CONFIRMED_LOSS)
    with located(run, snapshot):
        large = _read_large(run, snapshot, folder) if _is_large(run, snapshot) else None
        data = large.newest if large is not None else _read_rows(run, snapshot)
        since_us = loss_since_us(run.pipeline, run.lake, partition_of(run)) if is_loss_confirmed else None
        asked = question(run.pipeline, partition_of(run), run.scope.reason, data, since_us)
    ledger = follow(run.lake, registry, run.pipeline.name)
    return Inputs(snapshot, data, asked, is_loss_confirmed, ledger, large)


def _read_rows(run: StageRun, snapshot: Snapshot) -> TrainingSet:
    with run.engine.connect() as connection:
        source = scan(snapshot, [partition_of(run)])
        rows = connection.sql(f"SELECT * FROM {source}").to_arrow_table()
    return read_training_set(
        rows,
        run.spec.learned.problem,
        timezone=run.spec.partitions.timezone,
        folder=run.pipeline.folder,
        difference=run.spec.learned.difference,
        has_horizons=len(run.spec.learned.horizon) > 1,
    )


@contextmanager
def located(run: StageRun, snapshot: Snapshot) -> Iterator[None]:
    """Add the training set to the errors raised inside."""
    try:
        yield
    except LabelsNeededError:
        raise  # No fault: the outcome of the partition says what is needed.
    except (TrainingError, EncodingError, MetricError, OwnEstimatorError, PreprocessError) as error:
        where = f"{snapshot.table}@{snapshot.version}, partition {run.scope.partition}"
        raise type(error)(f"pipeline '{run.pipeline.name}', training set {where}: {error}") from error


def _is_large(run: StageRun, snapshot: Snapshot) -> bool:
    """Tell whether the set is beyond what memory may hold.

    Raises
    ------
    TrainingSetError
        If it is, and not every candidate learns out of core.
    """
    names = [name for name in snapshot.schema.names if name not in NOT_FEATURES]
    size = SetSize(
        snapshot.rows_by_partition.get(partition_of(run), 0),
        row_bytes(snapshot.schema),
        len(names),
        limit_bytes(run.engine.memory_limit),
        run.engine.memory_limit,
    )
    return streams(size, run.spec)


def _read_large(run: StageRun, snapshot: Snapshot, folder: Path) -> LargeSet:
    paths = snapshot.paths([partition_of(run)])
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


def partition_of(run: StageRun) -> str:
    """Return the partition as of which is trained.

    Raises
    ------
    TrainingError
        If none was given.
    """
    if run.scope.partition is None:
        raise TrainingError(
            f"the model of '{run.pipeline.name}' is trained as of a partition, and none was given. "
            "Materialize it for a partition key."
        )
    return run.scope.partition


def standing_decision(decisions: Sequence[Decision], asked: Question) -> Decision | None:
    """Return the decision that answered this question, unless the champion was changed since.

    Whoever was champion when it was asked: a challenger that was promoted is asked about again as champion.
    """
    judges = {None, *(decision.champion_after for decision in decisions)}
    keys = {asked.decision_key(number) for number in judges}
    champion = aliases_after(decisions)["champion"]
    same = [decision for decision in decisions if decision.decision_key in keys]
    return same[-1] if same and same[-1].champion_after == champion else None


def champion_then(asked: Question, decisions: Sequence[Decision], registry: ModelRegistry) -> int | None:
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


def read_rival(
    pipeline: Pipeline, decisions: Sequence[Decision], registry: ModelRegistry, number: int | None
) -> Rival | None:
    """Read a version that serves; None where none does."""
    if number is None:
        return None
    version = registry.version(pipeline.name, number)
    sha256 = trusted_sha256(decisions, number)
    content = registry.model_file(pipeline.name, number, sha256=sha256)
    as_of = partitioning(pipeline.spec.partitions).window(version.training_partition).end
    return Rival(version, model_from_bytes(content, ledger_sha256=sha256), round(as_of.timestamp() * 1e6))
