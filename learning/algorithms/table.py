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
from learning.algorithms.algorithm import Algorithm, Params
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
from learning.algorithms.stochastic import SGD
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
    "sgd": SGD,
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
        return _own_fault(candidate, problem, folder)
    allowed = algorithms_of(problem)
    if candidate.use not in ALGORITHMS:
        return f"names '{candidate.use}', which is no algorithm. {_nearest(candidate.use, allowed)}"
    if candidate.use not in allowed:
        return f"names '{candidate.use}', which cannot learn a {problem} target. {_nearest(candidate.use, allowed)}"
    return (
        _learning_fault(candidate, problem)
        or _params_fault(candidate, problem, candidate.params)
        or _search_fault(candidate, problem)
    )


def _own_fault(candidate: CandidateSpec, problem: ProblemType, folder: str) -> str:
    """Say what is wrong with a class of one's own: it is fitted on a few rows, also with the ends of what is sought."""
    if candidate.early_stopping:
        return "has early_stopping, and no rounds are known of a class of yours. Leave it out."
    if candidate.class_weight is not None:
        return "has class_weight, and a class of yours is given no weights. Leave it out, or weigh inside the class."
    if candidate.search is not None and not candidate.search.space:
        return "has a search, and of a class of yours no ranges are known. Declare search.space."
    if fault := run_fault(candidate, problem, folder):
        return fault
    for name, values in candidate.search.space.items() if candidate.search is not None else ():
        if name in candidate.params:
            return f"sets '{name}' and seeks it too. Leave out one of params and search.space."
        for end in values.ends or values.choice:
            at: Params = {**candidate.params, name: int(end) if values.int and end is not None else end}
            if fault := run_fault(candidate.model_copy(update={"params": at}), problem, folder):
                return fault
    return ""


def _learning_fault(candidate: CandidateSpec, problem: ProblemType) -> str:
    """Say what of early stopping and class weights the algorithm cannot do."""
    algorithm = ALGORITHMS[candidate.use]
    if candidate.early_stopping and algorithm.rounds is None:
        boosted = ", ".join(name for name, one in ALGORITHMS.items() if one.rounds is not None)
        return f"has early_stopping, and {candidate.use} has no rounds to stop. Those that have: {boosted}."
    if candidate.class_weight is not None and not algorithm.takes_weights:
        return f"has class_weight, and {candidate.use} takes no weights. Leave it out, or name another algorithm."
    if candidate.class_weight is not None and problem == "regression":
        return "has class_weight, and a regression has no classes. Leave it out."
    if problem == "binary" and isinstance(candidate.class_weight, Mapping):
        for label in candidate.class_weight:
            if label not in ("0", "1"):
                return f"has a class_weight of '{label}', and the labels of a binary target are 0 and 1."
    return ""


def _params_fault(candidate: CandidateSpec, problem: ProblemType, params: Params) -> str:
    """Say which parameters the algorithm does not know, or refuses."""
    if not params:
        return ""
    algorithm = ALGORITHMS[candidate.use]
    if algorithm.extra is not None:
        require_extra(algorithm.extra, f"the candidate '{candidate.label}'")
    parameters = algorithm.parameters(problem)
    for name in params:
        if name not in parameters:
            return f"sets '{name}', which is no parameter of {candidate.use} that can be set. {_nearest(name, sorted(parameters))}"
    refused = algorithm.refused(problem, params)
    return f"has parameters that {candidate.use} refuses: {refused}" if refused else ""


def _search_fault(candidate: CandidateSpec, problem: ProblemType) -> str:
    """Say what is wrong with a search: no range at all, or one whose ends the algorithm refuses."""
    search, algorithm = candidate.search, ALGORITHMS[candidate.use]
    if search is None:
        return ""
    if not search.space and not algorithm.space:
        return f"has a search, and {candidate.use} has no settings worth seeking. Leave it out, or declare search.space."
    if search.method == "tpe":
        require_extra("tune", f"the search of the candidate '{candidate.label}' (or method: random)")
    both = sorted(set(search.space) & set(candidate.params))
    if both:
        return f"sets '{both[0]}' and seeks it too. Leave out one of params and search.space."
    for name, values in search.space.items():
        for end in values.ends or values.choice:
            at: Params = {name: int(end) if values.int and end is not None else end}
            if fault := _params_fault(candidate, problem, at):
                return f"{fault} (search.space)"
    return ""


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
