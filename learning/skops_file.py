"""Objects of scikit-learn as bytes without code: skops' format, the same for the same object, of known types alone.

The list of allowed types is held here, by the loader: a list inside the file would prove nothing.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from declaration.errors import DriftlineError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_SCHEMA = "schema.json"

TABLE_TYPES = frozenset(
    {
        ("learning.preprocess.steps", "ClippedNumbers", "ObjectNode"),
        ("learning.preprocess.steps", "FilledEmpty", "ObjectNode"),
        ("learning.preprocess.steps", "IsolationScore", "ObjectNode"),
        ("learning.preprocess.steps", "KeptColumns", "ObjectNode"),
        ("learning.preprocess.steps", "MeanLabels", "ObjectNode"),
        ("learning.preprocess.steps", "NearestFilling", "ObjectNode"),
        ("learning.preprocess.steps", "QuartileScaler", "ObjectNode"),
        ("sklearn.ensemble._iforest", "IsolationForest", "ObjectNode"),
        ("sklearn.impute._knn", "KNNImputer", "ObjectNode"),
        ("sklearn.preprocessing._data", "QuantileTransformer", "ObjectNode"),
        ("sklearn.preprocessing._data", "MinMaxScaler", "ObjectNode"),
        ("sklearn.tree._classes", "ExtraTreeRegressor", "ObjectNode"),
        ("builtins", "dict", "DictNode"),
        ("builtins", "int", "TypeNode"),
        ("builtins", "list", "ListNode"),
        ("builtins", "slice", "SliceNode"),
        ("builtins", "str", "JsonNode"),
        ("builtins", "str", "TypeNode"),
        ("builtins", "tuple", "TupleNode"),
        ("functools", "partial", "PartialNode"),
        ("numpy", "dtype", "DTypeNode"),
        ("numpy", "float64", "NdArrayNode"),
        ("numpy", "float64", "TypeNode"),
        ("numpy", "int64", "NdArrayNode"),
        ("numpy", "ndarray", "NdArrayNode"),
        ("numpy", "uint64", "NdArrayNode"),
        ("numpy.random._generator", "Generator", "RandomGeneratorNode"),
        ("sklearn._loss._loss", "CyHalfBinomialLoss", "LossNode"),
        ("sklearn._loss._loss", "CyHalfMultinomialLoss", "LossNode"),
        ("sklearn._loss._loss", "CyHalfSquaredError", "LossNode"),
        ("sklearn._loss.link", "IdentityLink", "ObjectNode"),
        ("sklearn._loss.link", "Interval", "ObjectNode"),
        ("sklearn._loss.link", "LogitLink", "ObjectNode"),
        ("sklearn._loss.link", "MultinomialLogit", "ObjectNode"),
        ("sklearn._loss.loss", "HalfBinomialLoss", "ObjectNode"),
        ("sklearn._loss.loss", "HalfMultinomialLoss", "ObjectNode"),
        ("sklearn._loss.loss", "HalfSquaredError", "ObjectNode"),
        ("sklearn.calibration", "CalibratedClassifierCV", "ObjectNode"),
        ("sklearn.calibration", "_CalibratedClassifier", "ObjectNode"),
        ("sklearn.calibration", "_SigmoidCalibration", "ObjectNode"),
        ("sklearn.compose._target", "TransformedTargetRegressor", "ObjectNode"),
        ("sklearn.compose._column_transformer", "ColumnTransformer", "ObjectNode"),
        ("sklearn.ensemble._forest", "RandomForestClassifier", "ObjectNode"),
        ("sklearn.ensemble._forest", "RandomForestRegressor", "ObjectNode"),
        ("sklearn.ensemble._hist_gradient_boosting.binning", "_BinMapper", "ObjectNode"),
        (
            "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
            "HistGradientBoostingClassifier",
            "ObjectNode",
        ),
        (
            "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
            "HistGradientBoostingRegressor",
            "ObjectNode",
        ),
        ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor", "ObjectNode"),
        ("sklearn.impute._base", "MissingIndicator", "ObjectNode"),
        ("sklearn.impute._base", "SimpleImputer", "ObjectNode"),
        ("sklearn.linear_model._base", "LinearRegression", "ObjectNode"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "ObjectNode"),
        ("sklearn.linear_model._ridge", "Ridge", "ObjectNode"),
        ("sklearn.linear_model._stochastic_gradient", "SGDClassifier", "ObjectNode"),
        ("sklearn.linear_model._stochastic_gradient", "SGDRegressor", "ObjectNode"),
        ("sklearn.naive_bayes", "GaussianNB", "ObjectNode"),
        ("sklearn.neighbors._classification", "KNeighborsClassifier", "ObjectNode"),
        ("sklearn.neighbors._regression", "KNeighborsRegressor", "ObjectNode"),
        ("sklearn.pipeline", "Pipeline", "ObjectNode"),
        ("sklearn.preprocessing._data", "StandardScaler", "ObjectNode"),
        ("sklearn.preprocessing._encoders", "OneHotEncoder", "ObjectNode"),
        ("sklearn.preprocessing._encoders", "OrdinalEncoder", "ObjectNode"),
        ("sklearn.preprocessing._function_transformer", "FunctionTransformer", "ObjectNode"),
        ("sklearn.preprocessing._label", "LabelEncoder", "ObjectNode"),
        ("sklearn.svm._classes", "LinearSVC", "ObjectNode"),
        ("sklearn.svm._classes", "LinearSVR", "ObjectNode"),
        ("sklearn.svm._classes", "SVC", "ObjectNode"),
        ("sklearn.svm._classes", "SVR", "ObjectNode"),
        ("sklearn.tree._classes", "DecisionTreeClassifier", "ObjectNode"),
        ("sklearn.tree._classes", "DecisionTreeRegressor", "ObjectNode"),
        ("sklearn.tree._tree", "Tree", "TreeNode"),
        ("sklearn.utils.validation", "check_array", "FunctionNode"),
    }
)
"""Module, name and skops loader of all that the table's algorithms and preprocessing consist of; a test holds it to that."""

