"""The shipped flights: every row is there, instants are right, and nothing is known before its time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from assets.features.asset import materialize_features
from assets.features.view_sql import kept_to_window
from assets.labels.asset import materialize_labels
from assets.materialization import Pipeline, Scope
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from assets.raw.read_sql import READ_TABLE, read_files
from assets.raw.source import source_files, unpacked
from assets.training_set.asset import materialize_training_set
from pipelines.declaration import read
from pipelines.windows import Window, window, windows, windows_between
from resources.engine import Engine
from resources.feature_store import FeatureStore
from resources.lake import Lake
from resources.validation import Validation

FOLDER = Path(__file__).parents[2] / "pipelines" / "defs" / "flight_delays"
VIEWS = sorted(read(FOLDER).spec.features)
CLOCK = datetime(2026, 1, 1, tzinfo=UTC)

INSTANTS = (
    datetime(2013, 1, 31, 23, 30, tzinfo=UTC),
    datetime(2013, 3, 1, 5, 0, tzinfo=UTC),  # the month ends in New York: all that February's run may know
    datetime(2013, 3, 10, 7, 15, tzinfo=UTC),  # clocks go forward in New York at 07:00 UTC
    datetime(2013, 7, 4, 18, 45, tzinfo=UTC),
    datetime(2013, 11, 1, 4, 0, tzinfo=UTC),  # the month ends in New York, in summer time
    datetime(2013, 11, 3, 6, 10, tzinfo=UTC),  # clocks go back at 06:00 UTC
)

# What the world looks like to somebody at instant $T who is lied to about everything that was not known before it:
# departures and arrivals from T on come later still or never, cancelled flights leave after all.
POISONED_FLIGHTS = """
SELECT * REPLACE (
  CASE
    WHEN dep_delay IS NULL
      THEN greatest(date_diff('minute', scheduled_departure, $T::TIMESTAMPTZ), 0) + 45
    WHEN scheduled_departure + to_minutes(CAST(dep_delay AS INTEGER)) >= $T::TIMESTAMPTZ THEN dep_delay + 500
    ELSE dep_delay
  END AS dep_delay,
  CASE
    WHEN actual_arrival IS NULL OR actual_arrival >= $T::TIMESTAMPTZ
      THEN CASE WHEN flight % 2 = 0 THEN greatest(date_diff('minute', scheduled_arrival, $T::TIMESTAMPTZ), 0) + 5000 END
    ELSE arr_delay
  END AS arr_delay,
  CASE WHEN actual_departure < $T::TIMESTAMPTZ THEN dep_time ELSE 1 END AS dep_time,
  CASE WHEN actual_arrival < $T::TIMESTAMPTZ THEN arr_time ELSE 2 END AS arr_time,
  CASE WHEN actual_arrival < $T::TIMESTAMPTZ THEN air_time ELSE 999 END AS air_time
) FROM (  -- the extra columns are not among the declared ones
  SELECT flights.*, timed.actual_departure, timed.actual_arrival, timed.scheduled_arrival FROM flights
  JOIN flight_times timed USING (carrier, flight, origin, scheduled_departure)
)
"""
POISONED_WEATHER = """
SELECT * REPLACE (
  CASE WHEN later THEN temp + 100 ELSE temp END AS temp, CASE WHEN later THEN 99 ELSE precip END AS precip,
  CASE WHEN later THEN 0 ELSE visib END AS visib, CASE WHEN later THEN 300 ELSE wind_speed END AS wind_speed,
  CASE WHEN later THEN 1 ELSE humid END AS humid, CASE WHEN later THEN 500 ELSE pressure END AS pressure
) FROM (SELECT *, time_hour + INTERVAL 1 HOUR > $T::TIMESTAMPTZ AS later FROM weather)
"""


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return read(FOLDER)


@pytest.fixture(scope="module")
def flights(
    pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Every dataset of the year as a table, and `flight_times` as the declaration has it."""
    connection = duckdb.connect()
    connection.sql("SET TimeZone = 'UTC'")
    for name, dataset in pipeline.spec.datasets.items():
        files = source_files(dataset.source, folder=Path(pipeline.folder))
        with unpacked(files, scratch=tmp_path_factory.mktemp("scratch")) as plain:
            read_files(connection, plain, dataset, name=name, timezone=pipeline.spec.partitions.timezone)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {READ_TABLE}").fetchall()
    query = pipeline.sql[pipeline.spec.queries["flight_times"]]
    connection.execute(f"CREATE VIEW flight_times AS {query}").fetchall()
    connection.execute("CREATE TABLE true_times AS SELECT * FROM flight_times").fetchall()
    yield connection
    connection.close()


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[object, ...]:
    found: tuple[object, ...] = connection.sql(sql).fetchall()[0]
    return found


