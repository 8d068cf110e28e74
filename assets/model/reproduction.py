"""A model version rebuilt from its pinned training set and settings: whether the bytes agree, and if not, what differs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import ValidationError

from assets.model.known_loss import loss_since_us
from assets.model.recorded import OUT_OF_CORE, Judge, Recorded
from assets.model.tuning_page import FOUND
from declaration.errors import DriftlineError
from declaration.model import ModelSpec
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.target import ProblemType
from learning.environment import differences, present_environment
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes, model_to_bytes
from learning.model_parts import differing_parts
from learning.train import Training, train_model
from learning.training_rows import TrainingError, TrainingSet, read_training_set
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake, scan
from resources.model_registry.ledger import CONFIRMED_LOSS, GATE, Decision, read_ledger, trusted_sha256
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.version import ModelVersion

N_SCORED = 10_000
"""Rows on which two models are compared where their files differ: the newest."""

Kind = Literal["input", "setting", "package", "code", "machine", "result"]
Outcome = Literal["same bytes", "other bytes", "not rebuilt"]


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was when the version was trained."""

    kind: Kind
    name: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.then} then, {self.now} now"


@dataclass(frozen=True)
class Reproduction:
    """Result of rebuilding a version.

    Attributes
    ----------
    version
        Its number.
    expected_sha256, found_sha256
        Hashes of the model file that was registered, and of the one that was built; None where none was.
    differences
        Inputs, settings, packages, code and machine that are not as they were; each may be why the bytes differ.
    results
        What came out otherwise: the chosen candidate, the span, the metric.
    not_recorded
        Of what nobody can tell whether it differs: the version is older than its record.
    obstacle
        Why it could not be rebuilt; '' where it was.
    differing_parts
        Parts of the model file whose bytes differ.
    largest_score_difference, share_of_scores_that_differ
        Between both models on the newest rows of the training set; None where nothing was compared.
    cpu_seconds
        What it cost.
    """

    version: int
    expected_sha256: str
    found_sha256: str | None
    differences: tuple[Difference, ...]
    results: tuple[Difference, ...] = ()
    not_recorded: tuple[str, ...] = ()
    obstacle: str = ""
    differing_parts: tuple[str, ...] = ()
    largest_score_difference: float | None = None
    share_of_scores_that_differ: float | None = None
    cpu_seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """The verdict."""
        if self.found_sha256 is None:
            return "not rebuilt"
        return "same bytes" if self.found_sha256 == self.expected_sha256 else "other bytes"

    @property
    def explanation(self) -> str:
        """The verdict in a sentence."""
        differing = "; ".join(map(str, self.differences))
        if self.outcome == "not rebuilt":
            return self.obstacle
        if self.outcome == "same bytes":
            return "every byte of the model file agrees" + (
                f", though there differs {differing}" if differing else ""
            )
        where = f" in {', '.join(self.differing_parts)}" if self.differing_parts else ""
        scores = ", and the scores agree" if self.largest_score_difference == 0 else ""
        return f"the model file has other bytes{where}{scores}; {self._cause(differing)}"

    def _cause(self, differing: str) -> str:
        """Say why bytes may differ, as far as it was written down."""
        if differing:
            return f"there differs {differing}"
        if self.not_recorded:
            return f"not recorded: {', '.join(self.not_recorded)}"
        return (
            "rows, settings, packages, code and machine are as they were: the training is not deterministic"
        )

    @property
    def findings(self) -> Mapping[str, object]:
        """Findings that the ledger keeps beside the verdict."""
        return {
            "explanation": self.explanation,
            "found_sha256": self.found_sha256,
            "differences": [str(difference) for difference in (*self.differences, *self.results)],
        }


@dataclass(frozen=True)
class _Sources:
    """Places that a version is rebuilt from: declaration, lake and engine."""

    pipeline: Pipeline
    lake: Lake
    engine: Engine
    registry: ModelRegistry
    version: ModelVersion
    decisions: tuple[Decision, ...]
    recorded: Recorded


