"""Fingerprints of trainings and decisions: the same question is answered once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from declaration.pipeline import Pipeline
from learning.algorithms.own import source_of
from learning.training_rows import TrainingSet

_FIRST_GATE_KEYS = {"min_metric", "min_gain", "alpha", "inconclusive"}


@dataclass(frozen=True)
class Question:
    """Question to the model stage: a training, and whether its model serves.

    A training is judged on what the champion has not seen, so another champion makes another training. Asked again
    after its challenger was promoted the question is the same nevertheless: whoever was champion when it was asked.

    Attributes
    ----------
    pipeline, partition, reason
        Of what, as of when, and why.
    content
        Fingerprint of rows, settings and seed.
    loss_since_us
        First instant of the champion's loss; None where none is confirmed.
    rows_sha256
        Digest of the rows alone.
    """

    pipeline: Pipeline
    partition: str
    reason: str
    content: str
    loss_since_us: int | None
    rows_sha256: str

    def training_key(self, champion: int | None) -> str:
        """Fingerprint all that decides which model comes out and on which rows it is judged."""
        judge = {"champion": champion, "loss_since_us": self.loss_since_us}
        return _fingerprint([self.pipeline.name, self.partition, self.content, judge])

    def decision_key(self, champion: int | None) -> str:
        """Fingerprint all that decides, beside the champion, what the gate says of a training."""
        spec = self.pipeline.spec.model.gate
        # Keys that came later count where they say something: what was decided without them stays decided.
        later = spec.model_dump(mode="json", exclude=_FIRST_GATE_KEYS, exclude_defaults=True)
        gate = {**spec.model_dump(mode="json", include=_FIRST_GATE_KEYS), **later}
        return _fingerprint([self.training_key(champion), gate, self.reason])


def question(
    pipeline: Pipeline, partition: str, reason: str, data: TrainingSet, loss_since_us: int | None
) -> Question:
    """Put the question of a run; its rows are read once for the fingerprint."""
    settings = pipeline.spec.model.model_dump(mode="json", exclude={"gate"})
    rows_sha256 = data.digest
    content = _fingerprint([data.problem, settings, rows_sha256, *_otherwise(pipeline, data)])
    return Question(pipeline, partition, reason, content, loss_since_us, rows_sha256)


def _otherwise(pipeline: Pipeline, data: TrainingSet) -> list[str]:
    """Digest what only some candidates learn with: rows as they read them, and the code of estimators of one's own."""
    candidates = pipeline.spec.model.competitors
    digests = [
        data.read_for(candidate).digest for candidate in candidates if candidate.preprocess is not None
    ]
    code = [
        hashlib.sha256(source_of(candidate.use, pipeline.folder)).hexdigest()
        for candidate in candidates
        if candidate.is_own
    ]
    return [digest for digest in dict.fromkeys(digests) if digest != data.digest] + code


def _fingerprint(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
