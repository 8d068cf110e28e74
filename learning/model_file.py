"""A model as one file: no pickle, the same bytes for the same model, and nothing but known types inside.

A zip of `manifest.json` (algorithm, classes, encoding; a naive forecast whole) and the estimator: LightGBM in its own
text, scikit-learn in the skops format. The list of allowed types is held here, by the loader: a
list inside the file would prove nothing. The file's hash is checked by whoever fetches it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from declaration.errors import DriftlineError
from declaration.extras import require_extra
from learning.algorithms.algorithm import Storage
from learning.algorithms.boosting import XgboostModel
from learning.algorithms.table import ALGORITHMS
from learning.encode import FeatureEncoding
from learning.fitted import FittedModel
from learning.naive_forecast import NAIVE, NaiveForecast
from learning.postprocessing import Postprocessing

FORMAT = 1
"""Version of the layout of the file."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
MANIFEST = "manifest.json"
"""Name of the part that says what a model file is."""

_SCHEMA = "schema.json"
_SKOPS, _LIGHTGBM, _XGBOOST = "estimator.skops", "estimator.txt", "estimator.ubj"

ALLOWED_TYPES = frozenset(
    {
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
"""Module, name and skops loader of all that our candidates consist of; a test holds it to that."""


class ModelFileError(DriftlineError):
    """A model file is not one of ours, or holds what it should not."""


def model_to_bytes(model: FittedModel) -> bytes:
    """Write a model as one file; the same model gives the same bytes."""
    manifest = {
        "format": FORMAT,
        "algorithm": model.algorithm,
        "candidate": model.name,
        "problem": model.problem,
        "classes": list(model.classes),
        "features": model.encoding.to_plain(),
    }
    if model.algorithm == NAIVE.use:
        manifest["naive"] = model.estimator.to_plain()
    if postprocessing := model.postprocessing.to_plain():
        manifest["postprocessing"] = postprocessing
    parts = {MANIFEST: json.dumps(manifest, sort_keys=True, ensure_ascii=False).encode()}
    if model.algorithm != NAIVE.use:
        name, write, _ = _STORAGES[ALGORITHMS[model.algorithm].storage]
        parts[name] = write(model.estimator)
    return _zip(parts, zipfile.ZIP_DEFLATED)


def model_from_bytes(content: bytes) -> FittedModel:
    """Read a model file whose hash the caller has checked.

    Raises
    ------
    ModelFileError
        If the file is not a model file, or holds a type that is not in `ALLOWED_TYPES`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts[MANIFEST])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelFileError(
            f"this is not a model file of ours ({error}). Restore it from a backup, "
            "or materialize the model asset again."
        ) from error
    if manifest["format"] != FORMAT:
        raise ModelFileError(
            f"model file has layout {manifest['format']}, this release reads {FORMAT}. "
            "Use the release that wrote it, or materialize the model asset again."
        )
    return FittedModel(
        algorithm=manifest["algorithm"],
        problem=manifest["problem"],
        classes=tuple(manifest["classes"]),
        encoding=FeatureEncoding.from_plain(manifest["features"]),
        estimator=_estimator_from(manifest, parts),
        candidate=manifest.get("candidate", ""),
        postprocessing=Postprocessing.from_plain(manifest.get("postprocessing", {})),
    )


def _estimator_from(manifest: dict[str, Any], parts: dict[str, bytes]) -> Any:
    if manifest["algorithm"] == NAIVE.use:
        return _naive_from(manifest)
    algorithm = manifest["algorithm"]
    if algorithm not in ALGORITHMS:
        raise ModelFileError(
            f"model file has the algorithm '{algorithm}', which this release does not know. "
            "Use the release that wrote it, or materialize the model asset again."
        )
    name, _, read = _STORAGES[ALGORITHMS[algorithm].storage]
    return read(parts[name])


def _naive_from(manifest: dict[str, Any]) -> NaiveForecast:
    column, otherwise = manifest["naive"]["column"], manifest["naive"]["otherwise"]
    n_features = len(FeatureEncoding.from_plain(manifest["features"]).names)
    if column is not None and not (isinstance(column, int) and 0 <= column < n_features):
        raise ModelFileError(
            f"model file forecasts with feature {column!r} of {n_features}. It is not used. "
            "Restore the file from a backup, or materialize the model asset again."
        )
    return NaiveForecast(column, float(otherwise))


def _lightgbm_bytes(booster: Any) -> bytes:
    # The number of threads is the machine's, not the model's.
    text: str = re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", booster.model_to_string())
    return text.encode()


def _xgboost_bytes(model: XgboostModel) -> bytes:
    return bytes(model.booster.save_raw("ubj"))


def _xgboost_from(content: bytes) -> XgboostModel:
    require_extra("xgboost", "this model's algorithm, 'xgboost',")
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    return XgboostModel(booster)


def _lightgbm_from(text: bytes) -> Any:
    require_extra("lightgbm", "this model's algorithm, 'lightgbm',")
    import lightgbm

    return lightgbm.Booster(model_str=text.decode())


def _skops_bytes(estimator: Any) -> bytes:
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
    return _zip({_SCHEMA: schema.encode(), **named}, zipfile.ZIP_STORED)


def _skops_from(content: bytes) -> Any:
    import skops.io

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
    # Before skops looks at it: skops itself trusts every estimator of scikit-learn, and more.
    unknown = sorted(
        {".".join(named_type[:2]) for named_type in _types_in(schema) if named_type not in ALLOWED_TYPES}
    )
    if unknown:
        raise ModelFileError(
            f"model file holds types that no candidate of ours consists of: {', '.join(unknown)}. "
            "It is not loaded. Restore the file from a backup, or materialize the model asset again."
        )
    trusted = sorted({f"{module}.{name}" for module, name, _ in ALLOWED_TYPES})
    estimator = skops.io.loads(content, trusted=trusted)
    _check_trees(estimator)
    for part in _parts(estimator):
        _check_support_vectors(part)
    return estimator


def _types_in(state: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(state, dict):
        if "__class__" in state or "__loader__" in state:
            yield tuple(str(state.get(key)) for key in ("__module__", "__class__", "__loader__"))  # type: ignore[misc]
        state = list(state.values())
    if isinstance(state, list):
        for part in state:
            yield from _types_in(part)


def _check_trees(estimator: Any) -> None:
    """Refuse trees that point outside themselves: scikit-learn follows them without looking."""
    n_features = estimator.n_features_in_
    for level in getattr(estimator, "_predictors", ()):
        for tree in level:
            nodes = tree.nodes
            inner = nodes[nodes["is_leaf"] == 0]
            children = np.concatenate([inner["left"], inner["right"]])
            codes = inner["bitset_idx"][inner["is_categorical"] == 1]
            _check_indices(children, nodes.size, inner["feature_idx"], n_features)
            _check_indices(codes, len(tree.raw_left_cat_bitsets), codes[:0], n_features)
    for member in (estimator, *getattr(estimator, "estimators_", ())):
        tree = getattr(member, "tree_", None)
        if tree is None:
            continue
        is_inner = tree.children_left >= 0
        children = np.concatenate([tree.children_left[is_inner], tree.children_right[is_inner]])
        _check_indices(children, tree.node_count, tree.feature[is_inner], n_features)


def _parts(estimator: Any) -> Iterator[Any]:
    """Walk through the estimators inside an estimator."""
    yield estimator
    inner = [step for _, step in getattr(estimator, "steps", ())]
    inner += [classifier.estimator for classifier in getattr(estimator, "calibrated_classifiers_", ())]
    inner += [regressor for regressor in [getattr(estimator, "regressor_", None)] if regressor is not None]
    for part in inner:
        yield from _parts(part)


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


_STORAGES: Mapping[Storage, tuple[str, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "skops": (_SKOPS, _skops_bytes, _skops_from),
    "lightgbm": (_LIGHTGBM, _lightgbm_bytes, _lightgbm_from),
    "xgboost": (_XGBOOST, _xgboost_bytes, _xgboost_from),
}
"""Name of the part, writer and reader of each format."""


def _zip(parts: dict[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, part in parts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = compression
            archive.writestr(entry, part)
    return buffer.getvalue()
