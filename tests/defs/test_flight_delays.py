"""The shipped flights: every row is there, instants are right, and nothing is known before its time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from assets.features.asset import materialize_features
from assets.features.leakage.check import LookaheadReport, check_no_lookahead
from assets.features.leakage.perturbation import Perturbation, perturbed_dataset
from assets.features.view_sql import FeatureError, kept_to_window, stable_types
from assets.labels.asset import materialize_labels
from assets.materialization import Scope, StageRun
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from assets.training_set.asset import materialize_training_set
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from declaration.sources.typed import ParquetSourceSpec
from pipelines.loading.read import read
from resources.engine.duckdb import Engine
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake
from resources.validation import Validation
from sources.files import source_files, unpacked
from sources.read import READ_TABLE, read_files

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
    yield connection
    connection.close()


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[object, ...]:
    found: tuple[object, ...] = connection.sql(sql).fetchall()[0]
    return found


def test_every_flight_lies_in_exactly_one_month(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection
) -> None:
    months = partitioning(pipeline.spec.partitions).windows(until=CLOCK)
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
        "coalesce(a.tzone, 'America/Puerto_Rico'), '%H%M') AS BIGINT))::INT) FROM flight_times t "
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


def changed_after(pipeline: Pipeline, name: str, relation: str, instant: datetime) -> str:
    """Return the SQL of a dataset in which everything is other that was not known by an instant."""
    spec = pipeline.spec
    fixed = {column for keys in spec.entities.values() for column in keys}
    return perturbed_dataset(
        relation,
        spec.datasets[name],
        Perturbation(instant, "test"),
        fixed=fixed,
        timezone=spec.partitions.timezone,
    )


@dataclass(frozen=True)
class Run:
    """A run's partition, an instant in it, and the sources as the run sees them."""

    instant: datetime
    window: Window
    connection: duckdb.DuckDBPyConnection

    def check(self, pipeline: Pipeline, view: str, sql: str, keys: tuple[str, ...]) -> LookaheadReport:
        """Make a view's rows as the stage does, and check them at the instant."""
        spec = pipeline.spec.features[view]
        found = replace(pipeline, sql={**pipeline.sql, spec.sql: sql})
        query = kept_to_window(sql, self.window)
        schema = self.connection.sql(f"{query} LIMIT 0").to_arrow_table().schema
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE rows AS {stable_types(query, schema, keys)}"
        ).fetchall()
        # There is something to compare.
        at = f"event_timestamp <= '{self.instant.isoformat()}'::TIMESTAMPTZ"
        assert one(self.connection, f"SELECT count(*) > 10 FROM rows WHERE {at}") == (True,)
        return check_no_lookahead(self.connection, found, view, "rows", self.window, instants=[self.instant])


@pytest.fixture(scope="module", params=INSTANTS, ids=lambda instant: f"{instant:%m-%dT%H%M}")
def run(
    request: pytest.FixtureRequest, pipeline: Pipeline, flights: duckdb.DuckDBPyConnection
) -> Iterator[Run]:
    """Give the month that ends at or after an instant, with all that its views look back on."""
    partitions = pipeline.spec.partitions
    own = next(w for w in partitioning(partitions).windows(until=CLOCK) if w.start < request.param <= w.end)
    lookback = max(view.lookback for view in pipeline.spec.features.values())
    start = partitioning(partitions).overlapping(own.start - lookback, own.end)[0].start
    with duckdb.connect() as made:
        made.sql("SET TimeZone = 'UTC'")
        for name in ("flights", "weather", "planes", "airports"):
            made.register(f"_{name}", flights.sql(f"FROM {name}").to_arrow_table())
            event_time = pipeline.spec.datasets[name].event_time
            span = f"'{start.isoformat()}'::TIMESTAMPTZ AND '{own.end.isoformat()}'::TIMESTAMPTZ - INTERVAL 1 SECOND"
            kept = f"{event_time} BETWEEN {span}" if event_time else "true"
            made.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM _{name} WHERE {kept}").fetchall()
        query = pipeline.sql[pipeline.spec.queries["flight_times"]]
        made.execute(f"CREATE TEMP VIEW flight_times AS {query}").fetchall()
        yield Run(request.param, own, made)


