"""Two versions on rows that neither learned from: recorded scores, or fresh ones of the earlier version."""

from __future__ import annotations

import numpy as np

from assets.model.same_rows import JudgedVersion, SameRows, order_of, read_same_rows
from learning.model_file import model_from_bytes
from resources.model_registry.ledger import read_ledger, trusted_sha256
from tests.fixtures.training_world import World
from tests.fixtures.versions import Versions


def judged(world: World, number: int) -> JudgedVersion:
    sha256 = trusted_sha256(read_ledger(world.lake, "flights"), number)
    content = world.registry.model_file("flights", number, sha256=sha256)
    return JudgedVersion(world.registry.version("flights", number), model_from_bytes(content))


def same_rows(versions: Versions, first: int, second: int) -> SameRows | None:
    world, pipeline = versions
    return read_same_rows(
        pipeline, judged(world, first), judged(world, second), lake=world.lake, engine=world.engine
    )


def test_the_later_judged_rows_are_scored_by_the_earlier_which_has_not_seen_them(
    versions: Versions,
) -> None:
    world, pipeline = versions
    rows = same_rows(versions, 1, 2)
    assert rows is not None
    holdout = world.lake.read("flights/holdout_scores", partitions=["2"])
    knows_until = order_of(pipeline, world.registry.version("flights", 1))[0]
    training = world.lake.read("flights/training_set", partitions=["2024-02-01"]).to_pylist()
    known_at = {row["row_id"]: row["label_time"].timestamp() * 1e6 for row in training}
    expected = {row["row_id"] for row in holdout.to_pylist() if known_at[row["row_id"]] >= knows_until}
    assert rows.pair.event_time_us.size == len(expected) > 500
    assert (rows.earlier, rows.n_recorded) == (1, 0)
    # The scores of the second are those of its judgement.
    kept = holdout.filter([row["row_id"] in expected for row in holdout.to_pylist()]).sort_by(
        "event_timestamp"
    )
    assert np.array_equal(rows.pair.challenger.scores, kept["score"].to_numpy())
    assert np.array_equal(rows.pair.challenger.labels, kept["label"].to_numpy())


def test_rows_that_judged_both_keep_their_recorded_scores(versions: Versions) -> None:
    world, _ = versions
    holdout = world.lake.read("flights/holdout_scores", partitions=["1"])
    # A version that was judged on the rows of the first, as one trained as of the same partition is.
    rows = same_rows(versions, 1, 1)
    assert rows is not None
    assert rows.n_recorded == rows.pair.event_time_us.size == holdout.num_rows
    assert np.array_equal(rows.pair.champion.scores, rows.pair.challenger.scores)


def test_what_the_earlier_has_learned_from_is_left_out(versions: Versions) -> None:
    # In the wrong order there is no row: the later version has learned from all of the earlier one's.
    assert same_rows(versions, 3, 1) is None
