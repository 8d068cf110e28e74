"""A version is rebuilt from its pinned rows and settings: the bytes agree, or what differs is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.model import reproduction
from assets.model.reproduction import Reproduction, reproduce
from declaration.pipeline import Pipeline
from learning.environment import present_environment
from resources.model_registry.mlflow_store import open_store
from resources.model_registry.registry import ModelRegistryError
from tests.fixtures.training_world import World, training_table
from tests.fixtures.versions import Versions

Rebuild = Callable[[int], Reproduction]


@pytest.fixture
def rebuild(versions: Versions) -> Iterator[Rebuild]:
    world, pipeline = versions
    before = tags(world, 2)
    yield lambda number: reproduce(
        pipeline, number, lake=world.lake, engine=world.engine, registry=world.registry
    )
    # As it was, for the next test.
    client = open_store(world.registry.tracking_uri)
    for name, text in before.items():
        client.set_model_version_tag("flights", "2", name, text)


def tags(world: World, number: int) -> dict[str, str]:
    return dict(world.registry.version_tags("flights")[number])


def retag(world: World, name: str, text: str) -> None:
    open_store(world.registry.tracking_uri).set_model_version_tag("flights", "2", name, text)


@pytest.mark.long
def test_every_version_comes_out_to_the_byte(versions: Versions) -> None:
    world, pipeline = versions
    for number in (1, 2, 3):
        found = reproduce(pipeline, number, lake=world.lake, engine=world.engine, registry=world.registry)
        assert found.outcome == "same bytes", found
        assert found.differences == found.results == found.not_recorded == ()
        assert found.explanation == "every byte of the model file agrees"


def test_later_rows_and_another_declaration_change_nothing(versions: Versions) -> None:
    world, pipeline = versions
    # The partition is written anew, and the declaration names other candidates.
    world.write_training_set(pipeline, "2024-02-01", training_table(700, seed=9))
    spec = replace_model(pipeline, candidates=("decision_tree",), seed=7)
    found = reproduce(spec, 2, lake=world.lake, engine=world.engine, registry=world.registry)
    assert found.outcome == "same bytes"


def replace_model(pipeline: Pipeline, **settings: object) -> Pipeline:
    model = pipeline.spec.model.model_copy(update=settings)
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"model": model}))


def test_another_package_is_named(versions: Versions, rebuild: Rebuild) -> None:
    world, _ = versions
    then = replace(present_environment(), code="0" * 16, packages={"numpy": "1.26.4"})
    retag(world, "driftline.environment", then.to_text())
    found: Reproduction = rebuild(2)
    assert found.outcome == "same bytes"
    named = {(one.kind, one.name, one.then) for one in found.differences}
    assert ("package", "numpy", "1.26.4") in named
    assert ("code", "of declaration/ and learning/", "0" * 16) in named
    assert found.explanation.startswith("every byte of the model file agrees, though there differs")


def test_other_bytes_are_explained_by_what_differs(
    versions: Versions, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = versions
    real = reproduction.train_model
    monkeypatch.setattr(
        reproduction,
        "train_model",
        # Another software: one that seeds otherwise, and leaves out a candidate.
        lambda data, spec, **known: real(
            data, spec.model_copy(update={"candidates": ("decision_tree",)}), **known
        ),
    )
    retag(world, "driftline.rows_sha256", "f" * 64)
    found: Reproduction = rebuild(2)
    assert found.outcome == "other bytes"
    assert [one.kind for one in found.differences] == ["input"]
    assert found.differences[0].name.startswith("rows of flights/training_set@")
    results = {one.name: one.now for one in found.results}
    assert results["candidate"] == "decision_tree"
    assert "algorithm in manifest.json" in found.differing_parts
    assert found.largest_score_difference is not None
    assert found.largest_score_difference > 0
    assert re.match(r"the model file has other bytes in .*; there differs input rows of", found.explanation)


def test_a_version_of_before_the_record_says_so(
    versions: Versions, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = versions
    kept = {
        name: text
        for name, text in tags(world, 2).items()
        if not name.endswith(("environment", "sha256", "against"))
    }
    monkeypatch.setattr(type(world.registry), "version_tags", lambda _self, _name: {2: kept})
    found: Reproduction = rebuild(2)
    # The ledger knows whom it was judged against.
    assert found.outcome == "same bytes"
    assert found.not_recorded == ("packages, code and machine", "digest of the rows")


def test_a_setting_that_is_new_or_gone_is_named(
    versions: Versions, rebuild: Rebuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = versions
    registry = type(world.registry)
    run = world.registry.training_run("flights", 2)
    assert run is not None
    params = {name: text for name, text in run.params.items() if name != "adapt_window"}
    older = replace(run, params={**params, "bagging": json.dumps(True)})
    monkeypatch.setattr(registry, "training_run", lambda *_: older)
    found: Reproduction = rebuild(2)
    assert [(one.kind, one.name, one.then, one.now) for one in found.differences] == [
        ("setting", "bagging", "true", "unknown to this release"),
        ("setting", "adapt_window", "not there yet", "True"),
    ]
    faulty = replace(run, params={**run.params, "seed": '"many"'})
    monkeypatch.setattr(registry, "training_run", lambda *_: faulty)
    found = rebuild(2)
    assert found.outcome == "not rebuilt"
    assert "are none that this release reads" in found.explanation
    assert "seed" in found.explanation
    monkeypatch.setattr(registry, "training_run", lambda *_: None)
    assert "MLflow's run of version 2 of 'flights' was deleted" in rebuild(2).explanation


def test_what_is_gone_is_named_with_its_repair(versions: Versions, rebuild: Rebuild) -> None:
    world, _ = versions
    with pytest.raises(ModelRegistryError, match="has no model version 9"):
        rebuild(9)
    snapshot = world.lake.snapshot("flights/training_set", 0)
    file = Path(snapshot.paths()[0])
    kept = file.read_bytes()
    file.unlink()
    try:
        found: Reproduction = rebuild(1)
    finally:
        file.write_bytes(kept)
    assert found.outcome == "not rebuilt"
    assert file.name in found.explanation
