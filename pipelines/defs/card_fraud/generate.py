"""Card transactions of one day at a time: made up, the same in every run, with drifts planted on known days.

A day depends on its date and the seed alone, so that any day can be asked for in any order. What is
planted when is in `PLANTED`; README.md says what should be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SEED = 20240101
N_USERS = 500
MEAN_TRANSACTIONS = 2_000
FRAUD_SHARE = 0.01

CATEGORIES = ("grocery", "fuel", "restaurant", "travel", "electronics", "clothing", "entertainment", "health")
CATEGORY_SHARES = (0.27, 0.13, 0.18, 0.05, 0.07, 0.12, 0.11, 0.07)
NEW_CATEGORY, NEW_CATEGORY_SHARE = "gaming_tokens", 0.05
METHODS = ("chip", "contactless", "online", "wallet")

REPORTED_WITHIN = timedelta(days=3)
"""A fraud is reported at most so long after its transaction; what is not reported by then is none."""


@dataclass(frozen=True)
class Planted:
    """First day of each planted change; the sensor is broken on the days [broken_from, broken_until)."""

    new_category: date = date(2024, 1, 22)
    inflation: date = date(2024, 2, 2)
    broken_from: date = date(2024, 2, 10)
    broken_until: date = date(2024, 2, 12)
    new_pattern: date = date(2024, 2, 17)


PLANTED = Planted()
INFLATION = 1.5
"""Factor on all amounts from `PLANTED.inflation` on."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Users:
    """Payers: shape (N_USERS,) each. Degrees, a usual amount in euros, and a share of all transactions."""

    latitude: Floats
    longitude: Floats
    usual_amount: Floats
    share: Floats


def users() -> Users:
    """Return the users, the same on every day."""
    generator = np.random.default_rng(SEED)
    activity = generator.gamma(2.0, size=N_USERS)
    return Users(
        latitude=generator.uniform(44, 54, N_USERS),
        longitude=generator.uniform(-2, 16, N_USERS),
        usual_amount=generator.lognormal(3.2, 0.6, N_USERS),
        share=activity / activity.sum(),
    )


def day_of(day: date) -> pa.Table:
    """Return one day's transactions, ordered by time, with what only the bank's customers know: whether it was fraud."""
    generator = np.random.default_rng([SEED, day.toordinal()])
    people = users()
    n_rows = int(generator.poisson(MEAN_TRANSACTIONS * (1.1 if day.weekday() >= 5 else 0.96)))
    who = generator.choice(N_USERS, n_rows, p=people.share)
    seconds = np.clip(generator.normal(14.0, 4.2, n_rows), 0, 23.99) * 3_600
    category = _categories(generator, n_rows, day)
    method = generator.choice(len(METHODS), n_rows, p=(0.3, 0.4, 0.22, 0.08))
    amount = people.usual_amount[who] * generator.lognormal(0, 0.55, n_rows)
    latitude = people.latitude[who] + generator.normal(0, 0.08, n_rows)
    longitude = people.longitude[who] + generator.normal(0, 0.12, n_rows)
    # Some people travel for a day.
    travels = generator.uniform(size=N_USERS) < 0.01
    latitude += np.where(travels[who], generator.normal(0, 4, N_USERS)[who], 0)
    longitude += np.where(travels[who], generator.normal(0, 6, N_USERS)[who], 0)
    trust = np.clip(generator.beta(8, 2, n_rows), 0, 1)
    is_fraud = generator.uniform(size=n_rows) < FRAUD_SHARE
    columns = _Columns(who, seconds, category, method, amount, latitude, longitude, trust)
    (_new_pattern if day >= PLANTED.new_pattern else _old_pattern)(generator, columns, is_fraud)
    if day >= PLANTED.inflation:
        columns.amount *= INFLATION
    broken = PLANTED.broken_from <= day < PLANTED.broken_until
    return _table(columns, is_fraud, generator, day, is_broken=broken)


@dataclass
class _Columns:
    """A day while it is being made."""

    who: NDArray[np.int64]
    seconds: Floats
    category: NDArray[np.str_]
    method: NDArray[np.int64]
    amount: Floats
    latitude: Floats
    longitude: Floats
    trust: Floats


