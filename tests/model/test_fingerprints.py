"""Fingerprints of trainings: what a candidate reads or runs otherwise makes another question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from assets.model.fingerprints import question
from declaration.model import CandidateSpec, ModelSpec
from declaration.pipeline import Pipeline
from declaration.preprocess import PreprocessSpec
from learning.training_rows import read_training_set
from tests.fixtures.training_world import World, training_table


def with_candidate(candidate: CandidateSpec, folder: Path) -> Pipeline:
    pipeline = replace(World.pipeline("flights"), folder=str(folder))
    return replace(
        pipeline, spec=pipeline.spec.model_copy(update={"model": ModelSpec(candidates=(candidate,))})
    )


def content(pipeline: Pipeline, table: pa.Table) -> str:
    return question(pipeline, "2024-01-01", "schedule", read_training_set(table, "binary"), None).content


def test_another_text_of_an_estimators_file_is_another_training(tmp_path: Path) -> None:
    pipeline = with_candidate(CandidateSpec(use="mine.py:Model", trusted=True), tmp_path)
    table = training_table(50)
    found = set()
    for text in ("class Model: pass", "class Model: 'another'", "class Model: pass"):
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        found.add(content(pipeline, table))
    assert len(found) == 2


def test_texts_that_only_a_preprocessing_reads_make_another_training(tmp_path: Path) -> None:
    # As categories these texts are all rare: without their words both tables are one to learn from.
    table = training_table(50)
    first, second = (
        table.append_column("note__text", pa.array([f"{word} came again number {row}" for row in range(50)]))
        for word in ("parcel", "letter")
    )
    plain = with_candidate(CandidateSpec(use="ridge"), tmp_path)
    words = with_candidate(CandidateSpec(use="ridge", preprocess=PreprocessSpec()), tmp_path)
    assert content(plain, first) == content(plain, second)
    assert content(words, first) != content(words, second)
