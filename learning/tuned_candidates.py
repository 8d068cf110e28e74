"""Candidates whose settings are sought: each search, and the declaration with what was found."""

from __future__ import annotations

from collections.abc import Mapping

from declaration.model import Metric, ModelSpec
from declaration.target import ProblemType
from learning.search.trials import TrialLog
from learning.search.tuning import SearchResult, tune
from learning.training_rows import TrainingSet
from learning.validation import MIN_SEARCHED_ROWS, Validation

PROPER_METRICS: Mapping[ProblemType, Metric] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "rmse",
}
"""Metric of each problem's proper score."""


def search_settings(
    spec: ModelSpec,
    data: TrainingSet,
    validated: Validation,
    trials: TrialLog,
    threads: int,
) -> Mapping[str, SearchResult]:
    """Seek the settings of each candidate that declares a search."""
    # By what the gate judges, where nothing else is declared: of a ranking alone a model that has hardly learned looks good.
    metric = spec.metric or PROPER_METRICS[data.problem]
    found = {}
    for candidate in spec.competitors:
        if candidate.search is None:
            continue
        folds = validated.trial_folds(data, candidate.search, spec.seed)
        found[candidate.label] = (
            tune(candidate, data, folds, metric, trials, seed=spec.seed, threads=threads)
            if folds
            else SearchResult(candidate, obstacle=_too_few(validated))
        )
    return found


def _too_few(validated: Validation) -> str:
    """Say why no setting can be tried."""
    n = validated.searched.size
    if not validated.has_time:
        return f"{n} rows are drawn for the search, and it needs {MIN_SEARCHED_ROWS}"
    advice = "Where rows have no order in time, declare validation.method: stratified_kfold"
    if n < MIN_SEARCHED_ROWS:
        return f"{n} rows were known before the judged ones, and a search needs {MIN_SEARCHED_ROWS}. {advice}"
    return f"{n} rows cannot be cut into folds in time order. {advice}"


def with_found_settings(
    spec: ModelSpec, searches: Mapping[str, SearchResult], validated: Validation
) -> ModelSpec:
    """Put the settings that were found in the candidates' place; where there is no time no span of it competes."""
    if not searches and validated.has_time:
        return spec
    candidates = tuple(
        searches[candidate.label].candidate if candidate.label in searches else candidate
        for candidate in spec.competitors
    )
    return spec.model_copy(
        update={"candidates": candidates, "adapt_window": spec.adapt_window and validated.has_time}
    )
