"""Training as of a partition: versions, decisions, and what happens when it is asked for twice."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from assets.materialization import Outcome, StageRun
from assets.model import reading as model_reading
from assets.model.asset import materialize_model
from assets.training_set.selection import TrainingSetError
from declaration.model import GateSpec
from declaration.pipeline import Pipeline
from learning.encode import EncodingError
from learning.model_file import model_from_bytes
from learning.training_rows import TrainingError, read_training_set
from resources.lake.lake import scan
from resources.model_registry.ledger import Decision, open_ledger, read_ledger, trusted_sha256, write_decision
from resources.model_registry.moves import Mover
from resources.model_registry.version import ModelRegistryError
from resources.model_registry.waits import WAITS, read_waits
from tests.fixtures.training_world import World

Builder = Callable[..., pa.Table]
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)


def train(world: World, pipeline: Pipeline, partition: str, *, reason: str = "schedule") -> Outcome:
    return materialize_model(
        StageRun(pipeline, world.scope(pipeline, partition, reason=reason), world.lake, world.engine),
        registry=world.registry,
    )


@pytest.fixture
def january(make_training_table: Builder) -> pa.Table:
    return make_training_table(1_200, days=31)


@pytest.fixture
def until_february(make_training_table: Builder, january: pa.Table) -> pa.Table:
    return pa.concat_tables([january, make_training_table(1_200, days=29, start=FEBRUARY, seed=1)])


def noisy(table: pa.Table) -> pa.Table:
    """Spoil the labels: a model of these rows knows nothing."""
    labels = pa.array(np.random.default_rng(8).integers(0, 2, table.num_rows).astype(np.int8))
    return table.set_column(table.column_names.index("label"), "label", labels)


def test_the_first_model_is_registered_and_serves(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("first")
    world.write_training_set(pipeline, "2024-01-01", january)
    outcome = train(world, pipeline, "2024-01-01")
    assert outcome.metadata["gate_outcome"] == "first"
    champion = world.registry.champion("first")
    assert champion is not None
    assert champion.version == outcome.metadata["champion_version"] == 1
    assert champion.algorithm == "logistic_regression"
    assert champion.training_partition == "2024-01-01"
    assert champion.training_table_version == world.lake.snapshot("first/training_set").version
    assert champion.n_training_rows == 1_200
    assert champion.holdout_low < champion.holdout_metric < champion.holdout_high
    assert champion.feature_names == ("carrier__name", "noise__x", "signal__x")
    assert sum(champion.importances.values()) == pytest.approx(1.0)
    assert champion.registered_at == FEBRUARY
    assert set(outcome.markdown) == {
        "candidates", "spans", "feature_importances", "roc_curve", "calibration",
        "effects", "slices", "learning_curve", "precision_recall", "confusion",
    }  # fmt: skip
    assert "| all (chosen) | 1200 |" in outcome.markdown["spans"]


def test_holdout_scores_are_those_of_the_judged_rows(world: World, until_february: pa.Table) -> None:
    """A first model is judged on all it has, the next one on what the champion has not seen."""
    pipeline = world.pipeline("held_out")
    january = until_february.slice(0, 1_200)
    world.write_training_set(pipeline, "2024-01-01", january)
    world.write_training_set(pipeline, "2024-02-01", until_february)
    outcomes = [train(world, pipeline, key) for key in ("2024-01-01", "2024-02-01")]
    # The labels of the last three hours of January came in February: a row each 37 minutes.
    unseen = until_february.filter(pc.greater_equal(until_february["label_time"], pa.scalar(FEBRUARY)))
    assert unseen.num_rows == 1_204
    for number, expected in ((1, january), (2, unseen)):
        scores = world.lake.read("held_out/holdout_scores", partitions=[str(number)]).sort_by("row_id")
        assert scores.column_names[:4] == ["row_id", "event_timestamp", "label", "score"]
        assert scores["row_id"].to_pylist() == expected["row_id"].to_pylist()
        assert scores["label"].to_pylist() == expected["label"].to_pylist()
        version = world.registry.version("held_out", number)
        assert version.holdout_start == expected["event_timestamp"][0].as_py()
        assert (version.n_judged, version.n_folds) == (expected.num_rows, 5)
        said = str(outcomes[number - 1].metadata["judged"])
        assert said.startswith(f"{expected.num_rows} rows, out of fold in 5 folds")
        assert "flatter a little" in said
    candidates = world.lake.read("held_out/candidates")
    assert set(candidates["metric"].to_pylist()) >= {"roc_auc", "log_loss"}


def test_asked_again_nothing_is_trained_or_decided_twice(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("again")
    world.write_training_set(pipeline, "2024-01-01", january)
    first = train(world, pipeline, "2024-01-01")
    # The training set was materialized anew: another table version with the same rows.
    world.write_training_set(pipeline, "2024-01-01", january.take(list(range(1_199, -1, -1))))
    second = train(world, pipeline, "2024-01-01")
    assert second.data_version == first.data_version
    assert second.metadata["is_answered_before"] is True
    assert len(read_ledger(world.lake, "again")) == 1
    assert len(world.registry.versions("again")) == 1


def _died(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_died_before_its_decision_is_finished(
    world: World, january: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered, but not yet in the ledger: the same version is judged, no second one appears."""
    pipeline = world.pipeline("died")
    world.write_training_set(pipeline, "2024-01-01", january)
    with monkeypatch.context() as patched:
        patched.setattr("assets.model.asset.enact", _died)
        with pytest.raises(KeyboardInterrupt):
            train(world, pipeline, "2024-01-01")
    assert read_ledger(world.lake, "died") == ()
    outcome = train(world, pipeline, "2024-01-01")
    assert outcome.metadata["model_version"] == 1
    assert len(world.registry.versions("died")) == 1
    assert [one.champion_after for one in read_ledger(world.lake, "died")] == [1]


