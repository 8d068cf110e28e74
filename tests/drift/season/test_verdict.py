from collections.abc import Mapping
from types import MappingProxyType

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.drift import DriftSpec, FeatureDriftSpec
from drift.columns.verdict import DriftVerdict, decide_drift
from drift.season.verdict import judge_season, relate_reference, relate_window
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from tests.drift.season.conftest import NAMES, seasonal

SPEC = DriftSpec(min_rows=100)


def changed(table: pa.Table, **columns: np.ndarray) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    return table


def numbers(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()


def judged(
    reference: pa.Table,
    window: pa.Table,
    spec: DriftSpec = SPEC,
    *,
    names: list[str] = NAMES,
    has_calendar: bool = True,
    importances: Mapping[str, float] = MappingProxyType({}),
) -> DriftVerdict:
    time = "instant" if has_calendar else ""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("before", reference)
        connection.register("now", window)
        sketch = sketch_reference(connection, "before", names, part_column="part")
        relations = relate_reference(
            connection, "before", sketch, names, time_column=time, part_column="part"
        )
        counts = sketch_window(connection, "now", bins_of(sketch))
        alone = decide_drift(sketch, counts, n_current=window.num_rows, importances=importances, spec=spec)
        return judge_season(
            alone, sketch, counts, relate_window(connection, "now", relations, time_column=time), spec
        )


def statuses(verdict: DriftVerdict) -> dict[str, str]:
    return {column.column: column.status for column in verdict.columns}


YEAR, JULY = seasonal(360), seasonal(30, first_day=365 + 180)


def test_another_year_is_no_drift():
    for month in (0, 3, 6, 9):
        verdict = judged(YEAR, seasonal(30, first_day=365 + 30 * month))

        assert verdict.drifted() == ()


@pytest.mark.parametrize(
    "fault",
    [
        lambda values: values * 1.8 + 32,
        lambda values: values * 1000,
        lambda values: values + 6,
        lambda values: 40 - values,
        lambda values: np.full(len(values), values[0]),
        lambda values: values + np.random.default_rng(0).normal(0, 6, len(values)),
    ],
    ids=["fahrenheit", "thousands", "shifted", "turned", "stuck", "noisy"],
)
def test_a_fault_names_its_column_alone(fault):
    verdict = judged(YEAR, changed(JULY, x2=fault(numbers(JULY, "x2"))))

    assert [column.column for column in verdict.drifted()] == ["x2"]
    assert verdict.columns[0].column == "x2"
    assert verdict.status == "drifted"


def test_a_category_that_leaves_its_season_is_named():
    draw = np.random.default_rng(0)
    place = np.where(draw.random(JULY.num_rows) < 0.95, "hill", "valley")

    verdict = judged(YEAR, changed(JULY, place=place))

    assert [column.column for column in verdict.drifted()] == ["place"]
    assert {finding.kind for finding in verdict.drifted()[0].certain} == {"level"}
    assert {finding.about for finding in verdict.drifted()[0].certain} <= {"hill", "valley"}


def test_every_column_says_which_shift_it_would_show():
    verdict = judged(YEAR, JULY)

    assert all(0.25 <= column.unseen_shift <= 3 for column in verdict.columns)


@pytest.mark.parametrize("n_days", [60, 90, 120])
def test_restless_columns_cannot_be_judged_under_half_a_year(n_days):
    verdict = judged(seasonal(n_days), seasonal(30, first_day=n_days + 30))

    assert verdict.status == "cannot be judged"
    assert set(statuses(verdict).values()) <= {"cannot be judged", "stable"}
    restless = [column for column in verdict.columns if column.status == "cannot be judged"]
    assert len(restless) >= 5
    assert all(column.reason.startswith("the reference has not seen this season") for column in restless)
    assert all(column.strength < 1 or column.status == "cannot be judged" for column in verdict.columns)
    assert verdict.drift_score is None or verdict.drift_score < 1


def test_a_column_at_one_value_is_stuck_whatever_the_season():
    window = seasonal(30, first_day=120)
    window = changed(window, x4=np.full(window.num_rows, 17.123))

    verdict = judged(seasonal(90), window)

    assert statuses(verdict)["x4"] == "drifted"
    assert {finding.kind for finding in verdict.drifted()[0].certain} >= {"stuck"}


def steady(n_days: int, seed: int, shift: float = 0.0, n_moved: int = 0) -> pa.Table:
    table = seasonal(n_days, seed)
    draw = np.random.default_rng(seed)
    return changed(
        table,
        **{
            f"x{i}": draw.normal(shift if i < n_moved else 0, 1, table.num_rows).astype(float)
            for i in range(6)
        },
        place=np.array(["hill", "valley"])[draw.integers(0, 2, table.num_rows)],
    )


def test_steady_columns_lose_nothing():
    verdict = judged(steady(180, 1), steady(30, 2, 0.6, 1))

    assert statuses(verdict) == {name: "drifted" if name == "x0" else "stable" for name in NAMES}


@pytest.mark.parametrize(("n_moved", "status"), [(2, "drifted"), (4, "cannot be judged")])
def test_many_steady_columns_that_move_at_once_may_be_a_season(n_moved, status):
    verdict = judged(steady(60, 1), steady(30, 2, 0.8, n_moved))

    assert {statuses(verdict)[f"x{i}"] for i in range(n_moved)} == {status}
    if status == "cannot be judged":
        assert verdict.columns[0].reason.endswith("and 4 columns moved at once")


def test_a_season_loses_no_values_so_that_a_silent_sensor_is_named_beside_what_moved():
    window = steady(30, 2, 0.8, 2)
    silent = pa.nulls(window.num_rows, pa.float64())
    place = window.schema.get_field_index("x5")

    verdict = judged(steady(60, 1), window.set_column(place, "x5", silent))

    assert {statuses(verdict)[name] for name in ("x0", "x1", "x5")} == {"drifted"}


def test_where_most_columns_move_with_a_season_never_seen_none_is_called_drifted_for_where_it_stands():
    before, window = seasonal(90), seasonal(30, first_day=120)
    calm = changed(before, x5=np.random.default_rng(1).normal(0, 1, before.num_rows))
    moved = changed(window, x5=np.random.default_rng(2).normal(2, 1, window.num_rows))

    verdict = judged(calm, moved)

    assert statuses(verdict)["x5"] == "cannot be judged"
    reason = next(column.reason for column in verdict.columns if column.column == "x5")
    assert reason.endswith("and 6 of 7 columns move by themselves")


@pytest.mark.parametrize(
    ("importances", "status"),
    [
        ({"x0": 1.0}, "stable"),
        ({"x0": 0.8, "x1": 0.2}, "stable"),
        ({"x0": 0.7, "x1": 0.3}, "cannot be judged"),
    ],
)
def test_a_window_is_as_mute_as_what_the_model_relies_on(importances, status):
    before = changed(steady(90, 1), x1=numbers(seasonal(90), "x1"))
    window = changed(steady(30, 2), x1=numbers(seasonal(30, first_day=120), "x1"))

    verdict = judged(before, window, importances=importances)

    assert statuses(verdict) == {name: "cannot be judged" if name == "x1" else "stable" for name in NAMES}
    assert verdict.status == status


def test_rows_that_are_counted_have_no_season_that_moves_many_at_once():
    verdict = judged(steady(60, 1), steady(30, 2, 0.8, 4), has_calendar=False)

    assert {statuses(verdict)[f"x{i}"] for i in range(4)} == {"drifted"}


def test_ignored_columns_and_textbook_rules_stay_what_they_are():
    spec = replace_features(x0=FeatureDriftSpec(ignore=True), x1=FeatureDriftSpec(method="documented"))
    window = changed(JULY, x0=numbers(JULY, "x0") * 1000)

    verdict = judged(YEAR, window, spec)

    assert statuses(verdict)["x0"] == "ignored"
    textbook = next(column for column in verdict.columns if column.column == "x1")
    assert {finding.kind for finding in textbook.findings} <= {"distribution", "missing values"}
    assert verdict.drifted() == tuple(c for c in verdict.drifted() if c.column == "x1")


def replace_features(**features: FeatureDriftSpec) -> DriftSpec:
    return SPEC.model_copy(update={"features": features})


def test_a_label_whose_reference_differs_too_much_is_not_called_stable():
    year = YEAR
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("before", year.rename_columns(["label", *year.column_names[1:]]))
        connection.register("now", JULY.rename_columns(["label", *JULY.column_names[1:]]))
        sketch = sketch_reference(connection, "before", ["label"], part_column="part")
        relations = relate_reference(connection, "before", sketch, [], time_column="instant", part_column="part")  # fmt: skip
        counts = sketch_window(connection, "now", bins_of(sketch))
        alone = decide_drift(sketch, counts, n_current=JULY.num_rows, importances={}, spec=SPEC)
        window = relate_window(connection, "now", relations, time_column="instant")
        verdict = judge_season(alone, sketch, counts, window, SPEC)
    assert alone.columns[0].status == "stable"
    assert verdict.columns[0].status == "cannot be judged"
    assert verdict.columns[0].reason.startswith("the reference's partitions differ by 0.")


def test_an_empty_window_is_no_error():
    verdict = judged(YEAR, JULY.slice(0, 0))

    assert verdict.status == "insufficient data"


@settings(max_examples=4, deadline=None)
@given(
    factor=st.sampled_from([0.001, 0.4536, 25.4, -1.0]),
    shift=st.sampled_from([-273.15, 0.0, 32.0]),
    order=st.permutations(NAMES),
)
def test_units_and_the_order_of_columns_change_no_status(factor, shift, order):
    year, july = seasonal(360, rows_per_day=8), seasonal(30, first_day=365 + 180, rows_per_day=8)
    plain = judged(year, july)

    def converted(table: pa.Table) -> pa.Table:
        return changed(table, x3=numbers(table, "x3") * factor + shift)

    verdict = judged(converted(year), converted(july), names=list(order))

    assert statuses(verdict) == statuses(plain)
    shifts = {column.column: column.unseen_shift for column in verdict.columns}
    for column in plain.columns:
        assert shifts[column.column] == pytest.approx(column.unseen_shift, rel=0.05)
