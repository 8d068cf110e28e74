"""What is served beside the lake's newest rows, on each kind of online store."""

from __future__ import annotations

from resources.feature_store.online.comparison import OnlineDifference
from tests.fixtures.served_world import World, at


def compared(world: World) -> OnlineDifference:
    return world.store.compare_online(world.pipeline, "recent", world.lake)


def test_what_was_loaded_is_served(world: World) -> None:
    world.write(0, {"m0": 0.1 + 0.2, "m1": None, "m2": float("nan")}, created=at(0, 13))
    world.write(1, {"m0": 4.0}, created=at(1, 13))
    # In any order: the later value stays.
    for day in (1, 0):
        world.load(day)
    # Too old to be served counts as what it is: ages are the reader's affair.
    assert compared(world) == OnlineDifference(3, 0, 0, 0, 0, "")


def test_each_kind_of_difference_is_counted(world: World) -> None:
    world.write(0, {f"m{number}": float(number) for number in range(5)}, created=at(0, 13))
    world.load(0)
    world.put({"m1": -1.0}, day=0, created=at(0, 14))
    world.put({"m2": 2.0}, day=3, created=at(3, 13))
    world.write(1, {"m3": 9.0, "m9": 1.0}, created=at(1, 13))
    found = compared(world)
    assert (found.n_entities, found.n_different) == (6, 4)
    assert (found.n_missing, found.n_older, found.n_later, found.n_other) == (1, 1, 1, 1)
    assert found.example in {"machine=m1", "machine=m2", "machine=m3", "machine=m9"}
    # Loading mends all but what is later than the lake, and the value that says it was made later.
    world.load(1)
    found = compared(world)
    assert (found.n_missing, found.n_older, found.n_later, found.n_other) == (0, 0, 1, 1)
