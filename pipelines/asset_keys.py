"""Asset keys: the names of a pipeline's stages in Dagster, whose graph shows a key's last part alone."""

from collections.abc import Sequence

import dagster as dg

BY_DATASET = frozenset({"raw", "profiled"})
"""Stages that every dataset passes: their keys end with stage and dataset, else their nodes would read alike."""


def asset_key(pipeline: str, path: Sequence[str]) -> dg.AssetKey:
    """Return the asset key of a stage.

    Examples
    --------
    >>> asset_key("churn", ("raw", "events")).to_user_string()
    'churn/raw/raw_events'
    >>> asset_key("churn", ("features", "history")).to_user_string()
    'churn/features/history'
    >>> asset_key("churn", ("model",)).to_user_string()
    'churn/model'
    """
    label = "_".join(path) if path[0] in BY_DATASET else path[-1]
    return dg.AssetKey([pipeline, *path[:-1], label])
