"""The online store: whether it serves the lake's newest feature rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from driftline.verify.finding import Finding, Show, Subject
from feature_repo.table_damage import fault_of
from resources.feature_store.objects import FeatureStoreError
from resources.lake.errors import LakeError


def check_online(subject: Subject, show: Show) -> Iterator[Finding]:
    """Find views of which entities are missing, older or other than in the lake."""
    pipeline, connections = subject.declared, subject.connections
    if pipeline is None:
        return
    for view in pipeline.spec.features:
        table = pipeline.table("features", view)
        where = f"feature view '{view}'"
        mend = _reloading(subject, pipeline, view, show)
        try:
            snapshot = connections.lake.snapshot(table) if connections.lake.has(table) else None
            # Damaged files are another finding: nothing is compared with them, or loaded.
            if snapshot is None or not snapshot.n_rows or any(map(fault_of, snapshot.paths())):
                continue
            show(f"online store, {where}")
            difference = connections.feature_store.compare_online(pipeline, view, connections.lake)
        except LakeError:
            continue
        except FeatureStoreError as error:
            yield subject.finding("online", where, str(error).partition(". ")[0], "--repair loads it.", mend)
            continue
        if difference.n_different:
            parts = {
                "missing": difference.n_missing, "older": difference.n_older, "other values": difference.n_other,
                "later than the lake's": difference.n_later,
            }  # fmt: skip
            counts = ", ".join(f"{count} {kind}" for kind, count in parts.items() if count)
            is_only_later = difference.n_later == difference.n_different
            yield subject.finding(
                "online", where,
                f"{difference.n_different} of {difference.n_entities} entities are not served as the lake has them: {counts}; "
                f"{difference.example}",
                "A later value is never overwritten: the lake lost rows that were served. Materialize them again."
                if is_only_later else "--repair loads the view from the lake; what is served with a later instant stays.",
                None if is_only_later else mend,
            )  # fmt: skip


def _reloading(subject: Subject, pipeline: Pipeline, view: str, show: Show) -> Callable[[], str]:
    def reload() -> str:
        connections, n_loaded = subject.connections, 0
        connections.feature_store.apply(pipeline, connections.lake)
        partitions = connections.lake.snapshot(pipeline.table("features", view)).partitions
        for number, key in enumerate(partitions, start=1):
            show(f"loading {view} {key}, {number} of {len(partitions)}")
            n_loaded += connections.feature_store.load_online(
                pipeline, view, partitioning(pipeline.spec.partitions).window(key), connections.lake
            )
        return f"{n_loaded} rows of {len(partitions)} partitions of view '{view}' are loaded"

    return reload
