"""Code locations of one's own: loaded whole, or beside definitions that a project loads itself."""

import os
from pathlib import Path

import dagster as dg
import pytest

from driftline import MLPipeline, automation_defs, build_defs
from driftline.init.project import make_project
from pipelines.component import MLPipeline as Component
from resources.project import PROJECT_VARIABLE, ProjectError
from tests.fixtures.sound_declaration import write

OWN_ASSET = """
import dagster as dg

@dg.asset
def exchange_rates() -> None:
    ...
"""


def shop(tmp_path: Path, name: str, pipeline: str) -> Path:
    """Make a project with a pipeline and an asset of its own; return its folder of definitions."""
    defs = make_project(name, parent=tmp_path) / name / "defs"
    write(defs / pipeline)
    (defs / "rates.py").write_text(OWN_ASSET)
    return defs


def names(loaded: dg.Definitions) -> tuple[set[str], set[str], set[str]]:
    repository = loaded.get_repository_def()
    return (
        {key.path[0] for key in repository.asset_graph.get_all_asset_keys()},
        {one.name for one in repository.schedule_defs},
        {one.name for one in repository.sensor_defs},
    )


def test_two_projects_are_locations_of_their_own_wherever_dagster_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    north, south = shop(tmp_path, "north_shop", "coats"), shop(tmp_path, "south_shop", "hats")
    monkeypatch.chdir(tmp_path)
    for defs, pipeline in ((north, "coats"), (south, "hats")):
        loaded = build_defs(defs)
        assets, schedules, sensors = names(loaded)
        assert assets == {pipeline, "exchange_rates"}
        assert schedules
        assert sensors
        assert (loaded.resources or {})["lake"].root == str(defs.parents[1] / ".driftline" / "lake")
        assert os.environ[PROJECT_VARIABLE] == str(defs.parents[1])


# Dagster's own loader, called as a user calls it.
@pytest.mark.filterwarnings("ignore:.*is currently in preview")
def test_a_project_that_loads_itself_adds_one_line(tmp_path: Path) -> None:
    defs = shop(tmp_path, "old_shop", "shoes")
    whole = build_defs(defs)
    own = dg.load_from_defs_folder(path_within_project=defs)
    assert not own.resources
    merged = dg.Definitions.merge(own, automation_defs(defs))
    assert names(merged) == names(whole)
    assert set(merged.resources or {}) == set(whole.resources or {})
    # The executor is the project's own.
    assert merged.executor is None
    dg.Definitions.validate_loadable(merged)


def test_others_may_be_merged_with_a_project_that_is_loaded_whole(tmp_path: Path) -> None:
    defs = shop(tmp_path, "joint_shop", "gloves")

    @dg.asset
    def reports() -> None: ...

    merged = dg.Definitions.merge(build_defs(defs), dg.Definitions(assets=[reports]))
    assert names(merged)[0] == {"gloves", "exchange_rates", "reports"}


def test_a_package_that_bears_a_name_of_ours_is_found_at_start(tmp_path: Path) -> None:
    defs = shop(tmp_path, "blind_shop", "socks")
    place = defs.parents[1] / "assets"
    place.mkdir()
    (place / "__init__.py").touch()
    for load in (build_defs, automation_defs):
        with pytest.raises(ProjectError, match=r"assets and Driftline's package 'assets' bear one name"):
            load(defs)


def test_a_folder_of_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"belongs to no project.*Path\(__file__\)"):
        build_defs(tmp_path)


def test_the_component_has_a_name_for_users() -> None:
    assert MLPipeline is Component
