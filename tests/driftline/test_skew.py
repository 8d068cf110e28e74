"""The command that compares what was served with the offline join."""

import json
from pathlib import Path

import pytest

from driftline.cli import SUCCESS, main
from driftline.skew import KEYS
from resources.feature_store.skew import FEATURE_SKEW
from tests.fixtures.keys import undocumented
from tests.fixtures.served_world import World, at


@pytest.fixture
def world(tmp_path: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ARG001 (each kind of store)
    made = World(tmp_path)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    monkeypatch.setattr("pipelines.loading.declared.find_pipeline", lambda _: made.pipeline)
    return made


def test_a_skewed_value_is_printed_with_its_example_and_kept(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write(0, {"m0": 1.0, "m1": 2.0}, created=at(0, 13))
    world.load(0)
    world.put({"m1": 2.5}, day=0, created=at(0, 13))
    for machine in ("m0", "m1"):
        world.serve(machine, at(1))
    world.log.flush()
    assert main(["skew", "tiny", "--since", "2024-01-01"]) == SUCCESS
    assert capsys.readouterr().out.splitlines() == [
        "recent.mean_heat: 1 of 2 differ (50.00%), mean difference 0.25; changed value 1",
        "  machine = m1 at 2024-01-02T00:00:00+00:00: online 2.5, offline 2.0 (changed value)",
        "recent.readings: 0 of 2 differ (0.00%), mean difference 0",
        "Kept in the lake's table tiny/feature_skew.",
    ]
    kept = {
        row["feature"]: row["n_different"] for row in world.lake.read(FEATURE_SKEW.of("tiny")).to_pylist()
    }
    assert kept == {"mean_heat": 1, "readings": 0}
    assert main(["skew", "tiny", "--since", "2024-01-01", "--json"]) == SUCCESS
    printed = json.loads(capsys.readouterr().out)
    assert undocumented(printed, KEYS) == set()
    assert printed["features"][0]["examples"][0]["online"] == "2.5"


def test_a_pipeline_of_which_nothing_was_logged_is_told_what_to_do(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["skew", "tiny", "--since", "2024-01-01"]) == SUCCESS
    assert "Give `read_online` a `ServedLog`" in capsys.readouterr().out
    assert not world.lake.has(FEATURE_SKEW.of("tiny"))
