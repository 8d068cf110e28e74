"""Steps beside those of scikit-learn, which is the oracle wherever it has the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.feature_selection import SelectKBest, VarianceThreshold, mutual_info_classif
from sklearn.impute import KNNImputer
from sklearn.preprocessing import RobustScaler, StandardScaler, TargetEncoder

from learning.preprocess import steps
from learning.preprocess.steps import (
    ClippedNumbers,
    IsolationScore,
    KeptColumns,
    MeanLabels,
    NearestFilling,
    QuartileScaler,
)

DRAW = np.random.default_rng(0)
NUMBERS = np.where(DRAW.random((200, 4)) < 0.2, np.nan, DRAW.normal(3.0, 2.0, (200, 4)))
CODES = DRAW.integers(0, 5, (300, 2)).astype(np.float64)
LABELS = (DRAW.random(300) < 0.2 + 0.1 * CODES[:, 0]).astype(np.int64)


def test_quartile_limits_are_tukeys_fences() -> None:
    # By hand: quartiles of 1 … 9 and 100 are 3.25 and 7.75, so that the fences are 3.25 - 6.75 and 7.75 + 6.75.
    column = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100]]).T
    clipped = ClippedNumbers("iqr", 1.5).fit(column).transform(np.array([[100.0], [-50.0], [5.0], [np.nan]]))
    np.testing.assert_allclose(clipped[:, 0], [14.5, -3.5, 5.0, np.nan])


def test_z_score_limits_are_standard_deviations_from_the_mean() -> None:
    table = pd.DataFrame(NUMBERS)
    fitted = ClippedNumbers("z_score", 2.0).fit(NUMBERS)
    np.testing.assert_allclose(fitted.upper_, table.mean() + 2 * table.std(ddof=0))
    np.testing.assert_allclose(fitted.lower_, table.mean() - 2 * table.std(ddof=0))


@pytest.mark.parametrize("method", ["iqr", "z_score"])
def test_a_column_without_spread_or_values_is_not_clipped(method: str) -> None:
    columns = np.column_stack([np.full(20, 7.0), np.full(20, np.nan)])
    fitted = ClippedNumbers(method, 1.5).fit(columns)
    np.testing.assert_array_equal(fitted.transform(np.array([[900.0, -900.0]])), [[900.0, -900.0]])


def test_nearest_filling_is_scikit_learns_on_standardized_columns() -> None:
    scale = StandardScaler().fit(NUMBERS)
    expected = scale.inverse_transform(KNNImputer(n_neighbors=5).fit_transform(scale.transform(NUMBERS)))
    np.testing.assert_allclose(NearestFilling(0).fit(NUMBERS).transform(NUMBERS), expected)


def test_nearest_filling_keeps_no_more_rows_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MAX_DONOR_ROWS", 50)
    fitted = NearestFilling(0).fit(NUMBERS)
    assert fitted.imputer_._fit_X.shape == (50, 4)
    assert not np.isnan(fitted.transform(NUMBERS)).any()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous"])
def test_mean_labels_of_new_rows_are_scikit_learns_target_encoding(kind: str) -> None:
    values = {"binary": LABELS, "multiclass": (CODES[:, 1] + LABELS) % 3, "continuous": LABELS + CODES[:, 1]}
    labels = values[kind].astype(np.int64 if kind != "continuous" else np.float64)
    oracle = TargetEncoder(target_type=kind, smooth="auto").fit(CODES, labels)
    ours = MeanLabels((5, 5), 3 if kind == "multiclass" else 0, 0).fit(CODES, labels)
    np.testing.assert_allclose(ours.transform(CODES), oracle.transform(CODES))


def test_a_rows_own_label_is_not_in_its_feature() -> None:
    # A category for each row: its mean label would be the label itself, and says nothing of other rows.
    codes = np.arange(100.0)[:, None]
    labels = np.arange(100) % 2
    learned = MeanLabels((100,), 0, 0).fit_transform(codes, labels)[:, 0]
    assert abs(np.corrcoef(learned, labels)[0, 1]) < 0.3
    for fold in np.unique(learned):
        # Each fold says the mean of all the others' labels.
        assert 0.4 < fold < 0.6


def test_unseen_and_missing_categories_have_the_mean_of_all() -> None:
    fitted = MeanLabels((7, 7), 0, 0).fit(CODES, LABELS)
    scored = fitted.transform(np.array([[6.0, np.nan]]))
    np.testing.assert_allclose(scored, LABELS.mean())


def test_the_isolation_score_is_scikit_learns() -> None:
    matrix = np.nan_to_num(NUMBERS)
    oracle = IsolationForest(random_state=3).fit(matrix)
    ours = IsolationScore(3).fit(matrix).transform(matrix)
    np.testing.assert_allclose(ours[:, 0], -oracle.score_samples(matrix))


def test_quartile_scale_is_scikit_learns_but_where_the_middle_half_is_one_value() -> None:
    mostly_zero = np.concatenate([np.zeros(90), np.full(10, 1e6)])
    matrix = np.column_stack([np.arange(100.0), mostly_zero])
    ours = QuartileScaler().fit(matrix)
    np.testing.assert_allclose(ours.transform(matrix)[:, 0], RobustScaler().fit_transform(matrix)[:, 0])
    assert ours.scale_[1] == pytest.approx(mostly_zero.std())


def test_selection_by_variance_is_scikit_learns() -> None:
    matrix = np.column_stack([np.full(50, 3.3), np.arange(50.0), np.arange(50.0) / 100])
    oracle = VarianceThreshold(0.05).fit(matrix)
    ours = KeptColumns("min_variance", 0.05, (False,) * 3, False, 0).fit(matrix, np.arange(50) % 2)
    np.testing.assert_array_equal(ours.is_kept_, oracle.get_support())


def test_selection_by_mutual_information_is_scikit_learns() -> None:
    matrix = DRAW.normal(size=(200, 6))
    labels = (matrix[:, 4] + matrix[:, 1] > 0).astype(np.int64)
    oracle = SelectKBest(lambda matrix, labels: mutual_info_classif(matrix, labels, random_state=0), k=2).fit(
        matrix, labels
    )
    ours = KeptColumns("mutual_information", 2, (False,) * 6, False, 0).fit(matrix, labels)
    np.testing.assert_array_equal(ours.is_kept_, oracle.get_support())
    assert ours.is_kept_.tolist() == [False, True, False, False, True, False]


def test_selection_by_a_model_keeps_what_decides() -> None:
    matrix = DRAW.normal(size=(300, 6))
    labels = (matrix[:, 2] > 0).astype(np.int64)
    assert (
        KeptColumns("model", 1, (False,) * 6, False, 0).fit(matrix, labels).is_kept_.tolist().index(True) == 2
    )