def reproduce(
    pipeline: Pipeline, number: int, *, lake: Lake, engine: Engine, registry: ModelRegistry
) -> Reproduction:
    """Train a version again from what it learned from, and compare the bytes.

    Nothing is registered or decided. The settings are those of its training, not of the present declaration.

    Parameters
    ----------
    pipeline
        Its pipeline as it is declared now: its partitions and tables.
    number
        The version.
    lake, engine, registry
        Where the training set, and what was written down of the training, are.

    Raises
    ------
    ModelRegistryError
        If there is no such version.
    """
    started = time.process_time()
    version = registry.version(pipeline.name, number)
    tags = registry.version_tags(pipeline.name)[number]
    if OUT_OF_CORE in tags:
        raise TrainingError(
            f"version {number} of '{pipeline.name}' was learned out of core, which is not rebuilt: its rows were more than memory "
            "could hold. Materialize training_set and model of its partition again to train anew."
        )
    recorded = Recorded.from_tags(tags)
    sources = _Sources(pipeline, lake, engine, registry, version, read_ledger(lake, pipeline.name), recorded)
    try:
        spec, problem, changed = _settings(sources)
        data = _rows(sources, problem)
        training = _trained(sources, spec, data)
    except DriftlineError as error:
        # Whatever stands in the way is the answer, and does not stop the next version.
        return Reproduction(number, version.artifact_sha256, None, (), obstacle=str(error))
    content = model_to_bytes(training.model)
    sha256 = hashlib.sha256(content).hexdigest()
    is_same = sha256 == version.artifact_sha256
    apart = _Apart() if is_same else _apart(sources, training.model, content, data)
    return Reproduction(
        version=number,
        expected_sha256=version.artifact_sha256,
        found_sha256=sha256,
        # After the training: libraries are loaded.
        differences=(*_input_differences(sources, data), *changed, *_software_differences(recorded)),
        results=tuple(_results(version, training)),
        not_recorded=tuple(_not_recorded(recorded)),
        differing_parts=apart.parts,
        largest_score_difference=apart.largest,
        share_of_scores_that_differ=apart.share,
        cpu_seconds=time.process_time() - started,
    )


def _settings(sources: _Sources) -> tuple[ModelSpec, ProblemType, tuple[Difference, ...]]:
    """Read the settings of the training, and tell which of them this release reads otherwise."""
    version = sources.version
    run = sources.registry.training_run(sources.pipeline.name, version.version)
    if run is None:
        raise TrainingError(
            f"MLflow's run of version {version.version} of '{sources.pipeline.name}' was deleted, and with it the settings of "
            "the training. Restore MLflow's database from a backup."
        )
    # The gate judges what was trained, and changes nothing of it.
    settings = {
        name: json.loads(text)
        for name, text in run.params.items()
        if name not in ("problem", "gate") and not name.startswith(FOUND)
    }
    fields = ModelSpec.model_fields
    gone = [name for name in settings if name not in fields]
    try:
        spec = ModelSpec.model_validate({name: value for name, value in settings.items() if name in fields})
    except ValidationError as error:
        raise TrainingError(
            f"the settings of version {version.version} of '{sources.pipeline.name}' are none that this release reads: "
            f"{error.errors()[0]['loc']} {error.errors()[0]['msg']}. Rebuild it with the release that trained it."
        ) from error
    # Keys that came later are not written where nothing is declared of them.
    new = [name for name in fields if name not in settings and name not in ("gate", *ModelSpec.ADDED)]
    changed = (
        *(
            Difference("setting", name, json.dumps(settings[name]), "unknown to this release")
            for name in gone
        ),
        *(Difference("setting", name, "not there yet", str(getattr(spec, name))) for name in new),
    )
    return spec, _problem(run.params["problem"]), changed


def _problem(text: str) -> ProblemType:
    problems: Mapping[str, ProblemType] = {
        "binary": "binary", "multiclass": "multiclass", "regression": "regression",
    }  # fmt: skip
    return problems[text]


def _rows(sources: _Sources, problem: ProblemType) -> TrainingSet:
    """Read the training set as it was, by the version of its table."""
    version = sources.version
    snapshot = sources.lake.snapshot(sources.pipeline.table("training_set"), version.training_table_version)
    with sources.engine.connect() as connection:
        rows = connection.sql(
            f"SELECT * FROM {scan(snapshot, [version.training_partition])}"
        ).to_arrow_table()
    pipeline = sources.pipeline
    return read_training_set(
        rows,
        problem,
        timezone=pipeline.spec.partitions.timezone,
        folder=pipeline.folder,
        difference=pipeline.spec.learned.difference,
        has_horizons=len(pipeline.spec.learned.horizon) > 1,
    )


