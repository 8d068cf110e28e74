"""A view that looks ahead is refused, with the column and the instant; one that does not is left alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb
import pytest

from assets.features.leakage.check import N_PERTURBATIONS, check_no_lookahead
from assets.features.view_sql import FeatureError, kept_to_window, stable_types
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from tests.fixtures.tiny import DECLARATION, START, day_window

DAY = day_window(1)

HONEST = {
    "the hours before, without the row's own": """
        SELECT machine, taken_at AS event_timestamp, avg(heat) OVER past AS mean_heat, count(*) OVER past AS readings
        FROM readings WINDOW past AS (PARTITION BY machine ORDER BY taken_at
        RANGE BETWEEN INTERVAL 6 HOUR PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING)""",
    "the row's own value": """
        SELECT machine, taken_at AS event_timestamp, heat, load > 0.5 AS is_loaded,
          heat - lag(heat) OVER (PARTITION BY machine ORDER BY taken_at) AS change
        FROM readings""",
    "the hour that has ended": """
        SELECT machine, date_trunc('hour', taken_at) + INTERVAL 1 HOUR AS event_timestamp,
          stddev_samp(heat) AS spread, string_agg(kind, ',' ORDER BY id) AS kinds
        FROM readings GROUP BY ALL""",
    "every machine at every hour, whether it has rows then or later": """
        SELECT machine, event_timestamp, NULL::DOUBLE AS nothing
        FROM (SELECT DISTINCT machine FROM readings)
        CROSS JOIN (SELECT DISTINCT date_trunc('hour', taken_at) AS event_timestamp FROM readings)""",
}

AHEAD = {
    "the hour that begins": (
        "mean_heat",
        """SELECT machine, date_trunc('hour', taken_at) AS event_timestamp, avg(heat) AS mean_heat
        FROM readings GROUP BY ALL""",
    ),
    "how many rows come in the hour": (
        "readings",
        """SELECT machine, date_trunc('hour', taken_at) AS event_timestamp, count(*) AS readings
        FROM readings GROUP BY ALL""",
    ),
    "a mean over the day": (
        "mean_load",
        """SELECT machine, taken_at AS event_timestamp, heat, avg(load) OVER (PARTITION BY machine) AS mean_load
        FROM readings""",
    ),
    "the next row": (
        "next_kind",
        """SELECT machine, taken_at AS event_timestamp,
          lead(kind) OVER (PARTITION BY machine ORDER BY taken_at) AS next_kind FROM readings""",
    ),
    "an hour too early": (
        "failed",
        """SELECT machine, taken_at - INTERVAL 1 HOUR AS event_timestamp, failed FROM readings""",
    ),
    "how long until it stops": (
        "until_stop",
        """SELECT machine, taken_at AS event_timestamp, epoch(max(stopped_at) OVER (PARTITION BY machine) - taken_at)
          AS until_stop FROM readings""",
    ),
    "a frame that follows": (
        "coming_heat",
        """SELECT machine, taken_at AS event_timestamp, avg(heat) OVER (PARTITION BY machine ORDER BY taken_at
          RANGE BETWEEN CURRENT ROW AND INTERVAL 2 HOUR FOLLOWING) AS coming_heat FROM readings""",
    ),
    "a frame that follows, far away": (
        "coming_heat",
        """SELECT machine, taken_at AS event_timestamp, sum(heat) OVER (PARTITION BY machine ORDER BY taken_at
          RANGE BETWEEN INTERVAL 9 HOUR FOLLOWING AND INTERVAL 10 HOUR FOLLOWING) AS coming_heat FROM readings""",
    ),
    "an aggregate of the whole table": (
        "most_heat",
        """SELECT machine, taken_at AS event_timestamp, (SELECT max(heat + load) FROM readings) AS most_heat
        FROM readings""",
    ),
    "a join without a bound on time": (
        "others",
        """SELECT r.machine, r.taken_at AS event_timestamp, count(*) AS others
        FROM readings r JOIN readings o ON o.kind = r.kind GROUP BY ALL""",
    ),
    "the last instant of all": (
        "hours_left",
        """SELECT machine, taken_at AS event_timestamp,
          date_diff('hour', taken_at, max(taken_at) OVER ()) AS hours_left FROM readings""",
    ),
    "a join on later rows of its own": (
        "heat_after",
        """SELECT r.machine, r.taken_at AS event_timestamp, min(o.heat) AS heat_after FROM readings r
        JOIN readings o ON o.machine = r.machine AND o.taken_at >= r.taken_at
          AND o.taken_at < r.taken_at + INTERVAL 1 HOUR GROUP BY ALL""",
    ),
    "a subquery of each row": (
        "failures",
        """SELECT machine, taken_at AS event_timestamp, (SELECT count(*) FILTER (o.failed) FROM readings o
          WHERE o.machine = readings.machine AND o.taken_at >= readings.taken_at) AS failures FROM readings""",
    ),
    "the last value of all": (
        "last_kind",
        """SELECT machine, taken_at AS event_timestamp,
          last(kind ORDER BY taken_at) OVER (PARTITION BY machine ROWS BETWEEN UNBOUNDED PRECEDING
          AND UNBOUNDED FOLLOWING) AS last_kind FROM readings""",
    ),
    "the first value to come": (
        "first_load",
        """SELECT r.machine, r.taken_at AS event_timestamp, first(o.load ORDER BY o.taken_at) AS first_load
        FROM readings r JOIN readings o ON o.machine = r.machine AND o.taken_at > r.taken_at GROUP BY ALL""",
    ),
    "one machine of five": (
        "next_heat",
        """SELECT machine, taken_at AS event_timestamp, CASE WHEN machine = 'm3'
          THEN lead(heat) OVER (PARTITION BY machine ORDER BY taken_at) ELSE heat END AS next_heat FROM readings""",
    ),
    "an instant that is only known later": (
        "event_timestamp",
        """SELECT machine, taken_at - to_minutes(CAST(greatest(load, 0) * 30 + 30 AS INTEGER)) AS event_timestamp,
          1 AS one FROM readings""",
    ),
}


def declared(sql: str, **known_at: str) -> Pipeline:
    columns = {
        "id": "int", "machine": "string", "taken_at": "timestamp_tz", "heat": "float", "load": "float",
        "kind": "string", "failed": "boolean", "stopped_at": "timestamp_tz",
    }  # fmt: skip
    types = {name: {"type": kind, "known_at": known_at.get(name)} for name, kind in columns.items()}
    readings = {**DECLARATION["datasets"]["readings"], "columns": types}  # type: ignore[index]  # a dict of dicts
    spec = PipelineSpec.model_validate({**DECLARATION, "datasets": {"readings": readings}})
    return Pipeline("tiny", spec, ".", {"recent.sql": sql}, "hash")


@pytest.fixture(scope="module")
def readings() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two days of readings of five machines, every 200 seconds; `later` is when a value came in."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("""
            CREATE TEMP TABLE readings AS
            SELECT id, 'm' || id % 5 AS machine, TIMESTAMPTZ '2024-01-01' + to_seconds(200 * id) AS taken_at,
              sin(id * 12.9898) AS heat, abs(cos(id * 78.233)) AS load, 'k' || (id * 7) % 11 AS kind,
              (id * 31) % 17 < 5 AS failed, TIMESTAMPTZ '2024-01-01' + to_seconds(200 * (id + 3)) AS stopped_at
            FROM range(864) AS numbers (id)""")
        yield connection


def guard(
    connection: duckdb.DuckDBPyConnection, pipeline: Pipeline, instants: Sequence[datetime] | None = None
) -> int:
    """Make the view's rows as the stage does, and check them; return how many perturbations were withstood."""
    query = kept_to_window(pipeline.sql["recent.sql"], DAY)
    schema = connection.sql(f"{query} LIMIT 0").to_arrow_table().schema
    connection.execute(f"CREATE OR REPLACE TEMP TABLE rows AS {stable_types(query, schema, ['machine'])}")
    guarded = check_no_lookahead(connection, pipeline, "recent", "rows", DAY, instants=instants)
    assert guarded.unchecked == ()
    return len(guarded.checked)