def test_the_change_is_of_the_future_and_only_of_the_future(pipeline: Pipeline, run: Run) -> None:
    # By the instants of `flight_times`, which the declaration's `known_at` does not name.
    query = pipeline.sql[pipeline.spec.queries["flight_times"]]
    changed = changed_after(pipeline, "flights", "temp.main.flights", run.instant)
    times = f"(WITH flights AS ({changed}) SELECT * FROM ({query}))"
    before = f"< '{run.instant.isoformat()}'::TIMESTAMPTZ"
    for delay, happened in (("arr_delay", "actual_arrival"), ("dep_delay", "actual_departure")):
        told = f"SELECT count(*), sum({delay}) FROM {{}} WHERE {happened} {before}"
        assert one(run.connection, told.format(times)) == one(run.connection, told.format("flight_times"))
        # Cancelled flights leave after all: there are more delays than there were, of flights that are over.
        missing = f"SELECT count(*) FROM {{}} WHERE {delay} IS NULL AND scheduled_departure {before}"
        assert one(run.connection, missing.format(times)) < one(
            run.connection, missing.format("flight_times")
        )


@pytest.mark.parametrize("view", VIEWS)
def test_no_feature_knows_what_became_known_later(pipeline: Pipeline, run: Run, view: str) -> None:
    spec = pipeline.spec.features[view]
    guarded = run.check(pipeline, view, pipeline.sql[spec.sql], pipeline.spec.entities[spec.entity])
    assert (guarded.checked, guarded.unchecked) == ((run.instant,), ())


