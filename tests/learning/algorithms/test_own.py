"""Estimators of one's own: learned with, stored safely or not at all, and loaded only where the ledger vouches for them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.preprocessing import StandardScaler

from declaration.model import CandidateSpec, ModelSpec
from declaration.target import ProblemType
from learning.algorithms.own import OwnEstimatorError, declared_fault, run_fault, source_of
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes, model_to_bytes
from learning.out_of_fold import fit
from learning.skops_file import ModelFileError
from learning.train import train_model
from learning.training_rows import TrainingError, read_training_set
from tests.fixtures.training_world import training_table

CLASSIFIER = '''
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Nearest(ClassifierMixin, BaseEstimator):
    """The class whose mean is nearest."""

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == one].mean(axis=0) for one in self.classes_])
        return self

    def predict_proba(self, X):
        weights = 1 / (1 + np.linalg.norm(X[:, None] - self.means_, axis=2) ** self.power)
        return weights / weights.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Silent(BaseEstimator):
    """Neither probabilities nor distances."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X[:, 0]
'''


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "estimators.py").write_text(CLASSIFIER, encoding="utf-8")
    return str(tmp_path)


def learned(
    use: str, problem: ProblemType = "binary", folder: str = "", **block: object
) -> tuple[FittedModel, pa.Table]:
    table = training_table(300, problem=problem)
    data = read_training_set(table, problem, folder=folder)
    candidate = CandidateSpec.model_validate({"use": use, **block})
    return fit(candidate, data.fit_rows(), data.classes, 0, 1), table


# What a library says of made-up rows is no matter here.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("problem", "use"),
    [
        ("binary", "sklearn.ensemble:ExtraTreesClassifier"),
        ("multiclass", "sklearn.discriminant_analysis:LinearDiscriminantAnalysis"),
        ("binary", "sklearn.linear_model:RidgeClassifier"),
        ("binary", "sklearn.naive_bayes:BernoulliNB"),
        ("multiclass", "sklearn.neural_network:MLPClassifier"),
        ("regression", "sklearn.ensemble:ExtraTreesRegressor"),
        ("regression", "sklearn.linear_model:ElasticNet"),
        ("regression", "sklearn.linear_model:HuberRegressor"),
        ("regression", "sklearn.linear_model:BayesianRidge"),
        ("regression", "sklearn.linear_model:QuantileRegressor"),
    ],
)
def test_scikit_learns_estimators_are_stored_without_a_pickle(problem: ProblemType, use: str) -> None:
    assert declared_fault(CandidateSpec(use=use), problem, None) == ""
    model, table = learned(use, problem)
    content = model_to_bytes(model)
    assert "estimator.skops" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    np.testing.assert_array_equal(model_from_bytes(content).score(table), model.score(table))


def test_distances_from_a_boundary_become_probabilities() -> None:
    model, table = learned("sklearn.linear_model:RidgeClassifier")
    scores = model.score(table)
    assert ((scores > 0) & (scores < 1)).all()


def test_parameters_and_seed_reach_the_estimator() -> None:
    model, _ = learned("sklearn.ensemble:ExtraTreesClassifier", params={"n_estimators": 7})
    assert isinstance(model.estimator, ExtraTreesClassifier)
    assert (model.estimator.n_estimators, model.estimator.random_state) == (7, 0)


def test_a_trusted_class_of_a_file_is_loaded_with_the_ledgers_hash_alone(folder: str) -> None:
    model, table = learned("estimators.py:Nearest", folder=folder, trusted=True, params={"power": 2.0})
    content = model_to_bytes(model)
    with pytest.raises(
        ModelFileError, match="pickle, which is code, and nobody says what hash the ledger has"
    ):
        model_from_bytes(content)
    # Where it is loaded the file of the class need not be.
    (Path(folder) / "estimators.py").unlink()
    again = model_from_bytes(content, ledger_sha256=hashlib.sha256(content).hexdigest())
    np.testing.assert_array_equal(again.score(table), model.score(table))


def test_a_pickle_that_was_changed_is_not_loaded(folder: str) -> None:
    model, _ = learned("estimators.py:Nearest", folder=folder, trusted=True)
    content = model_to_bytes(model)
    trusted = hashlib.sha256(content).hexdigest()
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            evil = b"cos\nsystem\n(S'false'\ntR."
            new.writestr(name, evil if name == "estimator.pickle" else old.read(name))
    with pytest.raises(ModelFileError, match=r"its hash is not the ledger's\. It is not loaded"):
        model_from_bytes(buffer.getvalue(), ledger_sha256=trusted)


def test_a_pickle_smuggled_into_the_file_of_another_algorithm_is_not_loaded() -> None:
    table = training_table(300)
    data = read_training_set(table, "binary")
    content = model_to_bytes(fit(CandidateSpec(use="decision_tree"), data.fit_rows(), (), 0, 1))
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("estimator.pickle", b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelFileError, match="pickle"):
        model_from_bytes(buffer.getvalue())


def test_a_forest_whose_tree_reads_a_column_beyond_its_rows_is_not_loaded() -> None:
    model, _ = learned("sklearn.ensemble:ExtraTreesClassifier", params={"n_estimators": 3})
    tree = model.estimator.estimators_[1]
    tree.n_features_in_ = 10_000
    state = tree.tree_.__getstate__()
    nodes = state["nodes"].copy()
    nodes["feature"][0] = 9_999
    state["nodes"] = nodes
    tree.tree_.__setstate__(state)
    with pytest.raises(ModelFileError, match="points outside itself"):
        model_from_bytes(model_to_bytes(model))


def test_a_tampered_preprocessing_is_not_loaded() -> None:
    model, _ = learned("hist_gradient_boosting", preprocess={"isolation_forest": True})
    forest = model.preprocessing[0].named_transformers_["isolation"][-1].forest_
    state = forest.estimators_[0].tree_.__getstate__()
    nodes = state["nodes"].copy()
    nodes["left_child"][0] = 100_000
    state["nodes"] = nodes
    forest.estimators_[0].tree_.__setstate__(state)
    with pytest.raises(ModelFileError, match="points outside itself"):
        model_from_bytes(model_to_bytes(model))
    model, _ = learned("hist_gradient_boosting", preprocess={})
    model.preprocessing.steps.append(("strange", StandardScaler()))
    model.preprocessing.steps[-1][1].extra_ = Path
    with pytest.raises(ModelFileError, match="Path"):
        model_from_bytes(model_to_bytes(model))


@pytest.mark.parametrize(
    ("block", "problem", "message"),
    [
        ({"use": "estimators.py:Nearst", "trusted": True}, "binary", r"no class 'Nearst'\. .* Did you mean 'Nearest'\?"),
        ({"use": "estimators.py:Nearest"}, "binary", "which only a pickle can hold, .* say `trusted: true`"),
        ({"use": "no_such_package.models:A"}, "binary", "there is no module 'no_such_package.models' here. Install"),
        ({"use": "json:JSONDecoder"}, "binary", "which only a pickle can hold"),
        ({"use": "sklearn.svm:SVCC"}, "binary", r"has no class 'SVCC'\. .* Did you mean 'SVC'\?"),
        ({"use": "sklearn.linear_model:SGDClassifier"}, "binary", r"hold what no safe format of ours does: .*Hinge"),
        ({"use": "sklearn.linear_model:Lasso", "params": {"alfa": 1}}, "regression", r"sets 'alfa', .* Did you mean 'alpha'\?"),
        ({"use": "sklearn.linear_model:Lasso"}, "binary", "gives no probabilities: it has neither predict_proba nor"),
        ({"use": "sklearn.linear_model:Lasso", "params": {"alpha": -1}}, "regression", "fail on 60 made-up rows .* 'alpha'"),
        ({"use": "sklearn.pipeline:Pipeline"}, "binary", "cannot be made without parameters .* Give all of them a default"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_when_it_is_declared(
    block: dict[str, object], problem: ProblemType, message: str
) -> None:
    candidate = CandidateSpec.model_validate(block)
    source = CLASSIFIER if candidate.use.startswith("estimators.py") else None
    fault = declared_fault(candidate, problem, source)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(fault)


def test_a_file_is_not_run_when_it_is_declared() -> None:
    candidate = CandidateSpec(use="estimators.py:Nearest", trusted=True)
    assert declared_fault(candidate, "binary", "raise SystemExit(1)\nclass Nearest: pass") == ""
    broken = declared_fault(candidate, "binary", "class Nearest(:")
    assert "line 1 of estimators.py is no Python" in broken


def test_what_a_trusted_class_lacks_is_said_before_it_is_trained(folder: str) -> None:
    silent = CandidateSpec(use="estimators.py:Silent", trusted=True)
    assert "neither predict_proba nor decision_function" in run_fault(silent, "binary", folder)
    assert run_fault(silent, "regression", folder) == ""
    data = read_training_set(training_table(300), "binary", folder=folder)
    with pytest.raises(TrainingError, match=r"the candidate 'silent' names .* gives no probabilities"):
        train_model(data, ModelSpec(candidates=(silent,)))


def test_a_file_that_cannot_be_run_is_named(folder: str) -> None:
    (Path(folder) / "estimators.py").write_text(
        "import sys\nsys.exit(3)\nclass Nearest: pass", encoding="utf-8"
    )
    fault = run_fault(CandidateSpec(use="estimators.py:Nearest", trusted=True), "binary", folder)
    assert "running estimators.py failed with SystemExit: 3. Correct the code there." in fault


def test_an_estimator_that_fails_is_named_with_what_it_says() -> None:
    # One column a category, and a whole one: their sum is always 1.
    with pytest.raises(
        OwnEstimatorError, match=r"QuadraticDiscriminantAnalysis: fit failed with LinAlgError: .* rank"
    ):
        learned("sklearn.discriminant_analysis:QuadraticDiscriminantAnalysis")


def test_own_estimators_compete_with_the_tables(folder: str) -> None:
    data = read_training_set(training_table(400), "binary", folder=folder)
    own = CandidateSpec(use="estimators.py:Nearest", trusted=True)
    training = train_model(data, ModelSpec(candidates=(own, "logistic_regression"), adapt_window=False))
    assert {result.name for result in training.results} == {"nearest", "logistic_regression"}
    assert min(result.metric for result in training.results) > 0.7


def test_the_source_is_that_of_the_file_or_the_installed_module(folder: str) -> None:
    assert source_of("estimators.py:Nearest", folder) == CLASSIFIER.encode()
    assert b"class IsolationForest" in source_of("sklearn.ensemble._iforest:IsolationForest", folder)