@pytest.mark.parametrize("view", HONEST)
def test_a_view_of_the_past_is_left_alone(readings: duckdb.DuckDBPyConnection, view: str) -> None:
    assert guard(readings, declared(HONEST[view])) == N_PERTURBATIONS


@pytest.mark.parametrize("view", AHEAD)
def test_a_view_that_looks_ahead_is_refused(readings: duckdb.DuckDBPyConnection, view: str) -> None:
    column, sql = AHEAD[view]
    pattern = (
        rf"looks ahead: '{column}' for machine = m\d, event_timestamp = 202[34]-.* became known after 2024-"
    )
    with pytest.raises(FeatureError, match=pattern):
        guard(readings, declared(sql))


def test_a_value_counts_from_when_it_is_known(readings: duckdb.DuckDBPyConnection) -> None:
    own = "SELECT machine, taken_at AS event_timestamp, heat FROM readings"
    with pytest.raises(FeatureError, match="'heat'"):
        guard(readings, declared(own, heat="taken_at + INTERVAL 1 HOUR"))
    later = own.replace("taken_at AS", "taken_at + INTERVAL 1 HOUR AS")
    assert guard(readings, declared(later, heat="taken_at + INTERVAL 1 HOUR")) == N_PERTURBATIONS


def test_a_leak_of_rare_rows_is_found_between_them_and_what_they_see(
    readings: duckdb.DuckDBPyConnection,
) -> None:
    # Reading 600 (m0, 2024-01-02 09:20) sees what is taken half an hour later; no other row sees ahead.
    sql = """SELECT machine, taken_at AS event_timestamp, CASE WHEN id = 600
      THEN (SELECT max(o.heat) FROM readings o WHERE o.taken_at <= r.taken_at + INTERVAL 30 MINUTE
        AND o.taken_at > r.taken_at) ELSE heat END AS heat FROM readings r"""
    pipeline = declared(sql)
    seen_at = START + timedelta(days=1, hours=9, minutes=20)

    def at(minutes: int) -> list[datetime]:
        return [seen_at + timedelta(minutes=minutes)]

    assert guard(readings, pipeline, instants=at(-1)) == 1
    assert guard(readings, pipeline, instants=at(31)) == 1
    with pytest.raises(
        FeatureError, match=r"'heat' for machine = m0, event_timestamp = 2024-01-02 09:20:00.* \(1 rows"
    ):
        guard(readings, pipeline, instants=at(10))


