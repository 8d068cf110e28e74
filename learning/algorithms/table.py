"""The table of algorithms that a declaration may name. A new one is an entry here and a function in a module beside.

Settings are deliberately few: no candidate peeks at rows by a random split inside (early stopping would), so that the
same rows and seed give the same model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module

from declaration.extras import require_extra
from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.algorithms.algorithm import Algorithm
from learning.algorithms.boosting import HIST_GRADIENT_BOOSTING, LIGHTGBM, XGBOOST
from learning.algorithms.kept_rows import KERNEL_SVM, NEAREST_NEIGHBOURS
from learning.algorithms.linear import (
    LINEAR_REGRESSION,
    LINEAR_SVM,
    LOGISTIC_REGRESSION,
    NAIVE_BAYES,
    RIDGE,
)
from learning.algorithms.own import own_algorithm, run_fault
from learning.algorithms.trees import DECISION_TREE, RANDOM_FOREST

ALGORITHMS: Mapping[str, Algorithm] = {
    "hist_gradient_boosting": HIST_GRADIENT_BOOSTING,
    "lightgbm": LIGHTGBM,
    "xgboost": XGBOOST,
    "logistic_regression": LOGISTIC_REGRESSION,
    "linear_regression": LINEAR_REGRESSION,
    "ridge": RIDGE,
    "linear_svm": LINEAR_SVM,
    "kernel_svm": KERNEL_SVM,
    "nearest_neighbours": NEAREST_NEIGHBOURS,
    "naive_bayes": NAIVE_BAYES,
    "decision_tree": DECISION_TREE,
    "random_forest": RANDOM_FOREST,
}
"""The algorithms by the names that a declaration uses."""


def algorithm_of(candidate: CandidateSpec, folder: str) -> Algorithm:
    """Return a candidate's algorithm: of the table, or of its own class.

    Parameters
    ----------
    candidate
        As declared, without fault.
    folder
        Folder of the declaration, where files of estimators stand.
    """
    return own_algorithm(candidate, folder) if candidate.is_own else ALGORITHMS[candidate.use]


def algorithms_of(problem: ProblemType) -> tuple[str, ...]:
    """List the algorithms that can learn a kind of label."""
    return tuple(name for name, algorithm in ALGORITHMS.items() if problem in algorithm.problems)


def candidate_fault(candidate: CandidateSpec, problem: ProblemType, folder: str = "") -> str:
    """Say what is wrong with a candidate, as the end of a sentence about it; '' where nothing.

    The library is imported where parameters are declared: it alone knows them. So is a class of one's own.
    """
    if candidate.is_own:
        return run_fault(candidate, problem, folder)
    allowed = algorithms_of(problem)
    if candidate.use not in ALGORITHMS:
        return f"names '{candidate.use}', which is no algorithm. {_nearest(candidate.use, allowed)}"
    if candidate.use not in allowed:
        return f"names '{candidate.use}', which cannot learn a {problem} target. {_nearest(candidate.use, allowed)}"
    if not candidate.params:
        return ""
    algorithm = ALGORITHMS[candidate.use]
    if algorithm.extra is not None:
        require_extra(algorithm.extra, f"the candidate '{candidate.label}'")
    parameters = algorithm.parameters(problem)
    for name in candidate.params:
        if name not in parameters:
            return f"sets '{name}', which is no parameter of {candidate.use} that can be set. {_nearest(name, sorted(parameters))}"
    refused = algorithm.refused(problem, candidate.params)
    return f"has parameters that {candidate.use} refuses: {refused}" if refused else ""


def _nearest(value: str, allowed: Sequence[str]) -> str:
    near = get_close_matches(value, allowed, n=1, cutoff=0.6)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    return f"Allowed: {', '.join(allowed)}.{meant}"


def load_libraries(candidates: Sequence[CandidateSpec]) -> None:
    """Import what the candidates need: threads can only be limited in libraries that are loaded."""
    for candidate in candidates:
        if candidate.is_own:
            # Imported already, by the check of its parameters.
            continue
        algorithm = ALGORITHMS[candidate.use]
        if algorithm.extra is not None:
            require_extra(algorithm.extra, f"the candidate '{candidate.label}'")
        import_module(algorithm.library)
