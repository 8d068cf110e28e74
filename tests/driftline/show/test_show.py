"""What a declaration becomes: every asset and table, settings after defaults, and the SQL that the engine takes."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from driftline.cli import FAULT, SUCCESS, main
from driftline.show.assets import asset_views
from driftline.show.command import KEYS
from driftline.show.recording import Recording
from driftline.show.settings import stage_settings
from driftline.show.statements import statements
from pipelines.graph.compile import build_pipeline
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented
from tests.fixtures.replaying import connected
from tests.fixtures.tiny import day_window, tiny_pipeline

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_assets_and_their_checks_are_the_compilers_own(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    resources = dg.Definitions(resources=connected(tmp_path).as_resources())
    graph = dg.Definitions.merge(build_pipeline(pipeline), resources).resolve_asset_graph()
    views = {view.key: view for view in asset_views(pipeline)}
    assert set(views) == {key.to_user_string() for key in graph.get_all_asset_keys()}
    for key in graph.get_all_asset_keys():
        view, node = views[key.to_user_string()], graph.get(key)
        assert {read.key for read in view.reads} == {parent.to_user_string() for parent in node.parent_keys}
        assert {check.name for check in view.checks} == {one.name for one in node.check_keys}


def test_every_table_of_a_real_home_is_written_by_an_asset(home: Home) -> None:
    written = {table for view in asset_views(home.pipeline) for table in view.writes}
    assert set(home.tables()) - {"tiny/incidents"} <= written


def test_functions_are_named_by_file_and_line(tmp_path: Path) -> None:
    for view in asset_views(tiny_pipeline(tmp_path)):
        place, _, name = view.function.partition(" ")
        file, _, line = place.partition(":")
        text = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert text.startswith(f"def {name}(")


def test_files_and_partitions_that_are_read_are_named(tmp_path: Path) -> None:
    views = {"/".join(view.path): view for view in asset_views(tiny_pipeline(tmp_path))}
    assert views["features/recent"].files == ("recent.sql",)
    assert [read.partitions for read in views["features/recent"].reads] == [
        "its own partition and the 2 before"
    ]
    assert [read.partitions for read in views["profiled/machines"].reads] == ["whole"]
    assert {read.partitions for read in views["training_set"].reads} == {"its own partition and all before"}


def test_defaults_are_marked_and_what_is_declared_is_not(tmp_path: Path) -> None:
    found = {one.path: one for one in stage_settings(tiny_pipeline(tmp_path), ("drift_report",))}
    assert (found["drift.min_rows"].value, found["drift.min_rows"].is_default) == (200, False)
    assert (found["drift.alpha"].value, found["drift.alpha"].is_default) == (0.05, True)
    # Of a block that is left out, everything is a default.
    assert found["drift.multivariate.when"].is_default
    views = {one.path: one.value for one in stage_settings(tiny_pipeline(tmp_path), ("features", "recent"))}
    assert views["features.recent.ttl"] == "3 days, 0:00:00"
    rules = {one.path: one.value for one in stage_settings(tiny_pipeline(tmp_path), ("profiled", "readings"))}
    assert rules["datasets.readings.expectations.1.max_value"] == 1


@pytest.mark.parametrize(
    ("path", "fragments"),
    [
        (("raw", "readings"), ["read_csv([", "driftline_rejects"]),
        (("profiled", "readings"), ["FROM (SELECT", "AS broken_rules"]),
        (("features", "recent"), ["CREATE OR REPLACE TEMP VIEW \"readings\"", "avg(heat) AS mean_heat", "ORDER BY \"event_timestamp\", \"machine\""]),
        (("labels",), ["AS label_time", "2024-01-03T00:00:00+00:00"]),
        (("training_set",), ["label_time < '2024-01-04T00:00:00+00:00'", "SELECT e.__entity, v.__at"]),
        (("model",), ["tiny/training_set"]),
        (("predictions",), ["SELECT e.__entity, v.__at", "tiny/features/recent"]),
        (("drift_report",), ["AS v0", "tiny/predictions"]),
    ],
)  # fmt: skip
def test_each_stage_shows_its_sql(path: tuple[str, ...], fragments: list[str], home: Home) -> None:
    partition = day_window(0 if path == ("model",) else 2)
    found = statements(home.pipeline, path, partition, home.connections)
    assert all(one.sql is not None for one in found), [one.reason for one in found]
    text = "\n".join(one.sql or "" for one in found)
    for fragment in fragments:
        assert fragment in text


def test_what_is_shown_runs_as_it_stands(home: Home) -> None:
    """The statements of labels are all that an engine needs to make them, row for row."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        *views, query = statements(home.pipeline, ("labels",), day_window(1), home.connections)
        for view in views:
            connection.execute(view.sql or "")
        rows = connection.sql(query.sql or "").to_arrow_table()
    kept = home.connections.lake.read("tiny/labels", partitions=["2024-01-02"])
    assert rows.select(kept.column_names).cast(kept.schema).equals(kept)


def test_nothing_is_written_by_a_look(home: Home) -> None:
    before = {table: home.connections.lake.snapshot(table).version for table in home.tables()}
    for view in asset_views(home.pipeline):
        statements(home.pipeline, view.path, day_window(2), home.connections)
    assert {table: home.connections.lake.snapshot(table).version for table in home.tables()} == before


def test_what_cannot_be_shown_says_why(tmp_path: Path, home: Home) -> None:
    (unrun,) = statements(home.pipeline, ("labels",), None, home.connections)
    assert unrun.sql is None
    assert unrun.reason == "no partition has been run yet: nothing tells files and types"
    (gone,) = statements(tiny_pipeline(tmp_path), ("raw", "readings"), day_window(1), home.connections)
    assert gone.sql is None
    assert "readings.csv" in gone.reason


def test_a_recording_leaves_out_settings_and_knows_who_asked() -> None:
    with duckdb.connect() as connection:
        recording = Recording(connection)
        recording.execute("SET threads = 1")
        assert recording.sql("SELECT 1").fetchall() == [(1,)]
    (one,) = recording.statements
    assert one.sql == "SELECT 1"
    assert one.place.startswith("tests/driftline/show/test_show.py:")


def test_every_key_is_documented(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["show", "tiny", "labels", "--sql", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, KEYS) == set()
    assert document["assets"][0]["statements"][-1]["built_by"].startswith("declaration/target_sql.py:")


def test_a_stage_may_stand_alone_where_there_is_one_pipeline(
    installed: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed.path.is_dir()
    assert main(["show", "raw/readings"]) == SUCCESS
    out = capsys.readouterr().out
    assert "tiny/raw/readings" in out
    assert "tiny/raw/machines" not in out
    assert "(default)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "modl"], "'tiny' has no stage 'modl'. Did you mean 'model'?"),
        (["tiny", "raw/reading"], "Did you mean 'raw/readings'?"),
        (
            ["tiny", "labels", "--partition", "2024-13-01"],
            "has no such partition. Its keys look like 2024-03-01.",
        ),
    ],
)
def test_what_is_not_there_is_guessed_at(
    arguments: list[str], message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    assert main(["show", *arguments]) == FAULT
    assert message in capsys.readouterr().err
