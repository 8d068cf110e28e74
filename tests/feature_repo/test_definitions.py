"""Feast's commands see what the assets register, and leave no trace."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from declaration.rooms import HOUSE
from feature_repo.definitions import objects_of
from pipelines.loading.read import DeclarationError
from resources.feature_store.project import open_project
from resources.lake.lake import Lake
from tests.fixtures.tiny import START

PIPELINE, VIEW = "flight_delays", "airport_weather"


def test_objects_are_those_of_the_views_that_have_rows(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path / "lake"))
    rows = pa.table(
        {
            "origin": ["JFK"],
            "event_timestamp": pa.array([START], pa.timestamp("us", tz="UTC")),
            "temperature": [1.5],
        }
    )
    lake.write(f"{PIPELINE}/features/{VIEW}", rows, partition="2013-01-01")
    found = objects_of(PIPELINE, {"DRIFTLINE_HOME": str(tmp_path)})
    assert sorted(found) == ["entity_origin", "project", f"view_{VIEW}"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["lake"]


def test_an_empty_lake_gives_no_objects_and_stays_empty(tmp_path: Path) -> None:
    assert objects_of(PIPELINE, {"DRIFTLINE_HOME": str(tmp_path)}) == {}
    assert not list(tmp_path.iterdir())


def test_a_pipeline_that_is_not_declared_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"flight_delayz.* no such file"):
        objects_of("flight_delayz", {"DRIFTLINE_HOME": str(tmp_path)})


def test_the_settings_file_opens_the_store_that_the_assets_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast.repo_config import load_repo_config

    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    monkeypatch.setenv("DRIFTLINE_PIPELINE", PIPELINE)
    file = HOUSE / "feature_repo" / "feature_store.yaml"
    theirs = load_repo_config(file.parent, file)
    feast = tmp_path / "feast"
    ours = open_project(
        PIPELINE,
        registry_url=f"sqlite:///{feast / 'registry.db'}",
        online_url=f"sqlite:///{feast / 'online.db'}",
        memory_limit="2GB",
        threads=2,
        spill_directory="",
    ).config
    for settings in ("project", "provider", "entity_key_serialization_version"):
        assert getattr(theirs, settings) == getattr(ours, settings)
    for settings in ("registry", "offline_store", "online_store", "materialization_config"):
        assert getattr(theirs, settings).model_dump() == getattr(ours, settings).model_dump()


def test_the_settings_file_names_each_room_that_it_hides_from_feast() -> None:
    folder = HOUSE / "feature_repo"
    hidden = set((folder / ".feastignore").read_text(encoding="utf-8").split())
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py", "definitions.py"}
    assert hidden == modules
    assert yaml.safe_load((folder / "feature_store.yaml").read_text(encoding="utf-8"))["provider"] == "local"
