import duckdb
import numpy as np
import pyarrow as pa
import pytest

DAY_US = 86_400 * 10**6
FIRST_US = 1_609_459_200 * 10**6  # 2021-01-01


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        yield connection


def seasonal(n_days: int, seed: int = 0, *, first_day: int = 0, rows_per_day: int = 24) -> pa.Table:
    """Six numbers and a text that share a yearly cycle and a factor; `part` is the month of 30 days."""
    draw = np.random.default_rng([seed, first_day])
    n = n_days * rows_per_day
    days = first_day + np.arange(n) / rows_per_day
    year = 2 * np.pi * days / 365.2425
    factor = np.repeat(draw.normal(0, 1, n_days * 4), rows_per_day // 4)
    columns = {
        f"x{i}": 20 + 3 * (np.cos(year + i) + factor * (-1) ** i + 0.5 * draw.normal(0, 1, n))
        for i in range(6)
    }
    place = np.where(np.cos(year) + factor + draw.normal(0, 1, n) > 0, "hill", "valley")
    return pa.table(
        {
            **columns,
            "place": place,
            "instant": pa.array((FIRST_US + days * DAY_US).astype(np.int64), pa.timestamp("us", "UTC")),
            "part": [f"{int(day // 30):03d}" for day in days],
        }
    )


NAMES = [*(f"x{i}" for i in range(6)), "place"]
