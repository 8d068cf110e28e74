"""Planted drift is found, and only planted drift."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from declaration.drift import DriftSpec
from declaration.types import Sensitivity
from drift.columns.findings import Finding
from drift.columns.statistics import ColumnStatistics
from drift.columns.verdict import (
    ColumnVerdict,
    DriftVerdict,
    Role,
    Status,
    decide_drift,
    drift_score,
    window_status,
)
from drift.sketch.counts import ReferenceSketch
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

Columns = dict[str, np.ndarray]
N_CURRENT = 5_000
PARTS = 6


def draw_columns(draw: np.random.Generator, n: int) -> Columns:
    """Draw ten steady columns: numbers of several shapes, and categories."""
    columns: Columns = {f"normal_{i}": draw.normal(size=n) for i in range(4)}
    columns |= {f"skewed_{i}": draw.exponential(size=n) for i in range(3)}
    for i, k in enumerate((3, 20, 200)):
        share = np.random.default_rng(i).dirichlet(np.full(k, 2.0))
        columns[f"category_{i}"] = np.array([f"c{j}" for j in range(k)])[draw.choice(k, n, p=share)]
    return columns


def reference_of(columns: Columns) -> ReferenceSketch:
    """Sketch a reference of six equal partitions."""
    n = len(columns["normal_0"])
    with duckdb.connect() as connection:
        table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
        connection.register(
            "t", table.append_column("part", pa.array(np.repeat(np.arange(PARTS), n // PARTS)))
        )
        return sketch_reference(connection, "t", list(columns), part_column="part")


@pytest.fixture(scope="module")
def reference() -> ReferenceSketch:
    """Return 24,000 steady rows."""
    return reference_of(draw_columns(np.random.default_rng(0), 24_000))


def judge(
    reference: ReferenceSketch, columns: Columns, sensitivity: Sensitivity = "high", **blocks: object
) -> DriftVerdict:
    """Judge a window."""
    with duckdb.connect() as connection:
        connection.register("w", pa.table({k: pa.array(v, from_pandas=True) for k, v in columns.items()}))
        current = sketch_window(connection, "w", bins_of(reference))
    spec = DriftSpec.model_validate({"sensitivity": sensitivity, **blocks})
    n = len(columns["normal_0"])
    return decide_drift(
        reference, current, n_current=n, importances={"normal_0": 0.4, "normal_1": 0.6}, spec=spec
    )


def names(verdict: DriftVerdict) -> list[str]:
    """Return the drifted features."""
    return [column.column for column in verdict.drifted()]


def test_no_drift_gives_no_alarm_in_forty_windows(reference: ReferenceSketch) -> None:
    draw = np.random.default_rng(5)
    for _ in range(40):
        verdict = judge(reference, draw_columns(draw, N_CURRENT))
        assert verdict.status == "stable"
        assert verdict.drift_score == pytest.approx(0.0, abs=0.05)


def with_gaps(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Lose one value in twenty."""
    return np.where(draw.random(len(x)) < 0.05, np.nan, x)