def test_a_view_that_needs_more_than_its_lookback_is_compared_over_everything(
    readings: duckdb.DuckDBPyConnection,
) -> None:
    # The declared lookback is two days; the count reaches to the beginning.
    honest = """SELECT machine, taken_at AS event_timestamp, heat,
      count(*) OVER (PARTITION BY machine ORDER BY taken_at) AS so_far FROM readings"""
    spec = declared(honest).spec
    short = spec.features["recent"].model_copy(update={"lookback": timedelta(0)})
    pipeline = replace(declared(honest), spec=spec.model_copy(update={"features": {"recent": short}}))
    noon = [START + timedelta(days=1, hours=12)]
    assert guard(readings, pipeline, instants=noon) == 1
    leaking = honest.replace("heat,", "lead(heat) OVER (PARTITION BY machine ORDER BY taken_at) AS heat,")
    with pytest.raises(FeatureError, match="looks ahead: 'heat'"):
        guard(readings, replace(pipeline, sql={"recent.sql": leaking}), instants=noon)


def test_what_is_announced_may_be_used_before(readings: duckdb.DuckDBPyConnection) -> None:
    ahead = AHEAD["the next row"][1]
    timetable = "taken_at - INTERVAL 2 DAY"
    assert guard(readings, declared(ahead, kind=timetable, taken_at=timetable)) == N_PERTURBATIONS