def _trained(sources: _Sources, spec: ModelSpec, data: TrainingSet) -> Training:
    judge = sources.recorded.judge or _judge_by_ledger(sources)
    knows_until_us = None
    if judge.champion is not None:
        champion = sources.registry.version(sources.pipeline.name, judge.champion)
        as_of = partitioning(sources.pipeline.spec.partitions).window(champion.training_partition).end
        knows_until_us = round(as_of.timestamp() * 1e6)
    return train_model(
        data,
        spec,
        champion_knows_until_us=knows_until_us,
        loss_since_us=judge.loss_since_us,
        threads=sources.engine.threads,
    )


def _judge_by_ledger(sources: _Sources) -> Judge:
    """Tell of a version that is older than its record beside which champion it was trained."""
    number = sources.version.version
    judged = [
        decision for decision in sources.decisions if decision.version == number and decision.actor == GATE
    ]
    if not judged:
        return Judge(None, None)
    champion = judged[0].champion_before
    is_loss = champion is not None and judged[0].reason.startswith(CONFIRMED_LOSS)
    since = (
        loss_since_us(sources.pipeline, sources.lake, sources.version.training_partition) if is_loss else None
    )
    return Judge(champion, since)


def _input_differences(sources: _Sources, data: TrainingSet) -> Iterator[Difference]:
    then = sources.recorded.rows_sha256
    if then is not None and then != data.digest:
        table = sources.pipeline.table("training_set")
        name = f"rows of {table}@{sources.version.training_table_version}"
        yield Difference("input", name, then[:12], data.digest[:12])


def _software_differences(recorded: Recorded) -> Iterator[Difference]:
    if recorded.environment is None:
        return
    for name, (then, now) in differences(recorded.environment, present_environment()).items():
        kind: Kind = "machine"
        if name.startswith("package "):
            kind, name = "package", name.removeprefix("package ")
        elif name == "code":
            kind, name = "code", "of declaration/ and learning/"
        yield Difference(kind, name, then, now)


def _not_recorded(recorded: Recorded) -> Iterator[str]:
    if recorded.environment is None:
        yield "packages, code and machine"
    if recorded.rows_sha256 is None:
        yield "digest of the rows"


def _results(version: ModelVersion, training: Training) -> Iterator[Difference]:
    """Compare what came out, where it is written down."""
    pairs = {
        "candidate": (version.candidate or version.algorithm, training.model.name),
        "span": (version.span, training.span.name),
        "rows learned from": (f"{version.n_training_rows:,}", f"{training.n_rows:,}"),
        "judged rows": (
            None if version.n_judged is None else f"{version.n_judged:,}",
            f"{training.judged.size:,}",
        ),
        version.metric: (f"{version.holdout_metric:.6f}", f"{training.holdout_metric:.6f}"),
    }
    for name, (then, now) in pairs.items():
        # Of what an older version did not write down nobody knows whether it differs.
        if then is not None and then != now:
            yield Difference("result", name, str(then), now)


@dataclass(frozen=True)
class _Apart:
    """Return the distance of two models: parts of their files, and their scores; None where these cannot be compared."""

    parts: tuple[str, ...] = ()
    largest: float | None = None
    share: float | None = None


def _apart(sources: _Sources, rebuilt: FittedModel, content: bytes, data: TrainingSet) -> _Apart:
    """Compare the registered model with the rebuilt one: the files, and the scores of the newest rows."""
    version = sources.version
    original = sources.registry.model_file(
        sources.pipeline.name, version.version, sha256=version.artifact_sha256
    )
    sha256 = trusted_sha256(sources.decisions, version.version)
    registered = model_from_bytes(original, ledger_sha256=sha256)
    parts = differing_parts(original, content)
    if registered.classes != rebuilt.classes or registered.problem != rebuilt.problem:
        return _Apart(parts)
    newest = data.rows.slice(max(0, data.rows.num_rows - N_SCORED))
    distances = np.abs(registered.score(newest) - rebuilt.score(newest))
    distances = distances if distances.ndim == 1 else distances.max(axis=1)
    return _Apart(parts, float(distances.max()), float(np.mean(distances > 0)))
