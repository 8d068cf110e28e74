"""A column that knows the answer is found, whatever its type; chance and honest columns are not."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import r2_score, roc_auc_score

from learning.leaks import outstanding, suspicious
from learning.single_column import MAX_ROWS, roc_auc, strengths

N = 20_000


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60))
@settings(max_examples=50, deadline=None)
def test_the_auc_is_scikit_learns(rows: list[tuple[bool, int]]) -> None:
    truth = np.array([label for label, _ in rows], dtype=np.float64)
    scores = np.array([score for _, score in rows], dtype=np.float64)
    expected = roc_auc_score(truth, scores) if 0 < truth.sum() < truth.size else 0.5
    assert roc_auc(truth, scores) == pytest.approx(expected)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_number_that_orders_the_labels_has_scikit_learns_auc(direction: int) -> None:
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, 400)
    score = direction * (label + generator.normal(size=400))
    found = strengths(pa.table({"score": score}), pa.array(label), "binary")["score"]
    auc = roc_auc_score(label, score)
    assert found.value == pytest.approx(max(auc, 1 - auc), abs=1e-12)


def test_a_step_in_the_middle_is_seen_where_an_order_is_not() -> None:
    values = np.random.default_rng(2).uniform(size=N)
    label = (np.abs(values - 0.5) < 0.2).astype(np.int8)
    assert abs(roc_auc_score(label, values) - 0.5) < 0.05
    assert strengths(pa.table({"values": values}), pa.array(label), "binary")["values"].value > 0.99


def test_the_leak_of_a_rare_class_is_seen() -> None:
    """One row in a hundred has an amount: quantiles of the column are all 0."""
    generator = np.random.default_rng(3)
    label = (generator.uniform(size=N) < 0.01).astype(np.int8)
    refunded = np.where(label == 1, generator.uniform(5, 500, N), 0.0)
    code = np.where(label == 1, 2, np.where(generator.uniform(size=N) < 0.01, generator.integers(3, 5, N), 0))
    found = suspicious(pa.table({"refunded": refunded, "code": code}), pa.array(label), "binary")
    assert {one.column for one in found} == {"refunded", "code"}
    assert all(one.value == 1 for one in found)
    refund = next(one for one in found if one.column == "refunded")
    assert refund.evidence.startswith("AUC 1.000 alone, on 20,000 rows: label 0 has 0; label 1 has ")


def test_naming_the_most_frequent_class_is_no_skill() -> None:
    generator = np.random.default_rng(4)
    label = pa.array(generator.choice(["ok", "warm", "hot"], p=[0.994, 0.003, 0.003], size=N))
    rows = pa.table({"noise": generator.normal(size=N), "state": label})
    assert strengths(rows, label, "multiclass")["noise"].value == pytest.approx(0.994, abs=0.002)
    assert [one.column for one in suspicious(rows, label, "multiclass")] == ["state"]


def test_a_column_that_is_missing_for_one_answer_is_named_even_where_some_rows_differ() -> None:
    generator = np.random.default_rng(5)
    label = generator.integers(0, 2, 1_309)
    is_there = np.where(
        label == 1, generator.uniform(size=1_309) < 0.97, generator.uniform(size=1_309) < 0.02
    )
    notes = pa.array([f"seen at {i}" if there else None for i, there in enumerate(is_there)])
    found = suspicious(pa.table({"note": notes}), pa.array(label), "binary")
    assert [one.column for one in found] == ["note"]
    assert 0.95 < found[0].value < 0.99
    assert "whether it is missing tells it, on 1,309 rows: missing: label 0 in" in found[0].evidence


def test_values_lost_by_chance_are_no_leak() -> None:
    generator = np.random.default_rng(6)
    values = np.where(generator.uniform(size=N) < 0.4, np.nan, generator.normal(size=N))
    label = pa.array(generator.integers(0, 2, N))
    found = strengths(pa.table({"values": values}), label, "binary")["values"]
    assert found.missing_value < 0.52
    assert not suspicious(pa.table({"values": values}), label, "binary")


@pytest.mark.parametrize("copied", [lambda label: label, lambda label: -2 * label + 5, np.sqrt, np.log1p])
def test_a_copy_of_a_heavy_tailed_number_is_a_leak(copied) -> None:  # type: ignore[no-untyped-def]
    label = np.random.default_rng(7).pareto(1.2, N)
    found = suspicious(pa.table({"copy": copied(label)}), pa.array(label), "regression")
    assert [one.measure for one in found] == ["r2"]
    assert found[0].evidence.startswith("R² 1.000 alone, on 20,000 rows: label ")


def test_the_explained_variance_is_scikit_learns_of_values_or_ranks() -> None:
    generator = np.random.default_rng(8)
    groups = generator.integers(0, 8, N)
    label = groups + generator.normal(size=N)
    best = 0.0
    for truth in (label, rankdata(label)):
        means = np.array([truth[groups == group].mean() for group in range(8)])
        best = max(best, r2_score(truth, means[groups]))
    found = strengths(pa.table({"group": groups}), pa.array(label), "regression")["group"]
    assert best - 0.01 < found.value <= best


def test_no_column_of_well_known_tables_is_suspected() -> None:
    tumours = load_breast_cancer(as_frame=True)
    columns, label = pa.table(tumours.data), pa.array(tumours.target)
    assert not suspicious(columns, label, "binary")
    iris = load_iris(as_frame=True)
    assert not suspicious(pa.table(iris.data), pa.array(iris.target).cast(pa.string()), "multiclass")


def test_the_column_that_stands_out_is_named_and_that_of_equals_is_not() -> None:
    generator = np.random.default_rng(9)
    label = generator.integers(0, 2, N)
    noise = {f"noise_{i}": generator.normal(size=N) for i in range(3)}
    strong = label * 2.6 + generator.normal(size=N)
    alone = strengths(pa.table({**noise, "strong": strong}), pa.array(label), "binary")
    assert 0.95 < alone["strong"].value < 0.99
    assert outstanding(alone) == "strong"
    twins = {**noise, "strong": strong, "twin": label * 2.6 + generator.normal(size=N)}
    assert outstanding(strengths(pa.table(twins), pa.array(label), "binary")) is None


def test_every_type_is_looked_at() -> None:
    label = np.arange(400) % 2
    times = pa.array(label * 86_400_000_000, pa.timestamp("us", tz="UTC"))
    nested = pa.array([[1, 2] if one else None for one in label])
    raw = pa.array([b"\xff" if one else None for one in label])
    rows = pa.table(
        {
            "truth": pa.array(label == 1),
            "whole": label,
            "decimal": pa.array(label).cast(pa.decimal128(38, 2)),
            "infinite": np.where(label == 1, np.inf, -np.inf),
            "text": [f"<{one}>" for one in label],
            "dictionary": pa.array([f"<{one}>" for one in label]).dictionary_encode(),
            "time": times,
            "day": times.cast(pa.date32()),
            "clock": pa.array(label, pa.time64("us")),
            "nested": nested,
            "bytes": raw,
            "empty": pa.nulls(400),
            "constant": ["x"] * 400,
        }
    )
    for problem, answer in (
        ("binary", pa.array(label, pa.int8())),
        ("multiclass", pa.array([f"c{one}" for one in label])),
        ("regression", pa.array(label * 7.0)),
    ):
        found = {one.column for one in suspicious(rows, answer, problem)}  # type: ignore[arg-type]
        assert found == set(rows.column_names) - {"empty", "constant"}, problem


def test_too_few_labels_prove_nothing() -> None:
    label = np.arange(400) % 2
    rows = pa.table({"copy": label})
    assert not strengths(rows.slice(0, 99), pa.array(label[:99]), "binary")
    assert not strengths(rows, pa.array([0] * 400), "binary")
    assert not strengths(rows, pa.nulls(400, pa.int8()), "binary")
    # Three rows of 300 are ordered first by chance too often.
    assert not strengths(
        pa.table({"order": np.arange(300)}), pa.array((np.arange(300) < 3).astype(np.int8)), "binary"
    )
    assert not strengths(rows, pa.array([1.0] * 400), "regression")


def test_labels_that_are_not_known_are_left_out_and_many_are_thinned() -> None:
    label = pa.array([None if i % 3 == 0 else float("nan") if i % 3 == 1 else float(i) for i in range(900)])
    found = strengths(pa.table({"order": np.arange(900)}), label, "regression")["order"]
    assert found.n_rows == 300
    assert found.value > 0.99
    many = MAX_ROWS + 10_000
    answer = np.arange(many) % 2
    assert strengths(pa.table({"copy": answer}), pa.array(answer), "binary")["copy"].n_rows == MAX_ROWS


@given(seed=st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_noise_is_never_suspected(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = pa.table(
        {
            "number": generator.normal(size=300),
            "few": generator.integers(0, 5, 300),
            "text": [f"t{i}" for i in generator.integers(0, 200, 300)],
            "holes": np.where(generator.uniform(size=300) < 0.5, np.nan, 1.0),
        }
    )
    assert not suspicious(rows, pa.array(generator.integers(0, 2, 300)), "binary")
    assert not suspicious(rows, pa.array([f"c{i}" for i in generator.integers(0, 3, 300)]), "multiclass")
    assert not suspicious(rows, pa.array(generator.normal(size=300)), "regression")


@pytest.mark.parametrize("seed", range(4))
def test_the_strength_of_a_category_is_the_auc_of_its_means(seed: int) -> None:
    """Out of fold it cannot exceed scikit-learn's AUC of the means over all rows, and comes close to it."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, 12, 20_000)
    label = (generator.uniform(size=groups.size) < groups / 12).astype(np.int8)
    found = strengths(pa.table({"group": [f"g{i}" for i in groups]}), pa.array(label), "binary")["group"]
    means = np.array([label[groups == i].mean() for i in range(12)])
    best = roc_auc_score(label, means[groups])
    assert best - 0.01 < found.value <= best


def test_chance_is_no_leak() -> None:
    generator = np.random.default_rng(1)
    n = 5_000
    rows = pa.table(
        {
            "noise": generator.normal(size=n),
            "id": [f"{i}" for i in range(n)],
            "few": generator.integers(0, 3, n),
        }
    )
    assert not suspicious(rows, pa.array(generator.integers(0, 2, n)), "binary")
    assert not suspicious(rows, pa.array(generator.normal(size=n)), "regression")
    labels = pa.array([f"c{i}" for i in generator.integers(0, 4, n)])
    assert not suspicious(rows, labels, "multiclass")
    named = rows.append_column("named", labels)
    assert [found.column for found in suspicious(named, labels, "multiclass")] == ["named"]
    cost = pa.array(np.arange(n) * 2.0)
    assert [found.measure for found in suspicious(pa.table({"cost": cost}), cost, "regression")] == ["r2"]