def with_news(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Give one row in a hundred a new category."""
    return np.where(draw.random(len(x)) < 0.01, "new", x)


def reweighted(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Give one row in six the first category."""
    return np.where(draw.random(len(x)) < 1 / 6, "c0", x)


def two_peaks(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Keep mean and spread, and empty the middle."""
    return 0.95 * draw.choice([-1.0, 1.0], len(x)) + 0.31 * x


PLANTED: dict[str, tuple[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "mean by a quarter of a standard deviation": ("normal_0", lambda x, _: x + 0.25),
    "scale by half": ("normal_0", lambda x, _: x * 1.5),
    "two peaks, same mean": ("normal_0", two_peaks),
    "one value in twenty missing": ("normal_0", with_gaps),
    "a new category of one percent": ("category_1", with_news),
    "reweighted categories": ("category_1", reweighted),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_drift_is_found_and_nothing_else(reference: ReferenceSketch, name: str) -> None:
    column, change = PLANTED[name]
    draw = np.random.default_rng(9)
    for _ in range(10):
        columns = draw_columns(draw, N_CURRENT)
        columns[column] = change(columns[column], draw)
        assert names(judge(reference, columns)) == [column]


def test_months_that_always_differed_do_not_alarm_when_the_next_one_does() -> None:
    draw = np.random.default_rng(3)
    months = []
    for _ in range(PARTS):
        month = draw_columns(draw, 4_000)
        months.append({k: v + draw.normal(0, 0.3) if k.startswith("normal") else v for k, v in month.items()})
    unsteady = reference_of({k: np.concatenate([month[k] for month in months]) for k in months[0]})
    for _ in range(15):
        columns = draw_columns(draw, N_CURRENT)
        for i in range(4):
            columns[f"normal_{i}"] = columns[f"normal_{i}"] + draw.normal(0, 0.3)
        assert names(judge(unsteady, columns)) == []


def test_a_column_that_breaks_down_is_seen_however_unsteady_it_was() -> None:
    draw = np.random.default_rng(3)
    months = [draw_columns(draw, 4_000) for _ in range(PARTS)]
    for i, month in enumerate(months):
        month["normal_0"] = month["normal_0"] + i * 0.5
    unsteady = reference_of({k: np.concatenate([month[k] for month in months]) for k in months[0]})
    columns = draw_columns(draw, N_CURRENT)
    columns["normal_0"] = np.full(N_CURRENT, -999.0)
    assert names(judge(unsteady, columns)) == ["normal_0"]


def found(status: Status, role: Role = "feature", importance: float = 1.0) -> ColumnVerdict:
    """Return a verdict on a column that has a strength of 0.4."""
    finding = Finding("distribution", 0.12, 0.04, 0.1, None, 0.2, is_likely=status == "likely")
    return ColumnVerdict("one", role, status, importance, (finding,), ColumnStatistics(1, 1, 0.0, 0.0))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["stable", "likely", "drifted"], "drifted"),
        (["stable", "likely", "cannot be judged", "cannot be judged"], "likely"),
        (["stable", "cannot be judged", "cannot be judged"], "cannot be judged"),
        (["stable", "cannot be judged"], "stable"),
        (["cannot be judged", "insufficient data"], "stable"),
        (["cannot be judged", "ignored"], "cannot be judged"),
        (["insufficient data", "insufficient data"], "insufficient data"),
    ],
)
def test_a_window_is_as_loud_as_its_loudest_column(statuses: list[Status], expected: Status) -> None:
    assert window_status([found(status) for status in statuses], 500, DriftSpec()) == expected
    assert window_status([found(status) for status in statuses], 499, DriftSpec()) == "insufficient data"


def test_the_label_never_decides_the_windows_status() -> None:
    assert window_status([found("stable"), found("drifted", "label")], 500, DriftSpec()) == "stable"


def test_what_cannot_be_judged_is_no_part_of_the_drift_score() -> None:
    columns = [found("likely", importance=0.5), found("cannot be judged", importance=0.5)]
    assert drift_score(columns) == pytest.approx(0.4)
    assert drift_score(columns[1:]) is None


def test_a_likely_column_tells_its_likely_findings_and_a_drifted_one_its_certain_ones() -> None:
    likely = Finding("distribution", 0.12, 0.04, 0.1, None, 0.2, is_likely=True)
    certain = Finding("missing values", 0.12, 0.1, 0.05, None, 0.1)
    statistics = ColumnStatistics(1, 1, 0.0, 0.0)
    assert ColumnVerdict("one", "feature", "likely", 1.0, (likely,), statistics).told == (likely,)
    assert ColumnVerdict("one", "feature", "drifted", 1.0, (likely, certain), statistics).told == (certain,)


def test_sensitivity_is_the_least_effect_that_counts(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    # A shift of 0.5 standard deviations is a KS distance of 0.20: surely above 0.10, not above 0.20.
    columns["normal_0"] = columns["normal_0"] + 0.5
    found = {s: names(judge(reference, columns, s)) for s in ("low", "medium", "high")}
    assert found == {"low": [], "medium": ["normal_0"], "high": ["normal_0"]}


def test_the_drift_score_weighs_by_importance(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    columns["normal_0"] = columns["normal_0"] + 3
    columns["skewed_0"] = columns["skewed_0"] + 3
    assert judge(reference, columns).drift_score == pytest.approx(0.4)


def test_few_rows_are_insufficient_data_with_the_effect_they_could_show(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), 60)
    columns["normal_0"] = columns["normal_0"] + 5
    verdict = judge(reference, columns, "medium", min_rows=100)
    assert verdict.status == "insufficient data"
    assert verdict.drift_score is None
    assert names(verdict) == []
    assert verdict.detectable is not None
    assert 0.25 < verdict.detectable < 0.5


def test_the_strongest_and_most_important_come_first(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    for name in ("normal_0", "normal_1", "skewed_0"):
        columns[name] = columns[name] + 2
    assert names(judge(reference, columns)) == ["normal_1", "normal_0", "skewed_0"]


def test_exact_ks_is_asked_only_where_the_verdict_hangs_inside_the_bracket(
    reference: ReferenceSketch,
) -> None:
    asked: list[str] = []

    def exact(column: str) -> float:
        asked.append(column)
        return 1.0

    draw, spec = np.random.default_rng(1), DriftSpec(sensitivity="high")
    with duckdb.connect() as connection:
        for shift in np.linspace(0.1, 0.3, 41):
            columns = draw_columns(draw, N_CURRENT)
            columns["normal_0"] = columns["normal_0"] + shift
            connection.register("w", pa.table(columns))
            current = sketch_window(connection, "w", bins_of(reference))
            before = len(asked)
            verdict = decide_drift(
                reference, current, n_current=N_CURRENT, importances={}, spec=spec, exact_ks=exact
            )
            one = next(v for v in verdict.columns if v.column == "normal_0")
            if len(asked) > before:
                assert one.findings[0].effect == 1.0
            elif one.findings[0].measure == "distance":
                assert one.statistics.ks is not None
                assert one.findings[0].effect == one.statistics.ks.low
    assert 0 < asked.count("normal_0") < 15


def test_high_cardinality_does_not_make_every_window_full_of_news() -> None:
    draw = np.random.default_rng(2)
    columns = draw_columns(draw, 24_000)
    # Ids of a Zipf law: the reference holds thousands once, every window brings more.
    columns["category_2"] = np.array([f"id{i}" for i in draw.zipf(1.6, 24_000) % 100_000])
    reference = reference_of(columns)
    now = draw_columns(draw, N_CURRENT)
    now["category_2"] = np.array([f"id{i}" for i in draw.zipf(1.6, N_CURRENT) % 100_000])
    assert names(judge(reference, now)) == []


def test_a_column_of_nulls_on_both_sides_is_stable_and_filling_it_is_drift() -> None:
    draw = np.random.default_rng(2)
    columns = draw_columns(draw, 6_000)
    columns["skewed_0"] = np.full(6_000, np.nan)
    reference = reference_of(columns)
    now = draw_columns(draw, N_CURRENT)
    now["skewed_0"] = np.full(N_CURRENT, np.nan)
    assert names(judge(reference, now)) == []
    now["skewed_0"] = np.ones(N_CURRENT)
    assert names(judge(reference, now)) == ["skewed_0"]


def test_an_ignored_feature_is_shown_and_is_no_drift(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    for name in ("normal_0", "skewed_0"):
        columns[name] = columns[name] + 3
    verdict = judge(reference, columns, features={"normal_0": {"ignore": True}})
    assert names(verdict) == ["skewed_0"]
    ignored = next(one for one in verdict.columns if one.column == "normal_0")
    assert (ignored.status, ignored.findings, ignored.adjusted_p_value) == ("ignored", (), None)
    assert ignored.statistics.effect == pytest.approx(0.87, abs=0.02)
    # Importance: 0.6 on the steady normal_1; the score leaves normal_0 with its 0.4 out.
    assert verdict.drift_score == pytest.approx(0.0, abs=0.05)


def test_a_window_whose_features_are_all_ignored_is_insufficient_data(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    verdict = judge(reference, columns, features={name: {"ignore": True} for name in columns})
    assert (verdict.status, verdict.drift_score) == ("insufficient data", None)


def test_a_feature_has_a_sensitivity_of_its_own(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    # A KS distance of 0.20 for both: surely above 0.10, not above 0.20.
    for name in ("normal_0", "normal_1"):
        columns[name] = columns[name] + 0.5
    assert names(judge(reference, columns, "low", features={"normal_1": {"sensitivity": "medium"}})) == [
        "normal_1"
    ]


def test_the_documented_rule_is_the_textbooks_p_and_effect(reference: ReferenceSketch) -> None:
    draw = np.random.default_rng(4)
    columns = draw_columns(draw, N_CURRENT)
    columns["normal_0"] = columns["normal_0"] + 0.25
    columns["normal_1"] = columns["normal_1"] + 0.1
    columns["category_0"] = np.where(draw.random(N_CURRENT) < 0.3, "c0", columns["category_0"])
    verdict = judge(reference, columns, "high", method="documented")
    steady = draw_columns(np.random.default_rng(0), 24_000)
    p_values, effects = {}, {}
    for name in columns:
        before, now = steady[name], columns[name]
        if name.startswith("category"):
            kinds = np.unique(before)
            table = np.array([[(one == kind).sum() for kind in kinds] for one in (before, now)])
            oracle = stats.chi2_contingency(table)
            p_values[name] = oracle.pvalue
            effects[name] = stats.contingency.association(table, method="cramer")
        else:
            p_values[name] = stats.ks_2samp(before, now, method="asymp").pvalue
            degrees = len(before) + len(now) - 2
            spread = (before.var() * len(before) + now.var() * len(now)) / degrees
            effects[name] = abs(now.mean() - before.mean()) / np.sqrt(spread)
    adjusted = dict(zip(p_values, stats.false_discovery_control(list(p_values.values())), strict=True))
    gates = {name: 0.1 if name.startswith("category") else 0.2 for name in columns}
    expected = {name for name in columns if adjusted[name] <= 0.05 and effects[name] >= gates[name]}
    assert expected == {"normal_0", "category_0"}
    assert adjusted["normal_1"] < 0.05
    assert set(names(verdict)) == expected
    for one in verdict.columns:
        finding = one.findings[0]
        assert finding.method == "documented"
        assert finding.p_value is not None
        assert (finding.p_value <= 0.05) == (adjusted[one.column] <= 0.05)
        if one.column.startswith(("normal", "skewed")):
            assert finding.effect == pytest.approx(effects[one.column], rel=1e-6)
    # Of three categories; V of two hundred is biased upwards, and ours is corrected.
    v = next(one.findings[0].effect for one in verdict.columns if one.column == "category_0")
    assert v == pytest.approx(effects["category_0"], abs=0.005)


def test_the_documented_rule_is_blind_to_scale_and_the_default_is_not(reference: ReferenceSketch) -> None:
    columns = draw_columns(np.random.default_rng(1), N_CURRENT)
    columns["normal_0"] = columns["normal_0"] * 2
    columns["normal_1"] = columns["normal_1"] * 2
    assert names(judge(reference, columns, "medium", method="documented")) == []
    mixed = judge(reference, columns, "medium", features={"normal_1": {"method": "documented"}})
    assert names(mixed) == ["normal_0"]
    assert judge(reference, columns, "medium").status == "drifted"


def test_two_constants_that_differ_are_drift_by_the_documented_rule_too() -> None:
    columns = draw_columns(np.random.default_rng(1), 6_000)
    columns["normal_0"] = np.full(6_000, 1.0)
    reference = reference_of(columns)
    now = draw_columns(np.random.default_rng(2), N_CURRENT)
    now["normal_0"] = np.full(N_CURRENT, 1.0)
    assert names(judge(reference, now, "low", method="documented")) == []
    now["normal_0"] = np.full(N_CURRENT, 2.0)
    assert names(judge(reference, now, "low", method="documented")) == ["normal_0"]
