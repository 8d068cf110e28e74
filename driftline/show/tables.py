"""Tables of the lake that each stage writes; a test holds this to what a real home holds."""

from __future__ import annotations

from collections.abc import Sequence

from declaration.pipeline import Pipeline

WRITTEN = {
    "raw": ("raw", "raw_rejects"),
    "profiled": ("profiled", "quarantine", "profiles", "quality"),
    "features": ("features", "feature_statistics"),
    "labels": ("labels",),
    "training_set": ("training_set",),
    "model": ("holdout_scores", "candidates", "explanations", "quantiles", "ledger", "waits"),
    "predictions": ("predictions",),
    "drift_report": ("drift_report", "drift_decisions", "window_sketches", "sketches", "slice_performance", "loss_blocks", "served_outcomes",
                     "baseline_skill", "decision_costs", "realised_coverage", "estimate_record", "training_support", "co_moments",
                     "window_co_moments", "ledger"),
}  # fmt: skip
"""Tables by stage. The ledger gets a row by training, and by a report that rolls back; `waits` where labels are missing."""

SHARED = {"raw": ("schemas", "source_columns")}
"""Tables by stage that all datasets have together: `source_columns` where a source shows more than is declared."""

LEARNED = {
    "slice_performance", "loss_blocks", "served_outcomes", "baseline_skill", "decision_costs", "realised_coverage", "estimate_record",
    "training_support", "ledger",
}  # fmt: skip
"""Tables of the drift report that there are with a target alone."""


def tables_written(pipeline: Pipeline, path: Sequence[str]) -> tuple[str, ...]:
    """Return the tables that an asset writes.

    Parameters
    ----------
    pipeline
        The declaration.
    path
        The asset's key without the pipeline.
    """
    name = path[1] if len(path) > 1 else None
    stages = WRITTEN[path[0]]
    if pipeline.spec.target is None:
        stages = tuple(stage for stage in stages if stage not in LEARNED)
    shared = (pipeline.table(stage) for stage in SHARED.get(path[0], ()))
    return (*(pipeline.table(stage, name) for stage in stages), *shared)
