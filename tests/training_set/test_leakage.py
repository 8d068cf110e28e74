"""Other futures change nothing that was joined before them; what they would change is found."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from assets.training_set.leakage import N_INSTANTS, changed_feature, n_labels_before_their_time, probes
from feature_repo import asof_engine
from feature_repo.asof_engine import EngineSettings
from resources.feature_store.changed_future import Counterfactual, JoinedView, join_with_changed_futures
from resources.lake.lake import Lake
from tests.fixtures.tiny import START

UTC_US = pa.timestamp("us", tz="UTC")
HOURS = [START + timedelta(hours=hour) for hour in range(48)]
ROWS = pa.table({"machine": ["m0"] * 48, "event_timestamp": pa.array(HOURS, UTC_US)})
INSTANT = HOURS[20]


@pytest.fixture
def view(tmp_path: Path) -> JoinedView:
    """A value every hour, half of them made six hours late."""
    late = [hour + timedelta(hours=6 * (place % 2)) for place, hour in enumerate(HOURS)]
    rows = pa.table(
        {
            "machine": ["m0"] * 48,
            "event_timestamp": pa.array(HOURS, UTC_US),
            "created_timestamp": pa.array(late, UTC_US),
            "heat": [None if place % 5 == 0 else float(place) for place in range(48)],
        }
    )
    lake = Lake(root=str(tmp_path / "lake"))
    snapshot = lake.write("tiny/features/recent", rows, partition="2024-01-01")
    return JoinedView("recent", snapshot, ("machine",), ("heat",), timedelta(days=1))


def by_hand() -> list[float | None]:
    """Take for each hour the newest value that was made by then: the even one at it, or just before it."""
    newest = [place if place % 2 == 0 else place - 1 for place in range(48)]
    return [None if place % 5 == 0 else float(place) for place in newest]


def joined_at(view: JoinedView) -> pa.Table:
    (joined,) = join_with_changed_futures(EngineSettings(), [Counterfactual(ROWS, INSTANT)], [view])
    return joined


def test_what_was_joined_before_the_instant_stays_and_what_follows_changes(view: JoinedView) -> None:
    found = joined_at(view)["recent__heat"].to_pylist()
    assert found[:21] == by_hand()[:21]
    # From then on there is nothing but other values: NULL for something, something for NULL.
    assert all(was != became for was, became in zip(by_hand()[21:], found[21:], strict=True))
    learned = ROWS.append_column("recent__heat", pa.array(by_hand()))
    assert changed_feature(learned, joined_at(view), INSTANT) is None


def test_rows_made_later_are_seen_by_a_join_that_ignores_when_they_were_made(
    view: JoinedView, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = asof_engine.join

    def careless(*arguments: object, only_created: bool) -> pa.Table:
        return honest(*arguments, only_created=not only_created)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(asof_engine, "join", careless)
    learned = ROWS.append_column("recent__heat", pa.array(by_hand()))
    name, at = changed_feature(learned, joined_at(view), INSTANT) or ("", None)
    assert (name, at) == ("recent__heat", HOURS[0])


def test_a_value_that_is_no_number_equals_itself() -> None:
    nan = ROWS.append_column("recent__heat", pa.array([float("nan")] * 48))
    assert changed_feature(nan, nan.select(["event_timestamp", "recent__heat"]), INSTANT) is None


def test_probes_are_the_same_each_time_and_bounded() -> None:
    instants = pa.chunked_array([pa.array([START + timedelta(minutes=n) for n in range(20_000)], UTC_US)])
    chosen = probes(instants, seed="a")
    assert chosen == probes(instants, seed="a") != probes(instants, seed="b")
    assert len(chosen) == N_INSTANTS
    assert all(instants[p.offset].as_py() <= p.instant and 0 < p.length <= 550 for p in chosen)
    assert len(probes(instants.slice(0, 1), seed="a")) == 1


def test_labels_known_too_early_or_too_late_are_counted() -> None:
    known = [hour + timedelta(hours=1) for hour in HOURS]
    known[3] = HOURS[3]
    table = ROWS.append_column("label_time", pa.array(known, UTC_US))
    # The label at its own prediction, and the one that is known at the end itself.
    assert n_labels_before_their_time(table, known[-1]) == 2
    assert n_labels_before_their_time(table, known[-1] + timedelta(hours=1)) == 1
