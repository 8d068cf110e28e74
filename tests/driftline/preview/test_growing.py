"""Features whose later values lie outside all that can be learned."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from declaration.partitioning import partitioning
from declaration.spec import PipelineSpec
from driftline.preview.growing import growing, growing_calendar

START = datetime(2024, 1, 1, tzinfo=UTC)
N = 300
INSTANTS = pa.chunked_array(
    [pa.array([START + timedelta(hours=hour) for hour in range(N)], pa.timestamp("us", tz="UTC"))]
)


def spec(
    expression: str, *, kind: str = "timestamp_tz", every: str = "month", **model: object
) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "partitions": {"every": every, "start": "2024-01-01"},
            "datasets": {
                "sales": {
                    "source": {"type": "csv", "path": "sales.csv"},
                    "columns": {"sold_at": kind, "sold": "float"},
                    "event_time": "sold_at",
                    "key": ["sold_at"],
                }
            },
            "target": {
                "dataset": "sales",
                "prediction_time": "sold_at",
                "label": "sold",
                "label_time": "sold_at",
                "problem": "regression",
                "request_features": {"calendar": expression},
            },
            "model": model,
        }
    )


def doubts(declared: PipelineSpec, *, until: datetime) -> list[str]:
    newest = partitioning(declared.partitions).windows(until=until)[-1]
    return [name for name, _ in growing_calendar(declared, newest)]


@pytest.mark.parametrize(
    "expression",
    [
        "month(sold_at)",
        "year(sold_at)",
        "dayofyear(sold_at)",
        "epoch(sold_at)",
        "weekofyear(sold_at)",
        "quarter(sold_at)",
        "sin(2 * pi() * dayofyear(sold_at) / 365.25)",
        "sold_at::DATE - DATE '2020-01-01'",
    ],
)
@pytest.mark.parametrize("kind", ["timestamp_tz", "timestamp"])
def test_a_calendar_that_no_row_has_reached_is_named(expression: str, kind: str) -> None:
    assert doubts(spec(expression, kind=kind), until=datetime(2024, 6, 1, tzinfo=UTC)) == [
        "request__calendar"
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "hour(sold_at)",
        "dayofweek(sold_at)",
        "dayofmonth(sold_at)",
        "minute(sold_at)",
        "monthname(sold_at)",
        "month(sold_at) = 12",
        "sold",
    ],
)
def test_what_comes_again_soon_is_not(expression: str) -> None:
    assert doubts(spec(expression), until=datetime(2024, 6, 1, tzinfo=UTC)) == []


def test_after_a_year_of_months_all_were_seen() -> None:
    """A year still grows; and so does a month for a model that learns of the newest half year alone."""
    later = datetime(2025, 9, 1, tzinfo=UTC)
    for circle in ("month(sold_at)", "dayofyear(sold_at)", "sin(2 * pi() * dayofyear(sold_at) / 365.25)"):
        assert doubts(spec(circle), until=later) == []
    assert doubts(spec("year(sold_at)"), until=later) == ["request__calendar"]
    assert doubts(spec("month(sold_at)", train_window=3), until=later) == ["request__calendar"]


@pytest.mark.parametrize(
    "grow", [np.arange(N), -0.5 * np.arange(N), np.arange(N) // 24, np.cumsum(np.full(N, 1.5))]
)
def test_a_number_that_counts_is_named(grow: np.ndarray) -> None:
    values = pa.chunked_array([pa.array(grow)])
    found = growing(values, INSTANTS)
    assert found is not None
    assert found.short == "grows"
    # That is: what comes later lies outside what was there before.
    first, last = grow[: N // 2], grow[-N // 4 :]
    assert np.mean((last < first.min()) | (last > first.max())) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_numbers_that_vary_are_not(seed: int) -> None:
    generator = np.random.default_rng(seed)
    walk = np.cumsum(generator.normal(size=N))
    for values in (walk, generator.normal(size=N) + 0.01 * np.arange(N), np.arange(N) % 24, np.full(N, 3.0)):
        assert growing(pa.chunked_array([pa.array(values)]), INSTANTS) is None
    assert growing(pa.chunked_array([pa.array([None] * N, pa.float64())]), INSTANTS) is None
    assert growing(pa.chunked_array([pa.array([str(place) for place in range(N)])]), INSTANTS) is None
