"""Series that are found in tables, and what is written of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from assets.features.asset import materialize_features
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.target import TargetSpec
from pipelines.loading.read import read
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.scaffolder import save, scaffold_source
from tests.fixtures.forecast_world import run_stages
from tests.fixtures.stages import connected

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

Values = Callable[[int, np.random.Generator], float]


def write_series(
    folder: Path,
    value: Values,
    *,
    n: int = 24 * 40,
    step: timedelta = HOUR,
    keys: tuple[str, ...] = (),
    missing: int = 0,
    seed: int = 3,
) -> Path:
    """Write rows of a value for each step and each of two by two keys."""
    generator = np.random.default_rng(seed)
    names = [f"k{place}" for place in range(len(keys))]
    combinations = (
        [()] if not keys else [(a,) for a in "xy"] if len(keys) == 1 else [(a, b) for a in "xy" for b in "pq"]
    )
    lines = [",".join([*names, "at", "amount"])]
    for combination in combinations:
        for place in range(n):
            if missing and place % missing == 5:
                continue
            at = (START + place * step).isoformat(" ").removesuffix("+00:00")
            lines.append(",".join([*combination, at, f"{value(place, generator):.4f}"]))
    path = folder / "sales.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def scaffolded(folder: Path, source: Path, **options: str) -> Pipeline:
    """Scaffold a source and read what was written."""
    home = folder / "sales"
    asked = ScaffoldOptions(source=str(source), target="amount", **options)
    save(scaffold_source(asked, folder=home, start=folder, type_name="driftline.MLPipeline"), home)
    return read(home)


def target_of(pipeline: Pipeline) -> TargetSpec:
    return pipeline.spec.learned


def day(place: int, generator: np.random.Generator) -> float:
    return float(100 + 20 * np.sin(2 * np.pi * place / 24) + generator.normal(0, 1))


def week(place: int, generator: np.random.Generator) -> float:
    return day(place, generator) - 30 * (place // 24 % 7 >= 5)


def noise() -> Values:
    """Return values that hang together from hour to hour, without a season."""
    state = 0.0

    def value(place: int, generator: np.random.Generator) -> float:  # noqa: ARG001 (as the others)
        nonlocal state
        state = 0.97 * state + float(generator.normal())
        return 100 + state

    return value


def test_hours_with_a_day_and_a_week(tmp_path: Path) -> None:
    pipeline = scaffolded(tmp_path, write_series(tmp_path, week))
    target = target_of(pipeline)
    assert target.horizon == (timedelta(days=1),)
    assert target.difference is not None
    assert target.difference.to == timedelta(days=7)
    assert target.label_time == '"at" + INTERVAL 1 HOUR'
    assert pipeline.spec.features["history"].entity is None
    sql = pipeline.sql["features/history.sql"]
    # Asked a day ahead the newest hour that is over began 25 hours before: a week before lies 143 hours behind that.
    assert "INTERVAL 143 HOUR PRECEDING AND INTERVAL 143 HOUR PRECEDING) AS amount_7d_before" in sql
    assert "INTERVAL 23 HOUR PRECEDING AND INTERVAL 23 HOUR PRECEDING) AS amount_2d_before" in sql


def test_seven_days_are_no_week(tmp_path: Path) -> None:
    pipeline = scaffolded(tmp_path, write_series(tmp_path, day))
    assert "7d" not in pipeline.sql["features/history.sql"]
    assert "amount_2d_before" in pipeline.sql["features/history.sql"]


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_season(tmp_path: Path, seed: int) -> None:
    pipeline = scaffolded(tmp_path, write_series(tmp_path, noise(), seed=seed))
    assert "before" not in pipeline.sql["features/history.sql"].partition("SELECT")[2]
    difference = target_of(pipeline).difference
    assert difference is not None
    assert difference.to == "last"


def test_days_with_a_week(tmp_path: Path) -> None:
    source = write_series(
        tmp_path,
        lambda place, generator: 50 - 20 * (place % 7 >= 5) + generator.normal(),
        n=400,
        step=timedelta(days=1),
    )
    target = target_of(scaffolded(tmp_path, source))
    assert target.horizon == (timedelta(days=7),)
    assert target.difference is not None
    assert target.difference.to == timedelta(days=7)


@pytest.mark.parametrize("keys", [("store",), ("store", "product")], ids=["one", "two"])
def test_many_series_are_told_by_their_columns(tmp_path: Path, keys: tuple[str, ...]) -> None:
    pipeline = scaffolded(tmp_path, write_series(tmp_path, day, keys=keys, n=24 * 10))
    names = tuple(f"k{place}" for place in range(len(keys)))
    assert pipeline.spec.view_keys("history") == names
    assert pipeline.spec.view_keys("before") == (*names, "season_place")


def test_rows_that_come_as_they_like_are_no_series(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    hours = np.sort(generator.choice(24 * 400, 900, replace=False))
    lines = [
        f"{START + int(hour) * HOUR:%Y-%m-%d %H:%M:%S},{generator.normal():.3f},{generator.normal():.3f}"
        for hour in hours
    ]
    path = tmp_path / "sales.csv"
    path.write_text("at,amount,other\n" + "\n".join(lines) + "\n")
    assert target_of(scaffolded(tmp_path, path)).horizon == ()


def test_rows_with_an_identifier_are_events(tmp_path: Path) -> None:
    path = write_series(tmp_path, day)
    first, *rows = path.read_text().splitlines()
    path.write_text(
        "\n".join([f"order_no,{first}", *(f"{place},{row}" for place, row in enumerate(rows))]) + "\n"
    )
    assert target_of(scaffolded(tmp_path, path)).horizon == ()


def test_lags_are_counted_in_time_where_hours_are_missing(tmp_path: Path) -> None:
    source = write_series(tmp_path, week, missing=17)
    pipeline = scaffolded(tmp_path, source)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f'CREATE TABLE sales AS SELECT "at"::TIMESTAMPTZ AS "at", amount FROM \'{source}\''
        )
        values = dict(connection.sql('SELECT "at", amount FROM sales').fetchall())
        rows = connection.sql(
            f"SELECT event_timestamp, amount_7d_before, amount_2d_before, amount_mean_1d FROM ({pipeline.sql['features/history.sql']})"
        ).fetchall()
    assert len(rows) == len(values)
    for known_at, week_before, days_before, mean in rows:
        # A forecast made then is for the hour that begins a day later.
        event = known_at + timedelta(days=1)
        assert week_before == values.get(event - timedelta(days=7))
        assert days_before == values.get(event - timedelta(days=2))
        last_day = [values[at] for hour in range(1, 25) if (at := known_at - hour * HOUR) in values]
        assert mean == pytest.approx(np.mean(last_day))


def test_what_is_written_passes_the_leakage_guard(tmp_path: Path) -> None:
    pipeline, connections = (
        scaffolded(tmp_path, write_series(tmp_path, week, keys=("store",), n=24 * 30)),
        connected(tmp_path),
    )
    windows = partitioning(pipeline.spec.partitions).windows(until=START + timedelta(days=29))
    # Two partitions, as the first has no past.
    for window in windows[:2]:
        run = run_stages(pipeline, connections, window.key)
    outcome = materialize_features(run, "history", feature_store=connections.feature_store)
    assert outcome.metadata["leakage"].startswith("checked against ")


def test_holidays_need_a_series(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(
        "id,amount,other\n" + "".join(f"{place},{place % 13},{place % 7}\n" for place in range(300))
    )
    with pytest.raises(ScaffoldError, match="--holidays DE: no series was found"):
        scaffolded(tmp_path, path, holidays="DE")


def test_holidays_are_listed_beyond_the_data(tmp_path: Path) -> None:
    pytest.importorskip("holidays", reason="the extra 'holidays' is not installed")
    source = write_series(
        tmp_path,
        lambda place, generator: 50 - 20 * (place % 7 >= 5) + generator.normal(),
        n=400,
        step=timedelta(days=1),
    )
    sql = target_of(scaffolded(tmp_path, source, holidays="DE-BY")).request_features["is_holiday"]
    # Epiphany is one of Bavaria's; the German Unity Day of the last year listed.
    assert "DATE '2025-01-06'" in sql
    assert "DATE '2030-10-03'" in sql
    with duckdb.connect() as connection:
        found = connection.sql(
            f"SELECT {sql} FROM (VALUES (TIMESTAMP '2024-12-25'), (TIMESTAMP '2024-12-27')) AS t(\"at\")"
        ).fetchall()
    assert found == [(True,), (False,)]


def test_an_unknown_region_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("holidays", reason="the extra 'holidays' is not installed")
    with pytest.raises(ScaffoldError, match=r"--holidays XX: .* Give a country's code"):
        scaffolded(tmp_path, write_series(tmp_path, day), holidays="XX")
