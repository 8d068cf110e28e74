"""Windows of 500 rows: what is certain, what is likely, what several windows show, and what stays calm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from declaration.drift import DriftSpec
from declaration.types import Sensitivity
from drift.columns.verdict import (
    ColumnVerdict,
    DriftVerdict,
    Status,
    decide_drift,
    moved_share,
)
from drift.sketch.bins import CategoricalBins, NumericBins, numeric_cuts
from drift.sketch.counts import (
    CategoricalCounts,
    ColumnReference,
    Counts,
    NumericCounts,
    ReferenceSketch,
    WindowSketch,
    merge_all,
)

N_REFERENCE, N_ROWS = 20_000, 500
CATEGORIES, SHARES = np.array(list("abcde")), np.array([0.4, 0.25, 0.2, 0.1, 0.05])
MOVED = np.array([0.25, 0.4, 0.2, 0.1, 0.05])
Columns = dict[str, np.ndarray]
LOUDNESS: Sequence[Status] = ("stable", "likely", "drifted")


def drawn(draw: np.random.Generator, n: int = N_ROWS) -> Columns:
    """Draw twelve columns."""
    columns: Columns = {f"normal_{i}": draw.normal(size=n) for i in range(7)}
    columns |= {f"skewed_{i}": draw.lognormal(size=n) for i in range(2)}
    return columns | {f"category_{i}": draw.choice(CATEGORIES, n, p=SHARES) for i in range(3)}


def counted(bins: NumericBins | CategoricalBins, values: np.ndarray) -> Counts:
    """Count as a scan does; DuckDB would take most of these tests' time."""
    if isinstance(bins, CategoricalBins):
        found = Counter(values.tolist())
        news = tuple((name, n) for name, n in found.items() if name not in bins.categories)
        listed = tuple(found[name] for name in bins.categories)
        return CategoricalCounts(listed, len(values), 0, sum(n for _, n in news), news)
    present = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(bins.cuts, present), minlength=len(bins.cuts) + 1)
    return NumericCounts(
        tuple(counts.tolist()), len(values), n_null=len(values) - len(present), offset=float(present.mean()),
        squared_deviations=float(present.var() * len(present)), minimum=present.min(), maximum=present.max(),
    )  # fmt: skip


def sketched(columns: Columns, n_parts: int) -> ReferenceSketch:
    """Sketch a reference in parts of neighbouring rows."""
    made = {}
    for name, values in columns.items():
        if values.dtype.kind == "f":
            levels = np.linspace(0, 1, 241)
            bins: NumericBins | CategoricalBins = NumericBins(
                numeric_cuts(np.quantile(values, levels, method="inverted_cdf").tolist())
            )
        else:
            bins = CategoricalBins(tuple(CATEGORIES.tolist()), len(CATEGORIES), 0)
        parts = {str(i): counted(bins, part) for i, part in enumerate(np.array_split(values, n_parts))}
        made[name] = ColumnReference(bins, merge_all(list(parts.values())), parts)
    return made


def window(reference: ReferenceSketch, columns: Columns) -> WindowSketch:
    return {name: counted(reference[name].bins, values) for name, values in columns.items()}


def judge(
    reference: ReferenceSketch,
    current: WindowSketch,
    earlier: Sequence[WindowSketch] = (),
    n_rows: int = N_ROWS,
    **blocks: object,
) -> DriftVerdict:
    spec = DriftSpec.model_validate(blocks)
    return decide_drift(reference, current, n_current=n_rows, importances={}, spec=spec, earlier=earlier)


def column(verdict: DriftVerdict, name: str) -> ColumnVerdict:
    return next(one for one in verdict.columns if one.column == name)


@pytest.fixture(scope="module")
def reference() -> ReferenceSketch:
    """Return 20,000 steady rows in forty partitions."""
    return sketched(drawn(np.random.default_rng(0), N_REFERENCE), 40)


