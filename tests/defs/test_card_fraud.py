"""The shipped card payments: the same in any order, changes on their days, features by hand."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sources.python_file import rows_as_parquet

FOLDER = Path(__file__).parents[2] / "pipelines" / "defs" / "card_fraud"
FIRST, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def made(file: str, start: datetime, end: datetime, folder: Path) -> pa.Table:
    """Return what a source gives for a span."""
    with TemporaryDirectory(dir=folder.parent) as own:
        (made,) = rows_as_parquet(FOLDER / file, start, end, folder=Path(own))
        return pq.read_table(made)


def queried(sql: str, **tables: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows of a query over some tables, in UTC."""
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql).fetchall()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("card_fraud")


@pytest.fixture(scope="module")
def payments(scratch: Path) -> pa.Table:
    """All days of the declaration."""
    return made("generate.py", FIRST, END, scratch)


@pytest.fixture(scope="module")
def frauds(scratch: Path) -> pa.Table:
    """Reports of all days, and of the three after."""
    return made("chargebacks.py", FIRST, END + 3 * DAY, scratch)


def test_a_day_is_the_same_whatever_was_asked_before(payments: pa.Table, scratch: Path) -> None:
    for number in (64, 0, 33):
        start = FIRST + number * DAY
        alone = made("generate.py", start, start + DAY, scratch)
        inside = pc.and_(
            pc.greater_equal(payments["paid_at"], pa.scalar(start)),
            pc.less(payments["paid_at"], pa.scalar(start + DAY)),
        )
        assert alone.equals(payments.filter(inside))


def test_payments_lie_in_their_days_and_have_a_key(payments: pa.Table) -> None:
    per_day = queried(
        "SELECT CAST(paid_at AS DATE), count(*) FROM payments GROUP BY ALL ORDER BY 1",
        payments=payments,
    )
    assert [day for day, _ in per_day] == [date(2024, 1, 1) + number * DAY for number in range(65)]
    assert all(1_700 < n < 2_500 for _, n in per_day)
    assert len(payments["transaction_id"].unique()) == payments.num_rows
    twins = queried("SELECT 1 FROM payments GROUP BY user_id, paid_at HAVING count(*) > 1", payments=payments)
    assert twins == []


def test_one_in_a_hundred_is_reported_once_within_three_days(payments: pa.Table, frauds: pa.Table) -> None:
    (found,) = queried(
        "SELECT count(*), min(reported_at - paid_at), max(reported_at - paid_at), count(DISTINCT transaction_id) "
        "FROM payments JOIN frauds USING (transaction_id)",
        payments=payments,
        frauds=frauds,
    )
    n_reports, soonest, latest, n_frauds = found
    assert n_reports == n_frauds
    assert 0.009 < n_frauds / payments.num_rows < 0.011
    assert timedelta(0) < soonest < latest < 3 * DAY


def test_a_report_is_given_on_its_day(frauds: pa.Table, scratch: Path) -> None:
    one_by_one = [made("chargebacks.py", FIRST + n * DAY, FIRST + (n + 1) * DAY, scratch) for n in (0, 1, 2)]
    whole = made("chargebacks.py", FIRST, FIRST + 3 * DAY, scratch)
    assert sum(part.num_rows for part in one_by_one) == whole.num_rows
    assert len(frauds["transaction_id"].unique()) == frauds.num_rows


def days_where(condition: str, payments: pa.Table) -> list[date]:
    """List the days on which a condition on the payments of a day holds."""
    days = "SELECT CAST(paid_at AS DATE) AS day FROM payments GROUP BY day"
    rows = queried(f"{days} HAVING {condition} ORDER BY day", payments=payments)
    return [day for (day,) in rows]


