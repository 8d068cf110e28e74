"""What holds of every online store: Feast's readers read it, the newest value stays, and kills lose nothing."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.online_soak import soak
from feature_repo.online_batch import OnlineStoreError, batch_of_table
from tests.fixtures.online_case import (
    HEAT,
    LATER,
    OURS,
    START,
    TYPES,
    UTC_US,
    Case,
    entity_of,
    heat_rows,
    key,
    open_case,
)
from tests.fixtures.servers import NEEDS_SERVER, ONLINE, SERVERS, need

OpenCase = Callable[..., Case]

pytestmark = pytest.mark.slow

STORES = [pytest.param(kind, marks=NEEDS_SERVER if kind in SERVERS else ()) for kind in OURS]


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenCase]:
    """Open projects on one kind of store; `plain` opens them with Feast's own class."""
    kind = request.param
    settings: Mapping[str, Any] = (
        {"path": str(tmp_path / "online.db")} if kind == "sqlite" else request.getfixturevalue(kind).settings
    )
    project = f"p{abs(hash(request.node.name)) % 10**8}"

    cases: list[Case] = []

    def opened(*, plain: bool = False, **chosen: Any) -> Case:
        online = {"type": kind if plain else OURS[kind], **settings}
        folder = tmp_path / ("plain" if plain else "ours")
        cases.append(open_case(folder, online, **{"project": project, **chosen}))
        return cases[-1]

    yield opened
    for case in cases:
        case.close()


def test_tests_of_the_product_run_on_every_store() -> None:
    assert {one if isinstance(one, str) else one.values[0] for one in ONLINE} == set(OURS)


def rows_of_every_type() -> pa.Table:
    # Whole numbers without nulls: Feast's writer turns them into floats beside a null.
    values: Mapping[str, list[Any]] = {
        "heat": [0.0, -0.0, None, float("inf"), 1e-300],
        "load": [0.5, None, 1.5, -2.5, 0.0],
        "cycles": [0, -1, 2**63 - 1, 128, -(2**63)],
        "level": [1, -(2**31), 2**31 - 1, 127, 0],
        "name": ["", "é" * 200, None, "quote ' \" \\", "a"],
        "digest": [b"", b"\x00\x01\x00", None, b"\xff" * 300, b"a"],
        "is_on": [True, False, None, True, False],
        "seen": [START, START - timedelta(days=40_000), None, START + timedelta(seconds=1), START],
        "codes": [[1, 2], [], None, [-5], [0]],
        "words": [["a", ""], [], None, ["é"], ["x", "y"]],
        "notes": [[("a", "1"), ("é", "")], [("a", ""), ("é", "ü")], None, *([("a", "b"), ("é", "c")],) * 2],
    }
    columns = {name: pa.array(values[name], arrow) for name, (_, arrow) in TYPES.items()}
    return pa.table(
        {
            "machine": pa.array([0, -1, 2**62, 3, 4], pa.int64()),
            "site": pa.array(["", "é", "north", "a\u0000", "x" * 300]),
            "event_timestamp": pa.array([START] * 5, UTC_US),
            "created_timestamp": pa.array([START] * 5, UTC_US),
            **columns,
        }
    )


def test_feasts_reader_reads_every_type_as_if_feast_had_written_it(open_store: OpenCase) -> None:
    rows = rows_of_every_type()
    keys = rows.select(["machine", "site"]).to_pylist()
    ours, theirs = open_store(), open_store(plain=True, project="theirs")
    ours.load(rows)
    frame = rows.to_pandas()
    frame["notes"] = [None if value is None else dict(value) for value in frame["notes"]]
    theirs.store.write_to_online_store("machines", df=frame)
    found, expected = ours.read(keys, list(TYPES)), theirs.read(keys, list(TYPES))
    for name in TYPES:
        assert repr(found[name]) == repr(expected[name]), name
    assert repr(ours.read(keys, ["load"])["load"]) == repr(found["load"])


def test_feasts_unmodified_store_reads_what_ours_wrote(open_store: OpenCase) -> None:
    ours = open_store(types=HEAT)
    ours.load(heat_rows({1: 1.5, 2: None}, START))
    plain = open_store(types=HEAT, plain=True)
    found = plain.read([key(1), key(2), key(3)], ["heat"])
    assert found["heat"] == [1.5, None, None]
    provider = plain.store._get_provider()
    ((at, _),) = provider.online_read(plain.store.config, plain.view, [entity_of(key(1))], ["heat"])
    assert at == START


INSTANTS = [
    (START - timedelta(days=30_000), START),
    (START, None),
    (START, START),
    (START, LATER),
    (LATER, START),
]
"""Events with their creation, in the order in which they win: before 1970, without creation, a microsecond apart."""