def test_every_flight_lies_in_exactly_one_month(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection
) -> None:
    months = windows(pipeline.spec.partitions, until=CLOCK)
    counts = [
        one(
            flights,
            "SELECT count(*) FROM flights WHERE scheduled_departure >= "
            f"'{w.start.isoformat()}'::TIMESTAMPTZ AND scheduled_departure < '{w.end.isoformat()}'::TIMESTAMPTZ",
        )[0]
        for w in months
    ]
    assert len(months) == 12
    assert sum(counts) == 336_776  # type: ignore[arg-type]  # counts are integers


def test_the_hour_agrees_with_the_timetable_in_every_season(flights: duckdb.DuckDBPyConnection) -> None:
    # The source gives the local time (HHMM) and the hour in UTC: they must tell the same instant.
    wrong = one(
        flights,
        "SELECT count(*) FROM flights WHERE sched_dep_time <> "
        "CAST(strftime(scheduled_departure AT TIME ZONE 'America/New_York', '%H%M') AS BIGINT)",
    )
    assert wrong == (0,)


def test_arrivals_agree_with_the_time_in_the_air(flights: duckdb.DuckDBPyConnection) -> None:
    share, median = one(
        flights,
        "SELECT avg((taxi >= 0)::INT), median(taxi) FROM (SELECT date_diff('minute', t.actual_departure, "
        "t.actual_arrival) - f.air_time AS taxi FROM flight_times t JOIN flights f "
        "USING (carrier, flight, origin, scheduled_departure) WHERE t.actual_arrival IS NOT NULL)",
    )
    assert share > 0.9999  # type: ignore[operator]  # a number
    assert 15 < median < 45  # type: ignore[operator]  # minutes of taxiing


def test_arrivals_agree_with_the_local_clock_at_the_destination(
    flights: duckdb.DuckDBPyConnection,
) -> None:
    # arr_time is the destination's own clock: an independent witness of zones and overnight arrivals.
    share = one(
        flights,
        "SELECT avg((arr_time % 2400 = CAST(strftime(actual_arrival AT TIME ZONE "
        "coalesce(a.tzone, 'America/Puerto_Rico'), '%H%M') AS BIGINT))::INT) FROM true_times t "
        "JOIN flights f USING (carrier, flight, origin, scheduled_departure) "
        "LEFT JOIN airports a ON a.faa = t.dest WHERE actual_arrival IS NOT NULL",
    )[0]
    assert share > 0.999  # type: ignore[operator]  # a number


def test_flights_that_never_arrived_have_no_label(flights: duckdb.DuckDBPyConnection) -> None:
    n_rows, n_labels = one(
        flights, "SELECT count(*), count(arr_delay > 15) FROM flight_times WHERE actual_arrival IS NULL"
    )
    assert n_rows == 9_430  # 8,255 cancelled, 1,175 diverted
    assert n_labels == 0


def view_rows(connection: duckdb.DuckDBPyConnection, sql: str, instant: datetime) -> pa.Table:
    """Compute a view's rows that are known at an instant, in a fixed order."""
    text = sql.strip().rstrip(";")
    return connection.sql(
        f"SELECT * FROM ({text}) WHERE event_timestamp <= '{instant.isoformat()}'::TIMESTAMPTZ ORDER BY ALL"
    ).to_arrow_table()


def visible(pipeline: Pipeline, instant: datetime) -> tuple[datetime, datetime]:
    """Return what a run sees of which an instant is the last: its month, and all that views look back on."""
    partitions = pipeline.spec.partitions
    own = next(w for w in windows(partitions, until=CLOCK) if w.start < instant <= w.end)
    lookback = max(view.lookback for view in pipeline.spec.features.values())
    return windows_between(partitions, own.start - lookback, own.end)[0].start, own.end


def world(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, instant: datetime, *, is_poisoned: bool
) -> duckdb.DuckDBPyConnection:
    """Return the world as a run sees it, or a copy that differs in everything not known before an instant."""
    start, end = (f"'{bound.isoformat()}'::TIMESTAMPTZ" for bound in visible(pipeline, instant))
    queries = {"flights": "FROM flights", "weather": "FROM weather"}
    if is_poisoned:
        queries["flights"] = POISONED_FLIGHTS.replace("flight_times", "true_times")
        queries["weather"] = POISONED_WEATHER
    made = duckdb.connect()
    made.sql("SET TimeZone = 'UTC'")
    for name in ("flights", "weather", "planes", "airports"):
        rows = flights.sql(
            queries.get(name, f"FROM {name}"),
            params={"T": instant.isoformat()} if name in queries and is_poisoned else None,
        ).to_arrow_table()
        made.register(f"_{name}", rows)
        event_time = pipeline.spec.datasets[name].event_time
        kept = f"{event_time} >= {start} AND {event_time} < {end}" if event_time else "true"
        made.execute(f"CREATE TABLE {name} AS SELECT * FROM _{name} WHERE {kept}").fetchall()
    query = pipeline.sql[pipeline.spec.queries["flight_times"]]
    made.execute(f"CREATE TABLE flight_times AS {query}").fetchall()
    return made