def test_aliases_are_repaired_from_the_ledger(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("repaired")
    world.write_training_set(pipeline, "2024-01-01", january)
    train(world, pipeline, "2024-01-01")
    world.registry.point_aliases("repaired", {"champion": None})
    assert world.registry.champion("repaired") is None
    train(world, pipeline, "2024-01-01")
    assert world.registry.aliases("repaired") == {"champion": 1}


def test_a_better_challenger_replaces_the_champion(world: World, until_february: pa.Table) -> None:
    pipeline = world.pipeline("better")
    world.write_training_set(pipeline, "2024-01-01", noisy(until_february.slice(0, 1_200)))
    world.write_training_set(pipeline, "2024-02-01", until_february)
    train(world, pipeline, "2024-01-01")
    outcome = train(world, pipeline, "2024-02-01")
    assert outcome.metadata["gate_outcome"] == "superior"
    assert world.registry.aliases("better") == {"champion": 2, "previous": 1}
    report = json.loads(read_ledger(world.lake, "better")[-1].gate_report)
    # The 29 days of February, and the last hours of January.
    assert report["n_blocks"] == 30
    assert report["measure"] == "log loss"


def test_a_challenger_that_gains_too_little_waits_unless_the_champions_loss_is_confirmed(
    world: World, until_february: pa.Table
) -> None:
    pipeline = world.pipeline("even", gate=GateSpec(min_gain=0.05))
    world.write_training_set(pipeline, "2024-01-01", until_february.slice(0, 1_200))
    world.write_training_set(pipeline, "2024-02-01", until_february)
    train(world, pipeline, "2024-01-01")
    kept = train(world, pipeline, "2024-02-01")
    assert (kept.metadata["gate_outcome"], kept.metadata["is_promoted"]) == ("behind", False)
    assert world.registry.aliases("even") == {"champion": 1, "challenger": 2}
    promoted = train(world, pipeline, "2024-02-01", reason="performance: roc_auc fell by 0.08")
    assert promoted.metadata["is_promoted"] is True
    assert promoted.metadata["gate_outcome"] == "non-inferior"
    # After a confirmed loss other rows judge: another training, and so another version.
    assert promoted.metadata["model_version"] == 3
    assert promoted.metadata["holdout_start"] > kept.metadata["holdout_start"]
    assert promoted.metadata["holdout_start"] == FEBRUARY
    assert [one.action for one in read_ledger(world.lake, "even")] == ["promoted", "kept", "promoted"]
    assert world.registry.aliases("even") == {"champion": 3, "previous": 1}


def test_another_gate_asks_another_question(world: World, until_february: pa.Table) -> None:
    pipeline = world.pipeline("regated", gate=GateSpec(min_gain=0.9))
    world.write_training_set(pipeline, "2024-01-01", noisy(until_february.slice(0, 1_200)))
    world.write_training_set(pipeline, "2024-02-01", until_february)
    train(world, pipeline, "2024-01-01")
    assert train(world, pipeline, "2024-02-01").metadata["gate_outcome"] == "behind"
    lenient = world.pipeline("regated")
    assert train(world, lenient, "2024-02-01").metadata["is_promoted"] is True
    assert len(world.registry.versions("regated")) == 2


def test_after_a_rollback_the_question_is_open_again(world: World, until_february: pa.Table) -> None:
    pipeline = world.pipeline("rolled")
    world.write_training_set(pipeline, "2024-01-01", noisy(until_february.slice(0, 1_200)))
    world.write_training_set(pipeline, "2024-02-01", until_february)
    train(world, pipeline, "2024-01-01")
    train(world, pipeline, "2024-02-01")
    decisions = read_ledger(world.lake, "rolled")
    back = replace(
        decisions[0],
        action="rolled back",
        actor="someone",
        champion_before=2,
        champion_after=1,
        decision_key="",
    )
    write_decision(world.lake, "rolled", lambda _: back, commit={})
    train(world, pipeline, "2024-02-01")
    assert [one.champion_after for one in read_ledger(world.lake, "rolled")] == [1, 2, 1, 2]


def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do something between a training and its decision, once."""
    import assets.model.asset as rim

    write, waiting = rim.write_tables, [action]

    def writing(*given: object) -> object:
        written = write(*given)  # type: ignore[arg-type]  # as they come
        if waiting:
            waiting.pop()()
        return written

    monkeypatch.setattr(rim, "write_tables", writing)


def two_champions(world: World, pipeline: Pipeline, until_february: pa.Table) -> None:
    """Version 1 knows little; version 2 replaces it."""
    world.write_training_set(pipeline, "2024-01-01", noisy(until_february.slice(0, 1_200)))
    world.write_training_set(pipeline, "2024-02-01", until_february)
    train(world, pipeline, "2024-01-01")
    train(world, pipeline, "2024-02-01")
    assert world.registry.aliases(pipeline.name)["champion"] == 2


def roll_back(world: World, pipeline: Pipeline) -> Decision:
    mover = Mover(world.lake, world.registry, pipeline.name, actor="eva", reason="a try", clock=FEBRUARY)
    return mover.roll_back()


@pytest.mark.parametrize("is_better", [True, False])
def test_a_rollback_during_a_training_is_what_the_challenger_is_judged_against(
    world: World,
    make_training_table: Builder,
    until_february: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
    is_better: bool,
) -> None:
    # What knows nothing has a ROC AUC of a half: a challenger that gains a fifth knows something.
    pipeline = world.pipeline(f"undone_{is_better}".lower(), gate=GateSpec(min_gain=0.2))
    two_champions(world, pipeline, until_february)
    march = make_training_table(1_200, days=31, start=datetime(2024, 3, 1, tzinfo=UTC), seed=2)
    rows = pa.concat_tables([until_february, march])
    world.write_training_set(pipeline, "2024-03-01", rows if is_better else noisy(rows))
    meanwhile(monkeypatch, lambda: roll_back(world, pipeline))
    # After a confirmed loss of version 2 an even challenger would do; against version 1 it would not.
    outcome = train(world, pipeline, "2024-03-01", reason="performance: roc_auc fell by 0.08")
    made = read_ledger(world.lake, pipeline.name)
    assert [one.action for one in made[:3]] == ["promoted", "promoted", "rolled back"]
    assert len(made) == 4
    assert made[3].champion_before == 1
    if is_better:
        # Beside version 2 it would be "non-inferior" at most; version 1 knows nothing.
        assert outcome.metadata["gate_outcome"] == "superior"
        assert made[3].champion_after == 3
    else:
        assert (made[3].action, made[3].champion_after) == ("kept", 1)
        assert outcome.metadata["champion_version"] == 1
    assert world.registry.aliases(pipeline.name)["champion"] == made[3].champion_after


def test_the_same_question_asked_at_once_is_answered_once(
    world: World, january: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = world.pipeline("at_once")
    world.write_training_set(pipeline, "2024-01-01", january)
    meanwhile(monkeypatch, lambda: train(world, pipeline, "2024-01-01"))
    outcome = train(world, pipeline, "2024-01-01")
    assert outcome.metadata["is_answered_before"] is True
    assert outcome.metadata["model_version"] == 1
    assert len(read_ledger(world.lake, "at_once")) == 1


def test_the_materialization_tells_the_ledgers_head(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("headed")
    world.write_training_set(pipeline, "2024-01-01", january)
    outcome = train(world, pipeline, "2024-01-01")
    head = open_ledger(world.lake, "headed").head
    assert (outcome.metadata["ledger_rows"], outcome.metadata["ledger_sha256"]) == (1, head.sha256)


def test_a_second_training_of_one_partition_is_compared_on_what_was_judged_before(
    world: World, january: pa.Table
) -> None:
    """The champion has learned all rows; what was said of its judged rows out of fold still compares fairly."""
    weak = world.pipeline("same_month")
    world.write_training_set(weak, "2024-01-01", noisy(january))
    train(world, weak, "2024-01-01")
    world.write_training_set(weak, "2024-01-01", january)
    outcome = train(world, weak, "2024-01-01")
    assert outcome.metadata["gate_outcome"] == "superior"
    assert "on 1200 rows" in str(outcome.metadata["gate_explanation"])
    assert "31 days" in str(outcome.metadata["gate_explanation"])


def test_a_champion_that_cannot_read_todays_rows_is_replaced(world: World, until_february: pa.Table) -> None:
    pipeline = world.pipeline("unreadable")
    world.write_training_set(pipeline, "2024-01-01", until_february.slice(0, 1_200))
    train(world, pipeline, "2024-01-01")
    shutil.rmtree(world.lake.table_path("unreadable/training_set"))
    world.write_training_set(pipeline, "2024-02-01", until_february.drop_columns(["noise__x"]))
    outcome = train(world, pipeline, "2024-02-01")
    assert outcome.metadata["is_promoted"] is True
    assert "feature 'noise__x' that the model learned from is missing" in str(
        outcome.metadata["gate_explanation"]
    )


def test_a_changed_model_file_is_not_loaded(world: World, until_february: pa.Table) -> None:
    pipeline = world.pipeline("tampered")
    world.write_training_set(pipeline, "2024-01-01", until_february.slice(0, 1_200))
    world.write_training_set(pipeline, "2024-02-01", until_february)
    train(world, pipeline, "2024-01-01")
    (file,) = (Path(world.registry.artifact_root) / "tampered").rglob("model.zip")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelRegistryError, match=r"'tampered' version 1 has sha256 .* was changed after"):
        train(world, pipeline, "2024-02-01")


def test_what_is_served_scores_like_what_was_trained(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("served", algorithms=("hist_gradient_boosting",))
    world.write_training_set(pipeline, "2024-01-01", january)
    train(world, pipeline, "2024-01-01")
    sha256 = trusted_sha256(read_ledger(world.lake, "served"), 1)
    model = model_from_bytes(world.registry.model_file("served", 1, sha256=sha256))
    labels = np.asarray(january["label"].to_numpy(), dtype=float)
    scores = model.score(january)
    # Fitted on these very rows: it ranks them well.
    assert scores[labels == 1].mean() > scores[labels == 0].mean() + 0.3


@pytest.mark.parametrize("problem", ["multiclass", "regression"])
def test_every_problem_goes_all_the_way(world: World, make_training_table: Builder, problem: str) -> None:
    algorithms = ("lightgbm",) if problem == "multiclass" else ("ridge",)
    pipeline = world.pipeline(f"all_{problem}", problem=problem, algorithms=algorithms)  # type: ignore[arg-type]
    january = make_training_table(1_000, problem=problem, days=31)
    february = make_training_table(1_000, problem=problem, days=29, start=FEBRUARY, seed=1)
    world.write_training_set(pipeline, "2024-01-01", january)
    world.write_training_set(pipeline, "2024-02-01", pa.concat_tables([january, february]))
    assert train(world, pipeline, "2024-01-01").metadata["gate_outcome"] == "first"
    again = train(world, pipeline, "2024-02-01")
    assert again.metadata["gain"] is not None
    assert world.lake.snapshot(f"all_{problem}/holdout_scores").partitions == ("1", "2")


@pytest.mark.parametrize("lacks_it", ["champion", "challenger"])
def test_a_class_that_only_one_of_them_knows_counts_in_the_gate(
    world: World, make_training_table: Builder, lacks_it: str
) -> None:
    name = f"only_one_{lacks_it}"
    pipeline = world.pipeline(name, problem="multiclass")
    by_hits = pipeline.spec.model.model_copy(update={"metric": "accuracy"})
    pipeline = replace(pipeline, spec=pipeline.spec.model_copy(update={"model": by_hits}))
    january = make_training_table(1_000, problem="multiclass", days=31)
    february = make_training_table(1_000, problem="multiclass", days=29, start=FEBRUARY, seed=1)
    for key, rows, lacks in (
        ("2024-01-01", january, lacks_it == "champion"),
        ("2024-02-01", february, lacks_it == "challenger"),
    ):
        kept = rows.filter(pc.not_equal(rows["label"], "early")) if lacks else rows
        world.write_training_set(pipeline, key, kept)
        outcome = train(world, pipeline, key)
    with world.engine.connect() as connection:
        second = scan(world.lake.snapshot(f"{name}/holdout_scores"), ["2"])
        held_out = connection.sql(f"SELECT * FROM {second}").to_arrow_table()
    rows = february.filter(pc.is_in(february["row_id"], held_out["row_id"]))
    sha256 = trusted_sha256(read_ledger(world.lake, name), 1)
    champion = model_from_bytes(world.registry.model_file(name, 1, sha256=sha256))
    judged = held_out.sort_by("row_id")
    rows = rows.sort_by("row_id")
    classes = {"champion": champion.classes, "challenger": read_training_set(kept, "multiclass").classes}
    said = {"champion": champion.score(rows), "challenger": np.array(judged["scores"].to_pylist())}
    losses = {
        who: np.mean(
            [
                -np.log(
                    np.clip(one[classes[who].index(label)] if label in classes[who] else 0.0, 0.001, 0.999)
                )
                for one, label in zip(said[who], rows["label"].to_pylist(), strict=True)
            ]
        )
        for who in said
    }
    assert outcome.metadata["gain"] == pytest.approx(losses["champion"] - losses["challenger"])
    # A class that the champion does not know costs it every row; one that is gone costs it what it still expects.
    assert losses["champion"] > losses["challenger"]


def test_a_rare_class_is_told_and_the_others_are_learned(world: World, make_training_table: Builder) -> None:
    pipeline = world.pipeline("rare", problem="multiclass")
    january = make_training_table(600, problem="multiclass", days=31)
    kinds = january["label"].to_pylist()
    kinds[10] = kinds[590] = kinds[591] = "lost"
    february = january.set_column(january.column_names.index("label"), "label", pa.array(kinds))
    for key, rows in (("2024-01-01", january), ("2024-02-01", february)):
        world.write_training_set(pipeline, key, rows)
        outcome = train(world, pipeline, key)
        assert outcome.metadata["gate_outcome"] != WAITS
        said = outcome.metadata.get("rare_labels")
        assert said == (None if key == "2024-01-01" else "rows to learn from, fewer than 5: lost: 3")
    assert read_waits(world.lake, "rare") == ()


def test_errors_say_which_training_set_they_are_about(world: World, make_training_table: Builder) -> None:
    pipeline = world.pipeline("faulty")
    table = make_training_table(400)
    strange = table.append_column("list__x", pa.array([[1.0]] * 400))
    world.write_training_set(pipeline, "2024-01-01", strange)
    what = r"'faulty'.*faulty/training_set@\d+, partition 2024-01-01: .*feature 'list__x' has type list"
    with pytest.raises(EncodingError, match=what):
        train(world, pipeline, "2024-01-01")
    assert world.registry.versions("faulty") == ()


def test_too_few_labels_are_waited_for_and_written_down(world: World, make_training_table: Builder) -> None:
    pipeline = world.pipeline("waiting")
    table = make_training_table(400)
    cases = {
        "2024-01-01": (table.slice(0, 0), "the training set has no labelled rows"),
        "2024-02-01": (table.filter(pc.equal(table["label"], 1)), "all 2.. labelled rows have the label 1"),
        "2024-03-01": (table.slice(0, 100), "100 labelled rows are too few"),
    }
    for key, (rows, what) in cases.items():
        world.write_training_set(pipeline, key, rows)
        outcome = train(world, pipeline, key, reason="no_champion")
        assert (outcome.metadata["gate_outcome"], outcome.metadata["is_promoted"]) == (WAITS, False)
        assert re.match(f"waits for labels: {what}", str(outcome.metadata["gate_explanation"]))
        assert outcome.metadata["champion_version"] is None
    # Asked again as of the same partition, it has one row; trained, it stays what it was.
    train(world, pipeline, "2024-03-01")
    waits = read_waits(world.lake, "waiting")
    assert [(one.partition, one.asked_for) for one in waits] == [
        ("2024-01-01", "no_champion"),
        ("2024-02-01", "no_champion"),
        ("2024-03-01", "schedule"),
    ]
    assert read_ledger(world.lake, "waiting") == ()
    assert world.registry.versions("waiting") == ()
    world.write_training_set(pipeline, "2024-03-01", table)
    assert train(world, pipeline, "2024-03-01").metadata["gate_outcome"] == "first"


def test_a_partition_is_needed(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("no_partition")
    world.write_training_set(pipeline, "2024-01-01", january)
    scope = replace(world.scope(pipeline, "2024-01-01"), window=None)
    with pytest.raises(TrainingError, match="none was given"):
        materialize_model(StageRun(pipeline, scope, world.lake, world.engine), registry=world.registry)


def test_a_set_beyond_memory_is_learned_from_out_of_core(
    world: World, january: pa.Table, until_february: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = world.pipeline("large", algorithms=("sgd", "lightgbm"))
    monkeypatch.setattr(model_reading, "limit_bytes", lambda _: 1_000)
    world.write_training_set(pipeline, "2024-01-01", january)
    first = train(world, pipeline, "2024-01-01")
    assert first.metadata["is_promoted"]
    assert first.metadata["n_rows"] == 1_200
    assert first.metadata["judged"] == "on the newest 120 rows, held out whole"
    assert "Learned out of core: 1,200 rows" in str(first.metadata["validation"])
    held_out = world.lake.read("large/holdout_scores", partitions=["1"])
    assert held_out["row_id"].to_pylist() == january["row_id"].to_pylist()[-120:]
    world.write_training_set(pipeline, "2024-02-01", until_february)
    second = train(world, pipeline, "2024-02-01")
    # The champion's scores of the newest tenth are compared: it has seen none of February.
    assert second.metadata["p_value"] is not None
    again = train(world, pipeline, "2024-02-01")
    assert again.metadata["model_version"] == second.metadata["model_version"]
    assert not list(Path(world.engine.spill_directory).glob("training_set_*"))


def test_a_set_beyond_memory_is_refused_where_a_candidate_needs_all_rows(
    world: World, january: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = world.pipeline("refused")
    monkeypatch.setattr(model_reading, "limit_bytes", lambda _: 1_000)
    world.write_training_set(pipeline, "2024-01-01", january)
    with pytest.raises(TrainingSetError, match="a training set of 1,200 rows with 3 features takes about"):
        train(world, pipeline, "2024-01-01")