def test_what_is_never_known_stays(readings: duckdb.DuckDBPyConnection) -> None:
    ahead = AHEAD["the next row"][1]
    assert (
        guard(readings, declared(ahead, kind="NULL::TIMESTAMPTZ", taken_at="taken_at - INTERVAL 2 DAY")) == 1
    )


def test_what_never_came_may_have_come_late(readings: duckdb.DuckDBPyConnection) -> None:
    # A machine that is not said to have stopped has not stopped yet: that it never will is not known.
    sql = "SELECT machine, taken_at AS event_timestamp, {} AS value FROM readings"
    readings.execute("UPDATE readings SET stopped_at = NULL WHERE id % 3 = 0").fetchall()
    try:
        never, known = "stopped_at IS NULL", "coalesce(stopped_at, 'infinity') > taken_at"
        with pytest.raises(FeatureError, match="looks ahead: 'value'"):
            guard(readings, declared(sql.format(never), stopped_at="stopped_at"))
        assert guard(readings, declared(sql.format(known), stopped_at="stopped_at")) == 1
        # It is, where that is declared.
        assert guard(readings, declared(sql.format(never), stopped_at="taken_at")) == 1
    finally:
        readings.execute(
            "UPDATE readings SET stopped_at = taken_at + INTERVAL 600 SECOND WHERE stopped_at IS NULL"
        ).fetchall()


def test_a_known_at_that_fails_on_the_rows_is_named(readings: duckdb.DuckDBPyConnection) -> None:
    pipeline = declared(HONEST["the row's own value"], heat="taken_at + to_minutes(CAST(kind AS INTEGER))")
    pattern = r"view 'recent' cannot be checked .*: datasets\.readings\.columns\.heat\.known_at fails .*'k\d+'.*TRY_CAST"
    with pytest.raises(FeatureError, match=pattern):
        guard(readings, pipeline)


def test_the_past_of_one_instant_is_all_that_may_stay(readings: duckdb.DuckDBPyConnection) -> None:
    # The rows of the stage are not touched, and the sources read as they did.
    before = readings.sql("SELECT sum(hash(readings)) FROM readings").fetchall()
    guard(readings, declared(HONEST["the row's own value"]))
    assert readings.sql("SELECT sum(hash(readings)) FROM readings").fetchall() == before


def test_the_same_partition_is_checked_the_same_way(readings: duckdb.DuckDBPyConnection) -> None:
    pipeline = declared(HONEST["the row's own value"])
    guard(readings, pipeline)
    found = {check_no_lookahead(readings, pipeline, "recent", "rows", DAY).summary for _ in range(3)}
    (summary,) = found
    assert summary.startswith("checked against 1 perturbation: what came after 2024-01-02T")


def test_a_view_of_its_own_mind_is_not_called_a_leak(readings: duckdb.DuckDBPyConnection) -> None:
    pipeline = declared("SELECT machine, taken_at AS event_timestamp, random() AS lot FROM readings")
    with pytest.raises(FeatureError, match=r"gives another 'lot' .* each time it is run"):
        guard(readings, pipeline)


def test_sql_that_fails_on_made_up_values_is_said_to_be_unchecked(
    readings: duckdb.DuckDBPyConnection,
) -> None:
    sql = (
        "SELECT machine, taken_at AS event_timestamp, has_numbers FROM readings CROSS JOIN "
        "(SELECT max(CAST(replace(kind, 'k', '') AS INTEGER)) > 0 AS has_numbers FROM readings)"
    )
    pipeline = declared(sql)
    readings.execute(f"CREATE OR REPLACE TEMP TABLE rows AS {kept_to_window(sql, DAY)}")
    guarded = check_no_lookahead(readings, pipeline, "recent", "rows", DAY)
    assert (guarded.checked, guarded.summary) == ((), "checked against 0 perturbations")
    assert "Could not convert string" in guarded.unchecked[0]