def _categories(generator: np.random.Generator, n_rows: int, day: date) -> NDArray[np.str_]:
    categories = generator.choice(CATEGORIES, n_rows, p=CATEGORY_SHARES).astype("U20")
    if day >= PLANTED.new_category:
        categories[generator.uniform(size=n_rows) < NEW_CATEGORY_SHARE] = NEW_CATEGORY
    return categories


def _old_pattern(generator: np.random.Generator, columns: _Columns, is_fraud: NDArray[np.bool_]) -> None:
    """Stolen numbers: large amounts, online, at night, from far away; one in five looks like any other."""
    shown = is_fraud & (generator.uniform(size=is_fraud.size) < 0.8)
    n = int(shown.sum())
    columns.amount[shown] *= generator.lognormal(1.1, 0.5, n)
    columns.method[shown] = np.where(
        generator.uniform(size=n) < 0.8, METHODS.index("online"), columns.method[shown]
    )
    columns.seconds[shown] = np.where(
        generator.uniform(size=n) < 0.6, generator.uniform(0, 6, n) * 3_600, columns.seconds[shown]
    )
    columns.latitude[shown] += generator.normal(0, 5, n)
    columns.longitude[shown] += generator.normal(0, 8, n)
    columns.trust[shown] = generator.beta(4, 3, n)


def _new_pattern(generator: np.random.Generator, columns: _Columns, is_fraud: NDArray[np.bool_]) -> None:
    """Stolen cards: small contactless payments near home in the early evening, at clothes shops, one after the other."""
    shown = is_fraud & (generator.uniform(size=is_fraud.size) < 0.9)
    n = int(shown.sum())
    victims = generator.choice(N_USERS, max(1, n // 5))
    columns.who[shown] = generator.choice(victims, n)
    home = users()
    columns.latitude[shown] = home.latitude[columns.who[shown]] + generator.normal(0, 0.02, n)
    columns.longitude[shown] = home.longitude[columns.who[shown]] + generator.normal(0, 0.03, n)
    columns.amount[shown] = home.usual_amount[columns.who[shown]] * generator.lognormal(-1.6, 0.3, n)
    columns.method[shown] = METHODS.index("contactless")
    columns.seconds[shown] = generator.normal(18.5, 0.5, n) * 3_600
    columns.category[shown] = np.where(generator.uniform(size=n) < 0.7, "clothing", columns.category[shown])


def _table(
    columns: _Columns,
    is_fraud: NDArray[np.bool_],
    generator: np.random.Generator,
    day: date,
    *,
    is_broken: bool,
) -> pa.Table:
    # Microseconds apart: no two payments of a card share an instant.
    order = np.argsort(columns.seconds, kind="stable")
    micros = (columns.seconds[order] * 1e6).astype(np.int64) + np.arange(order.size)
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    delay = np.clip(generator.lognormal(0.0, 0.7, order.size), 0.05, 2.9) * 86_400e6
    trust = [None] * order.size if is_broken else columns.trust[order].round(4)
    return pa.table(
        {
            "transaction_id": pa.array(day.toordinal() * 100_000 + np.arange(order.size), pa.int64()),
            "user_id": pa.array([f"u{number:03d}" for number in columns.who[order]]),
            "paid_at": pa.array(start + micros, pa.timestamp("us", tz="UTC")),
            "amount": pa.array(columns.amount[order].round(2)),
            "merchant": pa.array(
                [
                    f"{name[:4]}-{number:02d}"
                    for name, number in zip(
                        columns.category[order], generator.integers(0, 40, order.size), strict=True
                    )
                ]
            ),
            "category": pa.array(columns.category[order].tolist()),
            "payment_method": pa.array([METHODS[number] for number in columns.method[order]]),
            "latitude": pa.array(columns.latitude[order].round(5)),
            "longitude": pa.array(columns.longitude[order].round(5)),
            "device_trust": pa.array(trust, pa.float64()),
            "is_fraud": pa.array(is_fraud[order]),
            "reported_at": pa.array(start + micros + delay.astype(np.int64), pa.timestamp("us", tz="UTC")),
        }
    )


def days(start: datetime, end: datetime) -> list[date]:
    """List the days of [start, end), in UTC."""
    first = start.astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range((end - start).days)]


def read(start: datetime, end: datetime) -> pa.Table:
    """Return the transactions of [start, end): whole days."""
    return pa.concat_tables(
        [day_of(day).drop_columns(["is_fraud", "reported_at"]) for day in days(start, end)]
    )