@pytest.mark.parametrize("view", VIEWS)
def test_a_partitions_rows_do_not_depend_on_where_the_data_are_cut(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, view: str
) -> None:
    # Lookbacks are long enough: more history changes nothing. What follows the partition is not seen, so that
    # the slack before a departure of the next month is unknown on the last day.
    spec = pipeline.spec.features[view]
    month = partitioning(pipeline.spec.partitions).window("2013-03-01")
    until = month.end - timedelta(days=1) if view == "aircraft_history" else month.end
    bounds = [
        (
            partitioning(pipeline.spec.partitions)
            .overlapping(month.start - spec.lookback, month.end)[0]
            .start,
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


def test_no_request_feature_knows_what_became_known_later(pipeline: Pipeline, run: Run) -> None:
    target = pipeline.spec.target
    asked = ", ".join([*target.key, *target.request_features.values()])
    query = pipeline.sql[pipeline.spec.queries["flight_times"]]
    changed = changed_after(pipeline, "flights", "temp.main.flights", run.instant)
    known = f"{target.prediction_time} <= '{run.instant.isoformat()}'::TIMESTAMPTZ"
    truth, found = (
        run.connection.sql(f"SELECT {asked} FROM {times} WHERE {known} ORDER BY ALL").to_arrow_table()
        for times in ("flight_times", f"(WITH flights AS ({changed}) SELECT * FROM ({query}))")
    )
    assert truth.num_rows > 1_000
    assert found.equals(truth)


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
def test_a_view_that_looks_ahead_is_caught(pipeline: Pipeline, run: Run, leak: str) -> None:
    view = "carrier_punctuality" if "carrier" in LEAKS[leak].split("FROM")[0] else "airport_weather"
    keys = pipeline.spec.entities[pipeline.spec.features[view].entity]
    with pytest.raises(FeatureError, match=rf"view '{view}'.* looks ahead: '(mean_delay|cancelled)' for "):
        run.check(pipeline, view, LEAKS[leak], keys)


@pytest.mark.long
def test_the_stage_reads_every_row_of_the_source_once(pipeline: Pipeline, tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path / "lake"))
    engine = Engine(spill_directory=str(tmp_path / "spill"), directories=[lake.root])
    outcomes = [
        materialize_raw(StageRun(pipeline, Scope(month, run_id="test", clock=CLOCK), lake, engine), "flights")
        for month in partitioning(pipeline.spec.partitions).windows(until=CLOCK)
    ]
    n_rows = sum(int(str(outcome.metadata["n_rows"])) for outcome in outcomes)
    assert n_rows == lake.snapshot(pipeline.table("raw", "flights")).n_rows == 336_776
    assert {(o.metadata["n_rejected"], o.metadata["n_out_of_range"]) for o in outcomes} == {(0, 0)}
    assert {o.metadata["n_source_rows"] for o in outcomes} == {336_776}


def january(pipeline: Pipeline, home: Path) -> pa.Table:
    """Run January through the real stages; return its training set."""
    lake = Lake(root=str(home / "lake"))
    engine = Engine(spill_directory=str(home / "spill"), directories=[lake.root])
    store = FeatureStore(
        registry_url=f"sqlite:///{home / 'registry.db'}",
        online_path=str(home / "online.db"),
        spill_directory=str(home / "spill"),
    )
    month = partitioning(pipeline.spec.partitions).window("2013-01-01")

    def scope(is_partitioned: bool) -> Scope:
        return Scope(month if is_partitioned else None, run_id="test", clock=CLOCK)

    for name, dataset in pipeline.spec.datasets.items():
        at = scope(dataset.is_partitioned)
        materialize_raw(StageRun(pipeline, at, lake, engine), name)
        materialize_profiled(StageRun(pipeline, at, lake, engine), name, validation=Validation())
    for view in pipeline.spec.features:
        materialize_features(StageRun(pipeline, scope(True), lake, engine), view, feature_store=store)
    materialize_labels(StageRun(pipeline, scope(True), lake, engine))
    materialize_training_set(StageRun(pipeline, scope(True), lake, engine), feature_store=store)
    return lake.read(pipeline.table("training_set"))


def lied_to_about(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, instant: datetime, folder: Path
) -> Pipeline:
    """Return the pipeline with sources that are other after an instant."""
    folder.mkdir()
    datasets = dict(pipeline.spec.datasets)
    # A flight without a timetable has no label time, and is no flight that the declaration knows.
    for name, kept in (("flights", "sched_arr_time IS NOT NULL"), ("weather", "true")):
        changed = changed_after(pipeline, name, name, instant)
        rows = flights.sql(f"SELECT * FROM ({changed}) WHERE {kept}").to_arrow_table()
        path = folder / f"{name}.parquet"
        duckdb.from_arrow(rows).to_parquet(str(path))
        declared = datasets[name]
        source = ParquetSourceSpec(type="parquet", path=str(path))
        # When the lies are known cannot be told from them: they are changed once more by no check.
        plain = {"sql": None, "known_at": "NULL::TIMESTAMPTZ"}
        columns = {column: declared.column(column).model_copy(update=plain) for column in declared.columns}
        # Tampered rows may break the rules of the clean ones: the rules are not what is tested here.
        changes = {"source": source, "columns": columns, "expectations": ()}
        datasets[name] = declared.model_copy(update=changes)
    return replace(pipeline, name="lied_to", spec=pipeline.spec.model_copy(update={"datasets": datasets}))


@pytest.mark.long
def test_a_training_set_does_not_change_with_what_became_known_later(
    pipeline: Pipeline, flights: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    instant = datetime(2013, 1, 20, 15, 20, tzinfo=UTC)
    lied_to = lied_to_about(pipeline, flights, instant, tmp_path / "sources")
    truth, other = january(pipeline, tmp_path / "a"), january(lied_to, tmp_path / "b")

    def known(table: pa.Table) -> pa.Table:
        rows = duckdb.from_arrow(table).filter(f"label_time < '{instant.isoformat()}'::TIMESTAMPTZ")
        return rows.order("row_id").to_arrow_table()

    expected, found = known(truth), known(other)
    assert expected.num_rows > 10_000
    assert found.equals(expected.select(found.column_names))
    assert not other.equals(truth)
