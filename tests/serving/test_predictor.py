"""What is served is what training gives of the same instant: one definition, for any rows in any order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.errors import DriftlineError
from declaration.target_sql import LabelError
from learning.model_file import model_from_bytes
from learning.scores import PredictionError
from resources.connections import Connections
from resources.feature_store.online.rows import distinct
from resources.feature_store.online.served_log import SERVED_FEATURES, ServedLog
from resources.feature_store.store import FeatureStoreError
from resources.lake.lake import Lake
from resources.model_registry.champion import champion_file
from resources.model_registry.ledger import read_ledger
from resources.model_registry.version import ModelRegistryError
from serving import Serving, open_serving
from serving.predictor import ServingError
from serving.request_rows import RequestRowsError
from tests.fixtures.serving_world import (
    NOW,
    VIEWS,
    Row,
    asked,
    declared,
    features_of,
    label_rows,
    train,
    trained,
    write_views,
)  # fmt: skip
from tests.fixtures.stages import connected
from tests.fixtures.tiny import START, day_window


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serving")
    connections = connected(folder)
    write_views(declared(folder), connections)
    train(declared(folder), connections)
    return folder


@pytest.fixture(scope="module")
def connections(home: Path) -> Connections:
    return connected(home)


@pytest.fixture(scope="module")
def serving(home: Path, connections: Connections) -> Iterator[Serving]:
    with open_serving(declared(home), connections) as found:
        yield found


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["m0", "m1", "m2", "m3", "m9", "", "nobody", None]),
        st.sampled_from([1, 2, -5, 2**62, None]),
        st.one_of(st.none(), st.floats(-5, 5)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(rows=ROWS)
def test_served_features_are_those_of_training(
    serving: Serving, connections: Connections, rows: list[Row]
) -> None:
    """Duplicates, entities that nobody knows, null keys, values that expired: names, order, types and bits agree."""
    given_rows = asked(rows)
    expected = features_of(trained(serving.pipeline, connections, given_rows))
    found = serving.features(given_rows, NOW)
    assert found.table.schema.equals(expected.schema)
    assert found.table.equals(expected)


def test_the_oracle_sees_values_that_expired_and_that_nobody_knows(
    serving: Serving, connections: Connections
) -> None:
    # m3 was last seen on the first day, and the ttl is two days.
    rows = asked([("m1", 1, 0.5), ("m3", 1, 0.5), ("nobody", 1, 0.5), (None, 1, 0.5), ("m0", 2, 0.5)])
    expected = features_of(trained(serving.pipeline, connections, rows))
    assert expected["recent__mean_heat"].is_null().to_pylist() == [False, True, True, True, True]
    found = serving.features(rows, NOW)
    assert found.table.equals(expected)
    assert found.status["recent__mean_heat"].to_pylist() == [
        "present",
        "expired",
        "not_found",
        "not_found",
        "null",
    ]
    assert found.ages["recent"].to_pylist() == [
        timedelta(hours=6), timedelta(days=2, hours=6), None, None, timedelta(hours=6),
    ]  # fmt: skip
    assert found.status.column_names == [name for name in found.table.column_names if "request" not in name]


def test_types_that_the_lake_does_not_have_are_served_as_it_keeps_them(tmp_path: Path) -> None:
    """Delta knows no unsigned numbers: what the expression gives is not what training reads."""
    pipeline, connections = declared(tmp_path, views={}), connected(tmp_path)
    rows = asked([("m0", 1, 0.5), ("m1", 2, None)])
    with open_serving(pipeline, connections) as serving:
        assert serving.features(rows, NOW).table.schema.field("request__level").type == pa.uint8()
    connections.lake.write(
        pipeline.table("labels"), label_rows(pipeline, connections, rows), partition=day_window(0).key
    )
    kept = connections.lake.read(pipeline.table("labels")).sort_by("id")
    with open_serving(pipeline, connections) as serving:
        found = serving.features(rows, NOW).table
    assert found.schema.field("request__level").type != pa.uint8()
    assert found.equals(kept.select(found.column_names))


def test_rows_may_come_as_texts_and_in_any_order_of_columns(serving: Serving) -> None:
    rows = asked([("m0", 1, 0.25), ("m1", 2, None)])
    texts = pa.table({name: rows[name].cast(pa.string()) for name in reversed(rows.column_names)})
    assert serving.features(texts, NOW).table.equals(serving.features(rows, NOW).table)


def test_a_view_is_read_once_for_the_entities_that_differ(
    serving: Serving, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []
    before = type(connections.feature_store).read_online

    def counted(self, pipeline, view, keys, now, *, log=None):  # type: ignore[no-untyped-def]
        read.append((view, len(keys)))
        return before(self, pipeline, view, keys, now, log=log)

    monkeypatch.setattr(type(connections.feature_store), "read_online", counted)
    serving.features(asked([("m0", 1, 0.5), ("m1", 1, 0.5), (None, 1, 0.5)] * 50), NOW)
    assert read == [("recent", 2), ("place", 2)]


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, None]), st.booleans()),
        max_size=30,
    )
)
def test_different_rows_are_numbered_as_a_dictionary_would(rows: list[tuple[str, int, bool]]) -> None:
    table = pa.table(
        {
            "a": pa.array([a for a, *_ in rows], pa.string()),
            "b": pa.array([b for _, b, _ in rows], pa.int64()),
            "c": pa.array([c for *_, c in rows], pa.bool_()),
        }
    )
    found = distinct(table, ["a", "b", "c"])
    assert len(found.first) == len(set(rows))
    assert [rows[found.first[place]] for place in found.place] == rows


def test_a_log_notes_each_entity_once_and_the_call_as_it_was(home: Path, connections: Connections) -> None:
    with open_serving(declared(home), connections) as serving, ServedLog(connections.lake, "tiny") as log:
        serving.features(asked([("m0", 1, 0.5), ("m0", 1, 0.5), ("m9", 7, 0.5)]), NOW, log=log)
    kept = connections.lake.read(SERVED_FEATURES.of("tiny")).to_pylist()
    assert [(row["view"], row["key_values"]) for row in kept] == [
        ("recent", ["m0"]), ("recent", ["m9"]), ("place", ["m0", "1"]), ("place", ["m9", "7"]),
    ]  # fmt: skip
    assert {row["served_at"] for row in kept} == {NOW}


def test_the_champion_scores_what_training_would_have_given_it(
    serving: Serving, connections: Connections
) -> None:
    rows = asked([("m0", 1, 2.0), ("m1", 2, -2.0), ("nobody", None, None)])
    file = champion_file(connections.lake, connections.registry, "tiny")
    assert file is not None
    expected = model_from_bytes(file.content).score(trained(serving.pipeline, connections, rows))
    answer = serving.score(rows, NOW)
    np.testing.assert_array_equal(answer.scores["score"].to_numpy(), expected)
    assert answer.model_version == file.version == 1
    assert expected[0] > expected[1]
    assert serving.is_current()


def test_no_rows_give_no_answers(serving: Serving) -> None:
    answer = serving.score(asked([]), NOW)
    assert (answer.scores.num_rows, answer.features.table.num_rows) == (0, 0)
    assert answer.features.table.schema == serving.features(asked([("m0", 1, 0.5)]), NOW).table.schema


def test_threads_ask_side_by_side(serving: Serving) -> None:
    rows = [asked([(f"m{i % 4}", 1, float(i))] * (1 + i % 3)) for i in range(40)]
    alone = [serving.score(one, NOW).scores["score"].to_pylist() for one in rows]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: serving.score(one, NOW).scores["score"].to_pylist(), rows))
    assert together == alone


def test_values_that_feast_cannot_hold_are_served_as_it_keeps_them(tmp_path: Path) -> None:
    """Feast keeps NaN as null and whole seconds of an instant: the two places where online is not offline."""
    pipeline, connections = declared(tmp_path, views={"recent": VIEWS["recent"]}), connected(tmp_path)
    rows = pa.table(
        {
            "machine": ["m0"],
            "event_timestamp": pa.array([START], pa.timestamp("us", tz="UTC")),
            "mean_heat": [float("nan")],
            "seen": pa.array([START + timedelta(microseconds=1_500_000)], pa.timestamp("us", tz="UTC")),
        }
    )
    connections.lake.write(pipeline.table("features", "recent"), rows, partition=day_window(0).key)
    connections.feature_store.apply(pipeline, connections.lake)
    connections.feature_store.load_online(pipeline, "recent", day_window(0), connections.lake)
    with open_serving(pipeline, connections) as serving:
        found = serving.features(asked([("m0", 1, 0.5)]), START + timedelta(hours=1)).table
    assert found["recent__mean_heat"].to_pylist() == [None]
    assert found["recent__seen"].to_pylist() == [START + timedelta(seconds=1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["machine"]), r"lack 'machine' \(features.recent reads it\). Give machine, site"),
        (lambda t: t.rename_columns([*ASKED_NAMES[:3], "heet", "load"]), r"unknown column 'heet'.*Did you mean 'heat'"),
        (lambda t: t.drop_columns(["load"]), r"lack 'load' \(target.request_features.log_load reads it\)"),
        (lambda t: t.append_column("heat", t["heat"]), "more than one column 'heat'"),
        (lambda t: t.set_column(1, "site", pa.array(["north"])), "row 1, column 'site': not a whole number of 64 bits: north. Give it as readings declares it"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_read_are_refused(serving: Serving, change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestRowsError, match=message):
        serving.features(change(asked([("m0", 1, 0.5)])), NOW)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("site", pa.array([3.0, 3.5]), "row 2, column 'site': not a whole number of 64 bits: 3.5"),
        ("site", pa.array(["3", "9007199254740993.5"]), "row 2, column 'site': not a whole number"),
        ("heat", pa.array(["1.5", "1e400"]), "row 2, column 'heat': too large for a 64-bit float: 1e400"),
        ("taken_at", pa.array(["2024-01-01", "24-01-02"]), "row 2, column 'taken_at': a year of fewer than four"),
        ("taken_at", pa.array([0, 1], pa.timestamp("ns")), "row 2, column 'taken_at': finer than a microsecond"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_exactly_is_refused_with_its_row(
    serving: Serving, column: str, values: pa.Array, message: str
) -> None:
    rows = asked([("m0", 1, 0.5), ("m1", 1, 0.5)])
    with pytest.raises(RequestRowsError, match=message):
        serving.features(rows.set_column(ASKED_NAMES.index(column), column, values), NOW)


@pytest.mark.parametrize(
    "given",
    [
        pa.array(["2024-01-01 00:30:00"]),
        pa.array([datetime(2024, 1, 1, 0, 30)]),
        pa.array([datetime(2024, 1, 1, 5, 30, tzinfo=UTC)]),
        pa.array(["2024-01-01T05:30:00Z"]),
    ],
    ids=["text", "wall clock", "instant", "text with zone"],
)
def test_clocks_without_a_zone_are_read_in_the_partitions_zone(
    home: Path, connections: Connections, given: pa.Array
) -> None:
    pipeline = declared(home)
    partitions = pipeline.spec.partitions.model_copy(update={"timezone": "America/New_York"})
    there = replace(pipeline, spec=pipeline.spec.model_copy(update={"partitions": partitions}))
    rows = asked([("m0", 1, 0.5)])
    with open_serving(there, connections) as serving:
        found = serving.features(rows.set_column(2, "taken_at", given), NOW)
        # Half past midnight in New York is half past five in UTC, in which expressions see it, as in training.
        assert found.table["request__hour"].to_pylist() == [5]
        assert serving.features(rows, NOW).table.num_rows == 1


ASKED_NAMES = ["machine", "site", "taken_at", "heat", "load"]


def test_columns_of_the_dataset_that_nobody_reads_are_ignored(serving: Serving) -> None:
    rows = asked([("m0", 1, 0.5)])
    more = rows.append_column("id", pa.array([7])).append_column("failed", pa.array([None], pa.bool_()))
    assert serving.features(more, NOW).table.equals(serving.features(rows, NOW).table)


def test_a_value_that_an_expression_cannot_use_is_told(serving: Serving) -> None:
    rows = asked([("m0", 1, 0.5)])
    with pytest.raises(LabelError, match=r"1000.*UINT8"):
        serving.features(rows.set_column(4, "load", pa.array([1000.0])), NOW)


def test_an_instant_needs_its_zone(serving: Serving) -> None:
    with pytest.raises(ServingError, match="2024-01-04T00:00:00 has no zone"):
        serving.features(asked([("m0", 1, 0.5)]), NOW.replace(tzinfo=None))


def test_without_a_champion_there_are_features_and_no_scores(tmp_path: Path) -> None:
    pipeline, connections = declared(tmp_path), connected(tmp_path)
    write_views(pipeline, connections)
    with open_serving(pipeline, connections) as serving:
        assert serving.features(asked([("m0", 1, 0.5)]), NOW).table.num_rows == 1
        assert serving.is_current()
        with pytest.raises(ServingError, match=r"'tiny' has no champion yet. Materialize tiny/training_set"):
            serving.score(asked([("m0", 1, 0.5)]), NOW)
        train(pipeline, connections)
        assert not serving.is_current()


def test_a_view_that_was_never_loaded_is_named(tmp_path: Path) -> None:
    pipeline, connections = declared(tmp_path), connected(tmp_path)
    with (
        pytest.raises(
            ServingError, match=r"without rows: recent, place. Materialize tiny/features/recent first"
        ),
        open_serving(pipeline, connections),
    ):
        pass
    write_views(pipeline, connections, load=False)
    with (
        open_serving(pipeline, connections) as serving,
        pytest.raises(
            FeatureStoreError, match=r"'recent' is not registered. Registered views: none. Materialize"
        ),
    ):
        serving.features(asked([("m0", 1, 0.5)]), NOW)


def test_a_pipeline_without_a_target_cannot_be_asked(tmp_path: Path) -> None:
    pipeline = declared(tmp_path)
    watched = replace(pipeline, spec=pipeline.spec.model_copy(update={"target": None}))
    with pytest.raises(DriftlineError, match="has no target"), open_serving(watched, connected(tmp_path)):
        pass


def test_a_champion_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    pipeline, connections = declared(tmp_path), connected(tmp_path)
    write_views(pipeline, connections)
    train(pipeline, connections)
    (file,) = (Path(connections.registry.artifact_root) / "tiny").rglob("model.zip")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with (
        pytest.raises(ModelRegistryError, match="was changed after it was judged"),
        open_serving(pipeline, connections),
    ):
        pass


def test_a_champion_of_another_problem_does_not_score(home: Path, connections: Connections) -> None:
    pipeline = declared(home, problem="regression", label="heat")
    with (
        open_serving(pipeline, connections) as serving,
        pytest.raises(PredictionError, match="predicts a binary label"),
    ):
        serving.score(asked([("m0", 1, 0.5)]), NOW)


def test_nothing_is_written(home: Path, connections: Connections) -> None:
    def state() -> object:
        ledger = len(read_ledger(Lake(root=connections.lake.root), "tiny"))
        files = {p: p.stat().st_mtime_ns for p in home.rglob("*.json") if "_delta_log" in str(p)}
        return ledger, files, (home / "feast" / "registry.db").read_bytes()

    before = state()
    with open_serving(declared(home), connections) as serving:
        serving.score(asked([("m0", 1, 0.5)]), NOW)
    assert state() == before