def two_peaks(values: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return 0.95 * draw.choice([-1.0, 1.0], len(values)) + 0.31 * values


PLANTED: dict[str, tuple[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "mean + 0.5 sd": ("normal_0", lambda x, _: x + 0.5),
    "scale × 1.5": ("normal_0", lambda x, _: x * 1.5),
    "bimodal": ("normal_0", two_peaks),
    "log-normal × 1.5": ("skewed_0", lambda x, _: x * 1.5),
    "nulls + 15 points": ("normal_0", lambda x, draw: np.where(draw.random(len(x)) < 0.15, np.nan, x)),
    "category ± 15 points": (
        "category_0",
        lambda _, draw: draw.choice(CATEGORIES, N_ROWS, p=MOVED),
    ),
    "new category of 3 %": ("category_0", lambda x, draw: np.where(draw.random(len(x)) < 0.03, "new", x)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_one_window_of_500_rows_shows_it_and_four_make_it_certain(
    reference: ReferenceSketch, name: str
) -> None:
    planted, change = PLANTED[name]
    draw, first, fourth = np.random.default_rng(3), [], []
    for _ in range(5):
        windows = []
        for _ in range(4):
            columns = drawn(draw)
            columns[planted] = change(columns[planted], draw)
            windows.append(window(reference, columns))
        verdicts = [judge(reference, windows[0]), judge(reference, windows[3], windows[:3])]
        first.append(column(verdicts[0], planted).status)
        fourth.append(column(verdicts[1], planted).status)
        for verdict in verdicts:
            assert {c.column for c in verdict.columns if c.status != "stable"} <= {planted}
    assert set(first) <= {"likely", "drifted"}
    assert fourth.count("drifted") >= 4


def test_a_quarter_of_a_standard_deviation_is_likely_in_most_windows(reference: ReferenceSketch) -> None:
    draw, found = np.random.default_rng(4), []
    for _ in range(20):
        columns = drawn(draw)
        columns["normal_0"] += 0.25
        found.append(column(judge(reference, window(reference, columns)), "normal_0").status)
    assert sum(status != "stable" for status in found) >= 12


def test_windows_without_drift_are_stable_also_together(reference: ReferenceSketch) -> None:
    draw = np.random.default_rng(5)
    windows = [window(reference, drawn(draw)) for _ in range(30)]
    for place, now in enumerate(windows):
        assert judge(reference, now, windows[:place]).status == "stable"


def test_a_slow_drift_is_found() -> None:
    draw = np.random.default_rng(6)
    reference = sketched({"one": draw.normal(size=N_REFERENCE)}, 40)
    # A hundredth of a standard deviation a window: at most 0.6 after sixty.
    windows = [window(reference, {"one": draw.normal(0.01 * i, 1, N_ROWS)}) for i in range(1, 61)]
    found = [judge(reference, now, windows[:place]).status for place, now in enumerate(windows)]
    assert "drifted" not in found[:24]
    assert "drifted" in found[24:45]
    assert set(found[50:]) == {"drifted"}


@pytest.mark.parametrize("correlation", [0.7, 0.95])
def test_neighbours_that_resemble_each_other_are_no_drift(correlation: float) -> None:
    draw, n_windows = np.random.default_rng(7), 24
    steps = draw.normal(size=(N_REFERENCE + n_windows * N_ROWS, 6)) * np.sqrt(1 - correlation**2)
    rows = lfilter([1], [1, -correlation], steps, axis=0)
    reference = sketched({str(i): rows[:N_REFERENCE, i] for i in range(6)}, 40)
    cut = np.split(rows[N_REFERENCE:], n_windows)
    windows = [window(reference, {str(i): part[:, i] for i in range(6)}) for part in cut]
    found = Counter(judge(reference, now, windows[:i]).status for i, now in enumerate(windows))
    assert found["drifted"] == 0
    assert found["likely"] <= 1


def test_a_drift_that_has_ended_is_not_told_on(reference: ReferenceSketch) -> None:
    draw = np.random.default_rng(8)
    broken = []
    for _ in range(2):
        columns = drawn(draw)
        columns["normal_0"] += 2
        broken.append(window(reference, columns))
    repaired = [window(reference, drawn(draw)) for _ in range(3)]
    assert column(judge(reference, broken[1], broken[:1]), "normal_0").status == "drifted"
    for place, now in enumerate(repaired):
        found = column(judge(reference, now, [*broken, *repaired[:place]]), "normal_0")
        assert (found.status, found.strength < 1) == ("stable", True)


def test_what_only_several_windows_show_says_so(reference: ReferenceSketch) -> None:
    draw = np.random.default_rng(9)
    columns = [drawn(draw) for _ in range(8)]
    for one in columns:
        one["normal_0"] += 0.32
    windows = [window(reference, one) for one in columns]
    verdict = judge(reference, windows[-1], windows[:-1])
    found = column(verdict, "normal_0")
    assert (found.status, found.certain[0].n_windows, verdict.n_windows, verdict.n_together) == (
        "drifted",
        8,
        8,
        4_000,
    )
    alone, together = (judge(reference, windows[-1], before).detectable for before in ((), windows[:-1]))
    assert alone is not None
    assert together is not None
    assert together < alone


def test_small_windows_are_judged_together_and_one_on_other_edges_ends_them(
    reference: ReferenceSketch,
) -> None:
    draw = np.random.default_rng(10)
    small = [window(reference, drawn(draw, 130)) for _ in range(4)]
    assert judge(reference, small[0], n_rows=130).status == "insufficient data"
    assert judge(reference, small[3], small[:3], n_rows=130).status == "stable"
    assert judge(reference, small[3], [*small[:2], {}], n_rows=130).status == "insufficient data"
    empty = window(reference, {name: values[:1] for name, values in drawn(draw).items()})
    nothing = {name: type(counts)((0,) * len(counts.counts), 0) for name, counts in empty.items()}
    assert judge(reference, nothing, small, n_rows=0).status == "insufficient data"


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["low", "medium", "high"]))
def test_the_further_a_column_moved_the_louder_its_status(seed: int, sensitivity: Sensitivity) -> None:
    draw = np.random.default_rng(seed)
    before, now = draw.normal(size=4_000), draw.normal(size=N_ROWS)
    reference = sketched({"one": before}, 1)
    found = [
        LOUDNESS.index(
            judge(reference, window(reference, {"one": now + shift}), sensitivity=sensitivity).status
        )
        for shift in (0.4, 0.8, 1.6, 3.2)
    ]
    assert found == sorted(found)
    assert found[-1] == 2


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_holm_never_finds_less_than_bonferroni(shifts: list[float], seed: int) -> None:
    draw = np.random.default_rng(seed)
    reference = sketched({str(i): draw.normal(size=4_000) for i in range(len(shifts))}, 1)
    now = window(reference, {str(i): draw.normal(shift, 1, N_ROWS) for i, shift in enumerate(shifts)})
    together = judge(reference, now)
    for i in range(len(shifts)):
        # Bonferroni: each by itself at its part of the level.
        alone = judge({str(i): reference[str(i)]}, {str(i): now[str(i)]}, alpha=0.05 / len(shifts))
        if alone.status == "drifted":
            assert column(together, str(i)).status == "drifted"


def test_the_share_that_moved_counts_likely_features_whole() -> None:
    draw = np.random.default_rng(11)
    reference = sketched({"a": draw.normal(size=N_REFERENCE), "b": draw.normal(size=N_REFERENCE)}, 40)
    verdict = judge(
        reference, window(reference, {"a": draw.normal(0.32, 1, N_ROWS), "b": draw.normal(size=N_ROWS)})
    )
    assert column(verdict, "a").status == "likely"
    assert verdict.drift_score is not None
    assert verdict.drift_score < 0.5
    assert moved_share(verdict) == pytest.approx(0.5, abs=0.05)