OWN_TYPES = frozenset(
    {
        ("numpy.random.mtrand", "RandomState", "RandomStateNode"),
        ("sklearn._loss._loss", "CyHalfPoissonLoss", "LossNode"),
        ("sklearn._loss.link", "LogLink", "ObjectNode"),
        ("sklearn._loss.loss", "HalfPoissonLoss", "ObjectNode"),
        ("sklearn.discriminant_analysis", "LinearDiscriminantAnalysis", "ObjectNode"),
        ("sklearn.discriminant_analysis", "QuadraticDiscriminantAnalysis", "ObjectNode"),
        ("sklearn.ensemble._forest", "ExtraTreesClassifier", "ObjectNode"),
        ("sklearn.ensemble._forest", "ExtraTreesRegressor", "ObjectNode"),
        ("sklearn.linear_model._bayes", "BayesianRidge", "ObjectNode"),
        ("sklearn.linear_model._coordinate_descent", "ElasticNet", "ObjectNode"),
        ("sklearn.linear_model._coordinate_descent", "Lasso", "ObjectNode"),
        ("sklearn.linear_model._glm.glm", "PoissonRegressor", "ObjectNode"),
        ("sklearn.linear_model._huber", "HuberRegressor", "ObjectNode"),
        ("sklearn.linear_model._quantile", "QuantileRegressor", "ObjectNode"),
        ("sklearn.linear_model._ridge", "RidgeClassifier", "ObjectNode"),
        ("sklearn.naive_bayes", "BernoulliNB", "ObjectNode"),
        ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier", "ObjectNode"),
        ("sklearn.neural_network._multilayer_perceptron", "MLPRegressor", "ObjectNode"),
        ("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer", "ObjectNode"),
        ("sklearn.preprocessing._label", "LabelBinarizer", "ObjectNode"),
        ("sklearn.tree._classes", "ExtraTreeClassifier", "ObjectNode"),
    }
)
"""The same of the estimators of scikit-learn that a declaration may name by their class: arrays and trees, both checked."""

ALLOWED_TYPES = TABLE_TYPES | OWN_TYPES


class ModelFileError(DriftlineError):
    """A model file is not one of ours, or holds what it should not."""


