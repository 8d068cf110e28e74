"""The SQLite store alone: instants in any zone, and tables that Feast's own store made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feature_repo.online_sqlite import OrderedSqliteOnlineStore
from tests.fixtures.online_case import HEAT, LATER, OURS, START, entity_of, heat_rows, key, open_case


def test_instants_do_not_depend_on_the_machines_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    case = open_case(
        tmp_path, {"type": OURS["sqlite"], "path": str(tmp_path / "o.db")}, project="p", types=HEAT
    )
    # 02:30 does not exist on that day in Berlin: Feast's own store would move it by an hour.
    moment = datetime(2024, 3, 31, 2, 30, 0, 250_000, tzinfo=UTC)
    try:
        monkeypatch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        case.load(heat_rows({1: 1.0}, moment))
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        provider = case.store._get_provider()
        ((at, _),) = provider.online_read(case.store.config, case.view, [entity_of(key(1))], ["heat"])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert at == moment


def test_a_table_that_feasts_own_sqlite_store_made_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    plain = open_case(tmp_path / "a", {"type": "sqlite", "path": path}, project="p", types=HEAT)
    plain.store.write_to_online_store("machines", df=heat_rows({1: 1.0, 2: 2.0}, START, START).to_pandas())
    plain.close()
    # Read before anything is applied, by a store that only has the registry of the other.
    reader, config = OrderedSqliteOnlineStore(), plain.store.config
    (before,) = reader.online_read(config, plain.view, [entity_of(key(1))])
    assert (before[0], before[1] and before[1]["heat"].double_val) == (START, 1.0)
    ours = open_case(tmp_path / "b", {"type": OURS["sqlite"], "path": path}, project="p", types=HEAT)
    assert ours.read([key(1), key(2)], ["heat"])["heat"] == [1.0, 2.0]
    ours.load(heat_rows({1: 0.0, 2: 0.0}, START - timedelta(days=1)))
    ours.load(heat_rows({2: 3.0}, LATER))
    assert ours.read([key(1), key(2)], ["heat"])["heat"] == [1.0, 3.0]
