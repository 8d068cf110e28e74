"""Decisions that take effect: aliases and notes follow the ledger, whoever is faster."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from resources.lake.lake import Lake
from resources.model_registry.enactment import Enacted, enact, follow
from resources.model_registry.ledger import Decision, LedgerError, aliases_after, read_ledger, write_decision
from resources.model_registry.ledger_notes import HEAD_TAG, forget_notes, noted_head, noted_rows
from resources.model_registry.mlflow_store import open_store
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.version import ModelRegistryError
from tests.resources.model_registry.test_ledger import promoting
from tests.resources.model_registry.test_registry import register

N_VERSIONS = 6


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with some versions and no decision about them; MLflow's schema takes its time."""
    root = tmp_path_factory.mktemp("registered")
    made = ModelRegistry(tracking_uri=f"sqlite:///{root}/mlflow.db", artifact_root=str(root / "models"))
    for number in range(N_VERSIONS):
        register(made, "p", str(number))
    return root


@pytest.fixture
def registry(registered: Path, tmp_path: Path) -> ModelRegistry:
    shutil.copy(registered / "mlflow.db", tmp_path)
    return ModelRegistry(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifact_root=str(registered / "models")
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path / "lake"))


def promote(lake: Lake, registry: ModelRegistry, version: int, name: str = "gate") -> Enacted:
    return enact(lake, registry, "p", promoting(name, version), commit={})


def assert_follows(lake: Lake, registry: ModelRegistry) -> None:
    made = read_ledger(lake, "p")
    wanted = {name: number for name, number in aliases_after(made).items() if number is not None}
    assert registry.aliases("p") == wanted
    head = noted_head(registry, "p")
    assert head is not None
    assert head.count == len(made)
    assert sorted(noted_rows(registry, "p")) == list(range(len(made)))


def test_aliases_head_and_rows_are_noted(lake: Lake, registry: ModelRegistry) -> None:
    for version in (1, 2, 3):
        enacted = promote(lake, registry, version)
        assert enacted.decision is not None
        assert enacted.decision.version == version
        assert_follows(lake, registry)
    kept = lake.read("p/ledger").sort_by("sequence").to_pylist()
    assert [noted_rows(registry, "p")[place] for place in range(3)] == kept


def test_who_points_the_aliases_last_has_read_the_newest_row(
    lake: Lake, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 is decided on; before its aliases are pointed, another process decides on 3 and points them."""
    promote(lake, registry, 1)
    waiting = [3]

    def overtaken(*given: Any, **named: Any) -> Any:
        written = write_decision(*given, **named)
        if waiting:
            promote(lake, registry, waiting.pop())
        return written

    monkeypatch.setattr("resources.model_registry.enactment.write_decision", overtaken)
    promote(lake, registry, 2)
    assert [one.champion_after for one in read_ledger(lake, "p")] == [1, 2, 3]
    assert_follows(lake, registry)


def test_deciding_at_once_leaves_one_history_and_its_aliases(lake: Lake, registry: ModelRegistry) -> None:
    promote(lake, registry, 1)
    together = threading.Barrier(3)

    def decide(thread: int) -> None:
        for turn in range(2):
            together.wait()
            promote(lake, registry, 1 + (thread + turn) % N_VERSIONS, name=f"{thread}/{turn}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(decide, range(3)))
    made = read_ledger(lake, "p")
    assert len(made) == 7
    assert [one.champion_before for one in made[1:]] == [one.champion_after for one in made[:-1]]
    assert_follows(lake, registry)


def test_what_a_killed_process_left_undone_is_done_by_the_next(
    lake: Lake, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(lake, registry, 1)
    with monkeypatch.context() as patched:
        patched.setattr(ModelRegistry, "point_aliases", _killed_at(2))
        with pytest.raises(KeyboardInterrupt):
            promote(lake, registry, 2)
    assert registry.aliases("p")["champion"] == 1
    follow(lake, registry, "p")
    assert_follows(lake, registry)


def _killed_at(champion: int) -> Callable[..., Mapping[str, int | None]]:
    point = ModelRegistry.point_aliases

    def pointing(
        self: ModelRegistry, pipeline: str, wanted: Mapping[str, int | None]
    ) -> Mapping[str, int | None]:
        if wanted["champion"] == champion:
            raise KeyboardInterrupt
        return point(self, pipeline, wanted)

    return pointing


def test_a_ledger_whose_last_row_is_lost_is_refused(lake: Lake, registry: ModelRegistry) -> None:
    for version in (1, 2):
        promote(lake, registry, version)
    older = lake.table_path("p/ledger")
    kept = older.with_name("kept")
    shutil.copytree(older, kept)
    promote(lake, registry, 3)
    # As from a backup of the lake that is older than the registry.
    shutil.rmtree(older)
    kept.rename(older)
    said = r"ledger of 'p' in .* has 2 rows, and the model registry noted 3: the last ones are lost.*verify p --repair"
    with pytest.raises(LedgerError, match=said):
        promote(lake, registry, 4)
    assert len(read_ledger(lake, "p")) == 2


def test_a_ledger_with_another_row_than_was_noted_is_refused(lake: Lake, registry: ModelRegistry) -> None:
    promote(lake, registry, 1)
    shutil.rmtree(lake.table_path("p/ledger"))
    with pytest.raises(LedgerError, match="has 0 rows, and the model registry noted 1"):
        follow(lake, registry, "p")
    other = Lake(root=f"{lake.root}_other")
    enact(other, _without_notes(registry), "p", promoting("x", 2), commit={})
    with pytest.raises(LedgerError, match="has another row 0 than the model registry noted"):
        follow(other, registry, "p")


def test_a_registry_that_lacks_the_champion_is_named(lake: Lake, registry: ModelRegistry) -> None:
    promote(lake, registry, 1)
    client = open_store(registry.tracking_uri)
    client.delete_registered_model("p")
    with pytest.raises(ModelRegistryError, match=r"'champion' of 'p' cannot name version 1: .*from a backup"):
        follow(lake, registry, "p")


def test_a_ledger_that_was_set_aside_on_purpose_is_forgotten(lake: Lake, registry: ModelRegistry) -> None:
    for version in (1, 2):
        promote(lake, registry, version)
    shutil.rmtree(lake.table_path("p/ledger"))
    forget_notes(registry, "p")
    assert noted_rows(registry, "p") == {}
    promote(lake, registry, 3)
    assert_follows(lake, registry)


def _without_notes(registry: ModelRegistry) -> ModelRegistry:
    """Copy a registry and forget what it noted."""
    place = Path(registry.tracking_uri.removeprefix("sqlite:///"))
    twin = place.with_name("twin.db")
    shutil.copy(place, twin)
    made = replace_uri(registry, twin)
    open_store(made.tracking_uri).delete_registered_model_tag("p", HEAD_TAG)
    return made


def replace_uri(registry: ModelRegistry, database: Path) -> ModelRegistry:
    return ModelRegistry(tracking_uri=f"sqlite:///{database}", artifact_root=registry.artifact_root)


def test_nothing_is_written_where_nothing_is_decided(lake: Lake, registry: ModelRegistry) -> None:
    promote(lake, registry, 1)
    asked: list[Sequence[Decision]] = []
    enacted = enact(lake, registry, "p", lambda found: asked.append(found), commit={})  # type: ignore[func-returns-value]  # None is the point
    assert (enacted.decision, enacted.written) == (None, None)
    assert len(asked) == 1
    assert lake.snapshot("p/ledger").version == enacted.ledger.version
