"""Candidates whose settings are sought: each search, and the declaration with what was found."""

from __future__ import annotations

from collections.abc import Mapping

from declaration.model import CandidateSpec, Metric, ModelSpec
from declaration.target import ProblemType
from learning.search.folds import N_FOLDS
from learning.search.trials import TrialLog
from learning.search.tuning import SearchResult, tune
from learning.threads import side_by_side
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
    """Seek the settings of each candidate that declares a search, of several side by side where threads are left by folds."""
    # By what the gate judges, where nothing else is declared: of a ranking alone a model that has hardly learned looks good.
    metric = spec.metric or PROPER_METRICS[data.problem]
    searched = [candidate for candidate in spec.competitors if candidate.search is not None]
    # A trial needs the one before it, and has work for as many threads as it has folds.
    n_candidates = max(1, min(len(searched), threads // N_FOLDS))

    def found(candidate: CandidateSpec) -> SearchResult:
        assert candidate.search is not None
        folds = validated.trial_folds(data, candidate.search, spec.seed)
        if not folds:
            return SearchResult(candidate, obstacle=_too_few(validated))
        n_fits = threads // n_candidates
        return tune(candidate, data, folds, metric, trials, seed=spec.seed, threads=n_fits)

    for candidate in searched:
        _ = data.read_for(candidate).matrix
    results = side_by_side(found, searched, n_candidates)
    return {candidate.label: result for candidate, result in zip(searched, results, strict=True)}


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