def skops_bytes(estimator: Any) -> bytes:
    """Write with skops, then number its objects: skops names them by memory address."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = parts.pop(_SCHEMA).decode()
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return f"{match[1]}{numbers.setdefault(match[2], str(len(numbers) + 1))}"

    # Texts of the model cannot match: inside them quotation marks are escaped.
    schema = re.sub(r'("__id__": |"file": ")(\d+)', number, schema)
    named = {f"{numbers[name.removesuffix('.npy')]}.npy": part for name, part in parts.items()}
    return zip_of({_SCHEMA: schema.encode(), **named}, zipfile.ZIP_STORED)


def skops_from(content: bytes) -> Any:
    """Read an object, if all its types are allowed and nothing in it points outside itself.

    Raises
    ------
    ModelFileError
        If it holds what it should not.
    """
    import skops.io

    # Before skops looks at it: skops itself trusts every estimator of scikit-learn, and more.
    unknown = strange_types(content)
    if unknown:
        raise ModelFileError(
            f"model file holds types that no candidate of ours consists of: {', '.join(unknown)}. "
            "It is not loaded. Restore the file from a backup, or materialize the model asset again."
        )
    trusted = sorted({f"{module}.{name}" for module, name, _ in ALLOWED_TYPES})
    estimator = skops.io.loads(content, trusted=trusted)
    for part in _parts(estimator):
        _check_trees(part)
        _check_support_vectors(part)
    return estimator


def strange_types(content: bytes) -> list[str]:
    """List the types of an object in skops' format that are not allowed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
    return sorted(
        {".".join(named_type[:2]) for named_type in _types_in(schema) if named_type not in ALLOWED_TYPES}
    )


def _types_in(state: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(state, dict):
        if "__class__" in state or "__loader__" in state:
            yield tuple(str(state.get(key)) for key in ("__module__", "__class__", "__loader__"))  # type: ignore[misc]
        state = list(state.values())
    if isinstance(state, list):
        for part in state:
            yield from _types_in(part)


def _parts(value: Any) -> Iterator[Any]:
    """Walk through an object and all the estimators inside it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _parts(part)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield value
        yield from _parts(vars(value))


def _check_trees(estimator: Any) -> None:
    """Refuse trees that point outside themselves: scikit-learn follows them without looking."""
    n_features = getattr(estimator, "n_features_in_", 0)
    for level in getattr(estimator, "_predictors", ()):
        for tree in level:
            nodes = tree.nodes
            inner = nodes[nodes["is_leaf"] == 0]
            children = np.concatenate([inner["left"], inner["right"]])
            codes = inner["bitset_idx"][inner["is_categorical"] == 1]
            _check_indices(children, nodes.size, inner["feature_idx"], n_features)
            _check_indices(codes, len(tree.raw_left_cat_bitsets), codes[:0], n_features)
    # A forest gives its rows to its trees unchecked: they are held to the width that the forest checks.
    for member in (estimator, *getattr(estimator, "estimators_", ())):
        tree = getattr(member, "tree_", None)
        if tree is None:
            continue
        is_inner = tree.children_left >= 0
        children = np.concatenate([tree.children_left[is_inner], tree.children_right[is_inner]])
        _check_indices(children, tree.node_count, tree.feature[is_inner], n_features)
    for features in getattr(estimator, "estimators_features_", ()):
        _check_indices(np.array([len(features)]), n_features + 1, np.asarray(features), n_features)
        _check_indices(np.array([n_features]), len(features) + 1, features[:0], n_features)


def _check_support_vectors(estimator: Any) -> None:
    """Refuse a kernel whose arrays do not fit each other: libsvm reads them without looking."""
    vectors = getattr(estimator, "support_vectors_", None)
    if vectors is None:
        return
    n_vectors = vectors.shape[0]
    is_whole = (
        vectors.ndim == 2
        and vectors.shape[1] == estimator.n_features_in_
        and estimator._dual_coef_.shape[1] == n_vectors
        and estimator.support_.shape == (n_vectors,)
        and (estimator.n_support_ >= 0).all()
        and int(estimator.n_support_.sum()) == n_vectors
    )
    if not is_whole:
        raise ModelFileError(
            "model file holds support vectors that do not fit each other. It is not used. "
            "Restore the file from a backup, or materialize the model asset again."
        )


def _check_indices(indices: Any, n_allowed: int, features: Any, n_features: int) -> None:
    inside = ((indices >= 0) & (indices < n_allowed)).all()
    if not (inside and ((features >= 0) & (features < n_features)).all()):
        raise ModelFileError(
            "model file holds a tree that points outside itself. It is not used. "
            "Restore the file from a backup, or materialize the model asset again."
        )


def zip_of(parts: dict[str, bytes], compression: int) -> bytes:
    """Write parts into a zip without a clock: the same parts give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, part in parts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = compression
            archive.writestr(entry, part)
    return buffer.getvalue()
