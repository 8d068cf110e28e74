"""Estimators of one's own: a scikit-learn compatible class of an installed package, or of a file beside the declaration."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import pickle
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from declaration.errors import DriftlineError
from declaration.model import CandidateSpec
from declaration.preprocess import PreprocessSpec
from declaration.target import ProblemType
from learning.algorithms.algorithm import EVERY_PROBLEM, Algorithm, Params, always
from learning.algorithms.linear import calibrated
from learning.algorithms.rows import FitRows
from learning.skops_file import skops_bytes, strange_types

PYTHON = ".py"
"""How the file of an estimator ends."""

SAFE_LIBRARY = "sklearn."
"""Library whose estimators may be stored without a pickle, where all their types are allowed."""

N_PROBE_ROWS = 60
"""Rows that an estimator is fitted to before a training, to see what it is made of."""

N_SHOWN_ROWS = 5


class OwnEstimatorError(DriftlineError):
    """A class that a declaration names cannot be learned with."""


def own_algorithm(candidate: CandidateSpec, folder: str) -> Algorithm:
    """Make an entry of the table for the class that a candidate names; it learns from filled, scaled and spread columns.

    Parameters
    ----------
    candidate
        With a class in `use`.
    folder
        Folder of the declaration.
    """

    def fit(rows: FitRows, params: Params, seed: int, threads: int) -> Any:
        del threads
        estimator = made(estimator_class(candidate.use, folder), params, seed)
        try:
            return _fitted(estimator, rows, candidate.use)
        except OwnEstimatorError:
            raise
        # A stranger's code fails with whatever it likes.
        except Exception as error:
            raise OwnEstimatorError(
                f"{candidate.use}: fit failed with {type(error).__name__}: {error} "
                f"It learned from {rows.labels.size:,} rows of {rows.matrix.shape[1]} columns. Correct the code or its params."
            ) from error

    return Algorithm(
        EVERY_PROBLEM,
        always({}),
        fit,
        "numbers scaled, missing ones filled with the median and marked by a column; one column a category",
        "scaled_dense",
        candidate.use.partition(":")[0],
        always(frozenset()),
        lambda *_: "",
        preprocess=PreprocessSpec(),
        takes_weights=False,
    )


def _fitted(estimator: Any, rows: FitRows, name: str) -> Any:
    """Fit a regressor or classifier; distances from a boundary become probabilities."""
    if rows.problem == "regression":
        return estimator.fit(rows.matrix, rows.targets)
    if not hasattr(estimator, "predict_proba") and hasattr(estimator, "decision_function"):
        estimator = calibrated(estimator, rows)
    model = estimator.fit(rows.matrix, rows.targets)
    shown = np.asarray(model.predict_proba(rows.matrix[:N_SHOWN_ROWS]))
    n_classes = len(np.unique(rows.labels))
    if shown.ndim != 2 or shown.shape[1] != n_classes or len(getattr(model, "classes_", ())) != n_classes:
        raise OwnEstimatorError(
            f"{name}: predict_proba gives shape {shown.shape} of {len(rows.matrix[:N_SHOWN_ROWS])} rows and {n_classes} classes. "
            "It must give a column for each class, in the order of the attribute `classes_`."
        )
    return model


def made(estimator: type[Any], params: Params, seed: int) -> Any:
    """Make an estimator with its parameters, and the seed of the training where it takes one."""
    made = estimator(**params)
    takes_seed = "random_state" in made.get_params() and "random_state" not in params
    return made.set_params(random_state=seed) if takes_seed else made


def estimator_class(use: str, folder: str) -> type[Any]:
    """Import the class that a candidate names.

    Raises
    ------
    OwnEstimatorError
        If its module cannot be imported, has no such class, or it is no estimator.
    """
    place, _, name = use.rpartition(":")
    module = _file_module(Path(folder) / place) if place.endswith(PYTHON) else _package_module(place)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [one for one, value in vars(module).items() if isinstance(value, type)]
        raise OwnEstimatorError(f"{place} has no class '{name}'.{_nearest(name, classes)}")
    missing = [one for one in ("fit", "predict", "get_params", "set_params") if not hasattr(found, one)]
    if missing:
        raise OwnEstimatorError(
            f"{use} has no {', '.join(missing)}: it is no estimator of scikit-learn's kind. "
            "Derive it from sklearn.base.BaseEstimator."
        )
    return found


def _package_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OwnEstimatorError(
            f"the module '{name}' cannot be imported ({error}). Install its package here, or correct the name."
        ) from error


def _file_module(file: Path) -> ModuleType:
    """Run a file as a module that is named by its content: a change of it is another module."""
    content = file.read_bytes()
    name = f"driftline_estimators_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    try:
        exec(compile(content, str(file), "exec"), module.__dict__)
    # A file that exits must not take the run with it.
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise OwnEstimatorError(
            f"running {file.name} failed with {type(error).__name__}: {error}. Correct the code there."
        ) from error
    return module


def source_of(use: str, folder: str) -> bytes:
    """Return the source of a class's module, for fingerprints: another text is another training.

    Parameters
    ----------
    use
        Class as declared.
    folder
        Folder of the declaration.
    """
    place = use.rpartition(":")[0]
    if place.endswith(PYTHON):
        return (Path(folder) / place).read_bytes()
    found = _spec(place)
    origin = Path(found.origin) if found is not None and found.origin else None
    return origin.read_bytes() if origin is not None and origin.is_file() else b""


def _spec(module: str) -> Any:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None


def declared_fault(candidate: CandidateSpec, problem: ProblemType, source: str | None) -> str:
    """Say what is wrong with a class as far as it can be told without running a stranger's code; '' where nothing.

    Parameters
    ----------
    candidate
        With a class in `use`.
    problem
        What is predicted.
    source
        Text of the file beside the declaration; None of a package.
    """
    place, _, name = candidate.use.rpartition(":")
    if source is not None:
        try:
            classes = _classes(source)
        except SyntaxError as error:
            return f"names {candidate.use}, but line {error.lineno} of {place} is no Python ({error.msg}). Correct it."
        if name not in classes:
            return f"names {candidate.use}, but {place} has no class '{name}'.{_nearest(name, classes)}"
    elif _spec(place) is None:
        return f"names {candidate.use}, but there is no module '{place}' here. Install its package, or correct the name."
    if candidate.trusted:
        return ""
    if source is not None or not f"{place}.".startswith(SAFE_LIBRARY):
        return (
            f"names {candidate.use}, which only a pickle can hold, and a pickle is code. If you trust the class and all that "
            "may write to your model store, say `trusted: true`: it is loaded only where the ledger has the file's hash."
        )
    return run_fault(candidate, problem, "")


def run_fault(candidate: CandidateSpec, problem: ProblemType, folder: str) -> str:
    """Say what is wrong with a class, as the end of a sentence about the candidate; it is imported and tried.

    Parameters
    ----------
    candidate, problem
        With a class in `use`, and what is predicted.
    folder
        Folder of the declaration.
    """
    params = tuple(sorted(candidate.params.items()))
    return _run_fault(candidate.use, params, candidate.trusted, problem, folder)


@lru_cache(maxsize=64)
def _run_fault(
    use: str, params: tuple[tuple[str, Any], ...], is_trusted: bool, problem: ProblemType, folder: str
) -> str:
    try:
        estimator = estimator_class(use, folder)
        known = sorted(estimator().get_params())
    except OwnEstimatorError as error:
        return f"names {use}: {error}"
    except TypeError as error:
        return f"names {use}, which cannot be made without parameters ({error}). Give all of them a default."
    for name, _ in params:
        if name not in known:
            return f"sets '{name}', which is no parameter of {use}.{_nearest(name, known)}"
    if problem != "regression" and not any(
        hasattr(estimator, one) for one in ("predict_proba", "decision_function")
    ):
        return (
            f"names {use}, which gives no probabilities: it has neither predict_proba nor decision_function."
        )
    return "" if is_trusted else _storage_fault(use, dict(params), problem)


def _storage_fault(use: str, params: Params, problem: ProblemType) -> str:
    """Fit to made-up rows, and say which types of the result no safe format of ours holds."""
    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(N_PROBE_ROWS, 3))
    labels = np.arange(N_PROBE_ROWS) % (3 if problem == "multiclass" else 2)
    targets = matrix[:, 0] + labels if problem == "regression" else labels
    try:
        # What a library says of made-up rows is no matter of the declaration's.
        with warnings.catch_warnings(action="ignore"):
            model = made(estimator_class(use, ""), params, 0).fit(matrix, targets)
    except (TypeError, ValueError) as error:
        return f"has {use} fail on {N_PROBE_ROWS} made-up rows of a {problem} target: {error}"
    strange = strange_types(skops_bytes(model))
    if not strange:
        return ""
    return (
        f"names {use}, whose models hold what no safe format of ours does: {', '.join(strange)}. Choose another, "
        "or say `trusted: true`: it becomes a pickle, loaded only where the ledger has the file's hash."
    )


def safe_bytes(estimator: Any) -> bytes | None:
    """Write an estimator of scikit-learn without a pickle; None where something in it is not allowed."""
    if not type(estimator).__module__.startswith(SAFE_LIBRARY):
        return None
    content = skops_bytes(estimator)
    return None if strange_types(content) else content


def pickle_bytes(estimator: Any) -> bytes:
    """Write an estimator as a pickle; the classes of a file beside the declaration go along with it."""
    import cloudpickle  # type: ignore[import-untyped]

    own = [module for name, module in sys.modules.items() if name.startswith("driftline_estimators_")]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        content: bytes = cloudpickle.dumps(estimator)
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)
    return content


def estimator_from_pickle(content: bytes) -> Any:
    """Read a pickle, which runs whatever is in it: for `model_from_bytes` alone, which has checked the ledger's hash."""
    return pickle.loads(content)


def _classes(source: str) -> list[str]:
    """List the names that a file has at its top and that may be classes: defined, imported or assigned there."""
    found: list[str] = []
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name):
                found.append(name)
            case ast.ImportFrom(names=names):
                found += [one.asname or one.name for one in names]
            case ast.Assign(targets=targets):
                found += [one.id for one in targets if isinstance(one, ast.Name)]
    return found


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    listed = f" There are: {', '.join(known)}." if known else ""
    return listed + (f" Did you mean '{near[0]}'?" if near else "")