@pytest.fixture(scope="module", params=INSTANTS, ids=lambda instant: f"{instant:%m-%dT%H%M}")
def worlds(
    request: pytest.FixtureRequest, pipeline: Pipeline, flights: duckdb.DuckDBPyConnection
) -> Iterator[tuple[datetime, duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    truth = world(pipeline, flights, request.param, is_poisoned=False)
    lied_to = world(pipeline, flights, request.param, is_poisoned=True)
    yield request.param, truth, lied_to
    truth.close()
    lied_to.close()


def test_the_poison_changes_the_future_and_only_the_future(
    worlds: tuple[datetime, duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
) -> None:
    instant, truth, lied_to = worlds
    before = f"< '{instant.isoformat()}'::TIMESTAMPTZ"
    past = [
        f"SELECT count(*), sum(arr_delay) FROM flight_times WHERE actual_arrival {before}",
        f"SELECT count(*), sum(dep_delay) FROM flight_times WHERE actual_departure {before}",
    ]
    assert [one(truth, sql) for sql in past] == [one(lied_to, sql) for sql in past]
    everything = "SELECT sum(arr_delay), sum(dep_delay), sum(temp) FROM flight_times, (SELECT sum(temp) AS temp FROM weather)"
    assert one(truth, everything) != one(lied_to, everything)


@pytest.mark.parametrize("view", VIEWS)
def test_no_feature_knows_what_became_known_later(
    pipeline: Pipeline,
    worlds: tuple[datetime, duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection],
    view: str,
) -> None:
    instant, truth, lied_to = worlds
    sql = pipeline.sql[pipeline.spec.features[view].sql]
    expected, found = view_rows(truth, sql, instant), view_rows(lied_to, sql, instant)
    assert expected.num_rows > 0
    assert found.equals(expected)


@pytest.mark.parametrize("view", VIEWS)
def test_a_partitions_rows_do_not_depend_on_where_the_data_are_cut(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, view: str
) -> None:
    # Lookbacks are long enough: more history changes nothing. What follows the partition is not seen, so that
    # the slack before a departure of the next month is unknown on the last day.
    spec = pipeline.spec.features[view]
    month = window(pipeline.spec.partitions, "2013-03-01")
    until = month.end - timedelta(days=1) if view == "aircraft_history" else month.end
    bounds = [
        (
            windows_between(pipeline.spec.partitions, month.start - spec.lookback, month.end)[0].start,
            month.end,
        ),
        (datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 5, 1, 4, tzinfo=UTC)),
    ]
    tables = []
    for start, end in bounds:
        between = f"BETWEEN '{start.isoformat()}'::TIMESTAMPTZ AND '{end.isoformat()}'::TIMESTAMPTZ - INTERVAL 1 SECOND"
        with duckdb.connect() as cut:
            cut.sql("SET TimeZone = 'UTC'")
            for name in ("flights", "weather", "planes", "airports"):
                event_time = pipeline.spec.datasets[name].event_time
                where = f"{event_time} {between}" if event_time else "true"
                cut.register(f"_{name}", flights.sql(f"SELECT * FROM {name} WHERE {where}").to_arrow_table())
                cut.execute(f"CREATE VIEW {name} AS SELECT * FROM _{name}").fetchall()
            cut.execute(f"CREATE VIEW flight_times AS {pipeline.sql['queries/flight_times.sql']}").fetchall()
            rows = kept_to_window(pipeline.sql[spec.sql], Window(month.key, month.start, until))
            tables.append(cut.sql(rows).to_arrow_table())
    narrow, wide = (duckdb.from_arrow(table) for table in tables)
    assert tables[0].num_rows > 1_000
    assert narrow.except_(wide).fetchall() == []


def test_no_request_feature_knows_what_became_known_later(
    pipeline: Pipeline, worlds: tuple[datetime, duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]
) -> None:
    instant, truth, lied_to = worlds
    target = pipeline.spec.target
    asked = ", ".join([*target.key, *target.request_features.values()])
    sql = f"SELECT {asked}, {target.prediction_time} AS event_timestamp FROM flight_times"
    expected = view_rows(truth, sql, instant)
    assert expected.num_rows > 1_000
    assert view_rows(lied_to, sql, instant).equals(expected)


LEAKS = {
    "arrivals under the hour of their schedule": """
        SELECT carrier, date_trunc('hour', scheduled_departure) AS event_timestamp, avg(arr_delay) AS mean_delay
        FROM flight_times GROUP BY ALL""",
    "delays of departures that are only due": """
        SELECT origin, date_trunc('hour', scheduled_departure) + INTERVAL 1 HOUR AS event_timestamp,
          avg(dep_delay) AS mean_delay
        FROM flight_times GROUP BY ALL""",
    "which of the waiting flights will be cancelled": """
        SELECT origin, date_trunc('hour', scheduled_departure) + INTERVAL 1 HOUR AS event_timestamp,
          count(*) FILTER (dep_delay IS NULL) AS cancelled
        FROM flight_times GROUP BY ALL""",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_view_that_looks_ahead_is_caught(
    worlds: tuple[datetime, duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], leak: str
) -> None:
    instant, truth, lied_to = worlds
    assert not view_rows(lied_to, LEAKS[leak], instant).equals(view_rows(truth, LEAKS[leak], instant))


def test_the_stage_reads_every_row_of_the_source_once(pipeline: Pipeline, tmp_path: Path) -> None:
    lake, engine = Lake(root=str(tmp_path / "lake")), Engine(spill_directory=str(tmp_path / "spill"))
    outcomes = [
        materialize_raw(
            pipeline, "flights", Scope(month, run_id="test", clock=CLOCK), lake=lake, engine=engine
        )
        for month in windows(pipeline.spec.partitions, until=CLOCK)
    ]
    n_rows = sum(int(str(outcome.metadata["n_rows"])) for outcome in outcomes)
    assert n_rows == lake.snapshot(pipeline.table("raw", "flights")).n_rows == 336_776
    assert {(o.metadata["n_rejected"], o.metadata["n_out_of_range"]) for o in outcomes} == {(0, 0)}
    assert {o.metadata["n_source_rows"] for o in outcomes} == {336_776}


def january(pipeline: Pipeline, home: Path) -> pa.Table:
    """Run January through the real stages; return its training set."""
    lake, engine = Lake(root=str(home / "lake")), Engine(spill_directory=str(home / "spill"))
    store = FeatureStore(
        registry_url=f"sqlite:///{home / 'registry.db'}",
        online_path=str(home / "online.db"),
        spill_directory=str(home / "spill"),
    )
    month = window(pipeline.spec.partitions, "2013-01-01")

    def scope(is_partitioned: bool) -> Scope:
        return Scope(month if is_partitioned else None, run_id="test", clock=CLOCK)

    for name, dataset in pipeline.spec.datasets.items():
        at = scope(dataset.is_partitioned)
        materialize_raw(pipeline, name, at, lake=lake, engine=engine)
        materialize_profiled(pipeline, name, at, lake=lake, engine=engine, validation=Validation())
    for view in pipeline.spec.features:
        materialize_features(pipeline, view, scope(True), lake=lake, engine=engine, feature_store=store)
    materialize_labels(pipeline, scope(True), lake=lake, engine=engine)
    materialize_training_set(pipeline, scope(True), lake=lake, engine=engine, feature_store=store)
    return lake.read(pipeline.table("training_set"))


def lied_to_about(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, instant: datetime, folder: Path
) -> Pipeline:
    """Return the pipeline with sources that are poisoned after an instant."""
    folder.mkdir()
    bound = {"T": instant.isoformat()}
    queries = {"flights": POISONED_FLIGHTS.replace("flight_times", "true_times"), "weather": POISONED_WEATHER}
    datasets = dict(pipeline.spec.datasets)
    for name, sql in queries.items():
        rows = flights.sql(sql, params=bound).to_arrow_table()
        path = folder / f"{name}.parquet"
        duckdb.from_arrow(rows).to_parquet(str(path))
        declared = datasets[name]
        source = declared.source.model_copy(update={"type": "parquet", "path": str(path)})
        columns = {
            column: declared.column(column).model_copy(update={"sql": None}) for column in declared.columns
        }
        # Tampered rows may break the rules of the clean ones: the rules are not what is tested here.
        changes = {"source": source, "columns": columns, "expectations": ()}
        datasets[name] = declared.model_copy(update=changes)
    return replace(pipeline, name="lied_to", spec=pipeline.spec.model_copy(update={"datasets": datasets}))


def test_a_training_set_does_not_change_with_what_became_known_later(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    instant = datetime(2013, 1, 20, 15, 20, tzinfo=UTC)
    lied_to = lied_to_about(pipeline, flights, instant, tmp_path / "sources")
    truth, poisoned = january(pipeline, tmp_path / "a"), january(lied_to, tmp_path / "b")

    def known(table: pa.Table) -> pa.Table:
        rows = duckdb.from_arrow(table).filter(f"label_time < '{instant.isoformat()}'::TIMESTAMPTZ")
        return rows.order("row_id").to_arrow_table()

    expected, found = known(truth), known(poisoned)
    assert expected.num_rows > 10_000
    assert found.equals(expected.select(found.column_names))
    assert not poisoned.equals(truth)
