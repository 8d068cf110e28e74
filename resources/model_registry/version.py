"""Model versions as the registry keeps them: values, and their form as tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from declaration.errors import DriftlineError
from declaration.model import candidate_text

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion


_VERSION_TAG = "driftline.version"


_TAG_LENGTH = 50_000
"""Characters of one tag: half of what MLflow allows."""


class ModelRegistryError(DriftlineError):
    """A model version cannot be registered, found or trusted."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered model: what it learned from and how good it was on rows it had not seen.

    Attributes
    ----------
    version
        Number in the registry, from 1.
    algorithm
        Of the winning candidate.
    training_partition, training_table_version
        As-of partition of the training set, and the Delta version of `<p>/training_set` that was read.
    metric, holdout_metric, holdout_low, holdout_high
        What is compared; its value on the judged rows, out of fold; its 95 % interval by blocks of time.
    holdout_start
        First instant of the judged rows (UTC).
    n_judged, n_folds
        How many rows were judged, and in how many folds; None in versions that held out the newest rows whole.
    feature_names
        Columns of the training set that the model reads, sorted.
    importances
        Share of each feature in the model's skill; at least 0, sums to 1.
    n_training_rows
        Labelled rows the served model was fitted on.
    learned_since, span
        First instant of these rows (UTC), where older ones were left out because they made the model worse, and the
        span's name; None where it was not written down.
    classes
        Multiclass: the labels that it tells apart, in the order of its probabilities; () otherwise, and where they were
        not written down.
    candidate
        Its name, where the declaration gives it one; '' in versions of before candidates had names.
    run_id
        MLflow's run that registered it; '' before.
    error_scale
        Unit of scaled errors: mean distance of the labels learned from to the season before; None where it is not known.
    artifact_sha256
        Content hash of the model file.
    registered_at
        Instant of the training run (UTC).
    """

    version: int
    algorithm: str
    training_partition: str
    training_table_version: int
    metric: str
    holdout_metric: float
    holdout_low: float
    holdout_high: float
    holdout_start: datetime
    feature_names: tuple[str, ...]
    importances: Mapping[str, float]
    n_training_rows: int
    artifact_sha256: str
    registered_at: datetime
    learned_since: datetime | None = None
    n_judged: int | None = None
    n_folds: int | None = None
    span: str | None = None
    classes: tuple[str, ...] = ()
    candidate: str = ""
    run_id: str = ""
    error_scale: float | None = None

    @property
    def made_by(self) -> str:
        """Say which candidate it is, with its algorithm."""
        return candidate_text(self.candidate, self.algorithm)


def _read_version(entry: MlflowVersion) -> ModelVersion:
    if f"{_VERSION_TAG}.0" not in entry.tags:
        raise ModelRegistryError(
            f"version {entry.version} of '{entry.name}' was not registered by Driftline (tag "
            f"{_VERSION_TAG} is missing). Delete it, or give the other tool another model name."
        )
    return replace(_from_tags(entry.tags), version=int(entry.version), run_id=str(entry.run_id or ""))


def _to_tags(model: ModelVersion) -> Mapping[str, str]:
    """Write a version as JSON in as many tags as its length needs."""
    # The run is MLflow's own field of the version.
    fields = {name: value for name, value in asdict(model).items() if name != "run_id"}
    text = json.dumps(fields, default=lambda instant: instant.isoformat(), sort_keys=True)
    starts = range(0, len(text), _TAG_LENGTH)
    return {f"{_VERSION_TAG}.{i}": text[start : start + _TAG_LENGTH] for i, start in enumerate(starts)}


def _from_tags(tags: Mapping[str, str]) -> ModelVersion:
    parts: list[str] = []
    while f"{_VERSION_TAG}.{len(parts)}" in tags:
        parts.append(tags[f"{_VERSION_TAG}.{len(parts)}"])
    fields: dict[str, Any] = json.loads("".join(parts))
    for name in ("holdout_start", "registered_at", "learned_since"):
        fields[name] = datetime.fromisoformat(fields[name]) if fields.get(name) else None
    for name in ("feature_names", "classes"):
        fields[name] = tuple(fields.get(name, ()))
    return ModelVersion(**fields)