def span(first: date, last: date) -> list[date]:
    """List the days from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


LAST = date(2024, 3, 5)


def test_changes_are_planted_on_their_days(payments: pa.Table) -> None:
    new = "count_if(category = 'gaming_tokens') BETWEEN 0.03 * count(*) AND 0.07 * count(*)"
    assert days_where(new, payments) == span(date(2024, 1, 22), LAST)
    assert days_where("count_if(category = 'gaming_tokens') > 0", payments) == span(date(2024, 1, 22), LAST)
    silent = span(date(2024, 2, 10), date(2024, 2, 11))
    assert days_where("count(device_trust) = 0", payments) == silent
    assert days_where("count(device_trust) < count(*)", payments) == silent
    # Half as much again: the median lies at 25 before and at 37 after.
    assert days_where("median(amount) > 30", payments) == span(date(2024, 2, 2), LAST)


def test_the_pattern_of_frauds_changes_on_its_day(payments: pa.Table, frauds: pa.Table) -> None:
    online = queried(
        "SELECT paid_at < TIMESTAMPTZ '2024-02-17 00:00+00', avg(CAST(payment_method = 'online' AS INT)), "
        "avg(CAST(payment_method = 'contactless' AS INT)) "
        "FROM payments JOIN frauds USING (transaction_id) GROUP BY ALL ORDER BY 1 DESC",
        payments=payments,
        frauds=frauds,
    )
    (_, before, near_before), (_, after, near_after) = online
    assert before > 0.6
    assert near_before < 0.2
    assert after < 0.1
    assert near_after > 0.85


def features(view: str, rows: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return a view's features of some payments, in order of time."""
    table = pa.Table.from_pylist([{"category": "fuel", **row} for row in rows])
    sql = (FOLDER / "features" / f"{view}.sql").read_text()
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        connection.register("transactions", table)
        found = connection.sql(f"SELECT * FROM ({sql}) ORDER BY event_timestamp").to_arrow_table()
    return found.drop_columns(["user_id", "event_timestamp"]).to_pylist()


def payment(hours: float, **values: object) -> dict[str, object]:
    """Return a payment so many hours after the first instant."""
    known = {"user_id": "u1", "amount": 10.0, "latitude": 48.8566, "longitude": 2.3522}
    return {**known, "paid_at": FIRST + timedelta(hours=hours), **values}


LONDON = {"latitude": 51.5074, "longitude": -0.1278}


def test_distance_and_speed_are_those_of_the_great_circle() -> None:
    first, second = features("movement", [payment(0), payment(2, **LONDON)])
    _, third = features("movement", [payment(0), payment(0.0001, **LONDON)])
    # Nothing before: nothing is known, and not half the way round the earth.
    assert first == {"distance_km": None, "hours_since_last": None, "speed_kmh": None}
    # Paris to London: 343.6 km on a sphere of 6,371 km.
    assert second["distance_km"] == pytest.approx(343.6, abs=0.1)
    assert second["speed_kmh"] == pytest.approx(343.6 / 2, abs=0.1)
    # At the same second: as if a minute had passed, and no division by 0.
    assert third["hours_since_last"] == 0
    assert third["speed_kmh"] == pytest.approx(343.6 * 60, rel=1e-3)


def test_the_other_side_of_the_earth_is_half_a_circle_away() -> None:
    rows = [payment(0, latitude=0.0, longitude=0.0), payment(1, latitude=0.0, longitude=180.0)]
    assert features("movement", rows)[1]["distance_km"] == pytest.approx(20_015.1, abs=0.1)


def test_users_do_not_mix() -> None:
    rows = [payment(0), payment(1, user_id="u2", **LONDON)]
    assert [row["distance_km"] for row in features("movement", rows)] == [None, None]


def test_payments_of_the_last_hour_and_day_are_counted_without_the_own() -> None:
    rows = [payment(h, amount=a) for h, a in ((0, 1.0), (23.5, 2.0), (24, 4.0), (24.5, 8.0))]
    found = features("velocity", rows)
    assert [row["payments_1h"] for row in found] == [0, 0, 1, 2]
    # A day reaches back to the same instant of the day before.
    assert [row["payments_24h"] for row in found] == [0, 1, 2, 2]
    assert [row["amount_24h"] for row in found] == [0.0, 1.0, 3.0, 6.0]


def test_the_amount_is_against_the_mean_before_it() -> None:
    rows = [payment(h, amount=a) for h, a in ((0, 10.0), (1, 20.0), (2, 45.0))]
    found = features("spending", rows)
    # 20 / 10, then 45 / ((10 + 20) / 2).
    assert [row["ratio_to_mean"] for row in found] == [None, 2.0, 3.0]
    assert [row["payments_30d"] for row in found] == [0, 1, 2]


@pytest.mark.parametrize("view", ["movement", "spending", "velocity"])
def test_what_comes_later_changes_nothing(view: str) -> None:
    rows = [payment(0), payment(3, amount=30.0, **LONDON)]
    later = [*rows, payment(4, amount=500.0, latitude=0.0)]
    assert features(view, later)[:2] == features(view, rows)
