"""Fingerprints of trainings and decisions: the same question is answered once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from declaration.pipeline import Pipeline
from learning.training_rows import TrainingSet


def fingerprint_training(
    pipeline: Pipeline, partition: str, data: TrainingSet, *, is_loss_confirmed: bool
) -> str:
    """Fingerprint all that decides which model comes out: rows, settings and seed, and how they are split."""
    settings = pipeline.spec.model.model_dump(mode="json", exclude={"gate"})
    return _fingerprint([pipeline.name, partition, data.problem, settings, data.digest, is_loss_confirmed])


def fingerprint_decision(pipeline: Pipeline, training_key: str, reason: str) -> str:
    """Fingerprint all that decides, beside the champion, what the gate says of a training."""
    return _fingerprint([training_key, pipeline.spec.model.gate.model_dump(mode="json"), reason])


def _fingerprint(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
