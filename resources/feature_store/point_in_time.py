"""Rows joined with a pipeline's views through Feast, each view at the version that was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.spec import PipelineSpec
from resources.feature_store.objects import feature_columns

if TYPE_CHECKING:
    import feast

    from feature_repo.objects import StoredView

ROW_COLUMNS = ("row_id", "event_timestamp")
REQUEST_PREFIX = "request__"


def join_views(
    store: feast.FeatureStore,
    spec: PipelineSpec,
    rows: pa.Table,
    stored: Mapping[str, StoredView],
    versions: Mapping[str, int],
) -> pa.Table:
    """Append to rows all features of some views, as of each row's instant; rows and their order stay.

    Parameters
    ----------
    store
        Feast's project, which knows the views.
    spec
        The declaration.
    rows
        `event_timestamp`, the views' key columns, and columns to keep.
    stored
        The views, by name; without any, the rows come back as they are.
    versions
        The Delta version to read of each.

    Returns
    -------
    pa.Table
        The rows with the features as `<view>__<feature>`.
    """
    from feature_repo.snapshots import pinned

    references = [
        f"{view}:{feature}"
        for view, rows_of_view in stored.items()
        for feature in feature_columns(spec, view, rows_of_view)
    ]
    if not references:
        return rows
    with pinned({stored[view].path: version for view, version in versions.items()}):
        job = store.get_historical_features(
            entity_df=rows,  # our store takes Arrow, Feast hands it on
            features=references,
            full_feature_names=True,
        )
        features: pa.Table = job.to_arrow()
    return features


def features_of(rows: pa.Table, joined: pa.Table) -> pa.Table:
    """Keep of joined rows what models read: `row_id`, `event_timestamp` and the features, sorted by name.

    Parameters
    ----------
    rows
        The rows before the join; their columns `request__*` are features too.
    joined
        The rows after it.
    """
    request = [name for name in rows.column_names if name.startswith(REQUEST_PREFIX)]
    features = sorted([*request, *(n for n in joined.column_names if n not in rows.column_names)])
    return joined.select([*ROW_COLUMNS, *features])