@pytest.mark.parametrize("order", [*permutations(range(len(INSTANTS)))][::7])
def test_whatever_the_order_of_loads_the_newest_stays(open_store: OpenCase, order: tuple[int, ...]) -> None:
    case = open_store(types=HEAT)
    for number in order:
        event, created = INSTANTS[number]
        case.load(heat_rows({1: float(number)}, event, created))
    assert case.read([key(1)], ["heat"])["heat"] == [4.0]


def test_a_row_with_the_same_instants_is_a_correction(open_store: OpenCase) -> None:
    for created in (None, START):
        case = open_store(types=HEAT)
        for value in (1.0, 2.0):
            case.load(heat_rows({1: value}, START, created))
        assert case.read([key(1)], ["heat"])["heat"] == [2.0]


def test_late_rows_reach_entities_that_have_none_and_no_others(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    case.load(heat_rows({1: 1.0, 2: 2.0}, START))
    case.load(heat_rows({1: 10.0, 3: 30.0}, START - timedelta(days=1)))
    assert case.read([key(1), key(2), key(3)], ["heat"])["heat"] == [1.0, 2.0, 30.0]


def test_rows_that_feast_hands_over_are_ordered_too(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    both = pa.concat_tables([heat_rows({1: 2.0, 2: 2.0}, LATER), heat_rows({1: 1.0, 3: 1.0}, START)])
    case.store.write_to_online_store("machines", df=both.to_pandas())
    case.store.write_to_online_store("machines", df=heat_rows({2: 0.0}, START).to_pandas())
    assert case.read([key(1), key(2), key(3)], ["heat"])["heat"] == [2.0, 2.0, 1.0]


def test_of_many_rows_of_one_entity_in_a_load_the_newest_stays(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    generator = np.random.default_rng(5)
    days = generator.permutation(40)
    loads = [heat_rows({1: float(day), 2: -1.0}, START + timedelta(days=int(day))) for day in days]
    case.load(pa.concat_tables(loads))
    assert case.read([key(1)], ["heat"])["heat"] == [39.0]


def test_more_rows_than_one_statement_takes_are_all_there(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    case.load(heat_rows({number: float(number) for number in range(12_000)}, START))
    asked = [0, 1, 4_999, 5_000, 11_999]
    assert case.read([key(n) for n in asked], ["heat"])["heat"] == [float(n) for n in asked]


def test_a_view_of_many_features_is_whole(open_store: OpenCase) -> None:
    names = [f"f'{number}\"" for number in range(1_700)]
    case = open_store(types=dict.fromkeys(names, TYPES["heat"]), created=False)
    rows = heat_rows({1: 0.0}, START).drop_columns(["heat", "created_timestamp"])
    for number, name in enumerate(names):
        rows = rows.append_column(name, pa.array([float(number)]))
    case.load(rows)
    found = case.read([key(1)], names)
    assert [found[name] for name in names] == [[float(number)] for number in range(len(names))]


def test_writers_at_the_same_time_leave_the_newest_of_everyentity_of(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    n_writers, n_loads, n_entities = 4, 12, 60
    failures: list[Exception] = []

    def write(writer: int) -> None:
        generator = np.random.default_rng(writer)
        for step in generator.permutation(n_loads):
            moment = int(step) * n_writers + writer
            rows = heat_rows(dict.fromkeys(range(n_entities), float(moment)), START + timedelta(hours=moment))
            try:
                case.load(rows.take(generator.permutation(n_entities)))
            except Exception as error:  # noqa: BLE001 (shown below: a thread's error fails no test)
                failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(n_writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = case.read([key(n) for n in range(n_entities)], ["heat"])["heat"]
    assert found == [float(n_writers * n_loads - 1)] * n_entities


def test_a_view_that_is_gone_leaves_nothing_behind(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    case.load(heat_rows({1: 1.0}, LATER))
    case.store.apply([], objects_to_delete=[case.view], partial=False)
    again = open_store(types=HEAT)
    assert again.read([key(1)], ["heat"])["heat"] == [None]
    again.load(heat_rows({1: 0.0}, START))
    assert again.read([key(1)], ["heat"])["heat"] == [0.0]


def test_rows_without_an_event_or_a_feature_are_refused(open_store: OpenCase) -> None:
    case = open_store(types=HEAT)
    rows = heat_rows({1: 1.0}, START)
    with pytest.raises(OnlineStoreError, match=r"'machines' lack heat\. They have: machine, site"):
        batch_of_table(case.view, rows.drop_columns(["heat"]))
    nowhen = rows.set_column(2, "event_timestamp", pa.array([None], UTC_US))
    with pytest.raises(OnlineStoreError, match="have no event_timestamp"):
        batch_of_table(case.view, nowhen)


@pytest.mark.long
@pytest.mark.parametrize("kind", STORES)
def test_what_was_taken_outlives_kills_and_is_never_older_or_torn(kind: str) -> None:
    if kind in SERVERS:
        need(kind)
    seen = soak(kind, 7.0)
    assert seen.faults == ()
    assert seen.n_rows > 0
    assert seen.n_reads > 0
    assert seen.n_kills > 0
