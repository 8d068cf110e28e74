"""Rehearse a pipeline: its own stages, on one or a few partitions, in a folder that is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from assets.materialization import Outcome, Scope, StageRun
from declaration.errors import DriftlineError
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from pipelines.graph.stages import Stage, stages
from pipelines.graph.stores import DagsterStores
from resources.connections import Connections, connect
from resources.deployment import Deployment
from resources.lake.lake import scan

if TYPE_CHECKING:
    import pyarrow as pa

LEFT_OUT = ("training_set", "model", "predictions", "drift_report")
"""Stages that a rehearsal leaves out: they want history or a model."""

NOT_FEATURES = ("label", "label_time")
"""Columns of the labels that no feature may see."""


@dataclass(frozen=True)
class StageFinding:
    """Outcome of one stage, or the error that stopped it.

    A raw stage that refuses its source for too many unreadable rows has both: the error, and what was read
    nevertheless, so that every reason can be shown.
    """

    path: tuple[str, ...]
    outcome: Outcome | None
    error: str = ""

    @property
    def stops(self) -> bool:
        """True if nothing that reads this stage would run."""
        return bool(self.error) or (
            self.outcome is not None and self.outcome.metadata.get("is_blocked") is True
        )


@dataclass(frozen=True)
class Rehearsal:
    """Result of a rehearsal.

    Attributes
    ----------
    windows
        The partitions that were rehearsed, oldest first.
    findings
        By stage, of the last partition; a stage that failed has the first error.
    rows, label
        All partitions' rows to predict with their features as of each prediction, and the truth, known by
        then or not; None without a target, or where they could not be made.
    """

    pipeline: Pipeline
    windows: tuple[Window, ...]
    findings: tuple[StageFinding, ...]
    rows: pa.Table | None
    label: pa.ChunkedArray | None
    connections: Connections = field(repr=False)
    stores: DagsterStores = field(repr=False)

    @property
    def errors(self) -> tuple[StageFinding, ...]:
        """The stages that failed."""
        return tuple(finding for finding in self.findings if finding.error)

    def finding(self, *path: str) -> StageFinding | None:
        """Return what a stage did."""
        return next((finding for finding in self.findings if finding.path == path), None)


@contextmanager
def rehearsed(
    pipeline: Pipeline,
    windows: Sequence[Window],
    installed: Deployment,
    *,
    stores: DagsterStores,
    clock: datetime,
    show: Callable[[str], None],
) -> Iterator[Rehearsal]:
    """Run the stages up to the training set on some partitions, in a folder that is removed at the end.

    Nothing of the deployment is written, and nothing read but what other pipelines and code locations made: lake, registry
    and online store are the folder's own.

    Parameters
    ----------
    pipeline, windows
        What to rehearse.
    installed
        Gives threads and memory.
    stores
        What other pipelines and code locations made.
    clock
        The instant recorded as now.
    show
        Called with the name of each stage that begins.
    """
    with TemporaryDirectory(prefix="driftline-preview-") as home:
        connections = connect(replace(installed, home=Path(home), profile="local", postgres_url=None))
        findings: dict[tuple[str, ...], StageFinding] = {}
        for position, window in enumerate(windows):
            for stage in stages(pipeline):
                if stage.path[0] in LEFT_OUT or (not stage.is_partitioned and position):
                    continue
                finding = findings.get(stage.path)
                if (finding is not None and finding.stops) or _is_blocked(stage, findings):
                    continue
                show("/".join(stage.path))
                findings[stage.path] = _run(pipeline, stage, window, connections, stores, clock)
        rows, label = _featured(pipeline, windows, findings, connections)
        yield Rehearsal(pipeline, tuple(windows), tuple(findings.values()), rows, label, connections, stores)


def _is_blocked(stage: Stage, findings: dict[tuple[str, ...], StageFinding]) -> bool:
    """Tell whether a stage reads what failed, was blocked, or was never made because of such a stage."""
    return any(path not in findings or findings[path].stops for path in stage.deps)


def _run(
    pipeline: Pipeline,
    stage: Stage,
    window: Window,
    connections: Connections,
    stores: DagsterStores,
    clock: datetime,
) -> StageFinding:
    scope = Scope(window if stage.is_partitioned else None, run_id="preview", clock=clock, reason="preview")
    resources = {name: getattr(connections, name) for name in stage.resources}
    try:
        return StageFinding(
            stage.path,
            stage.run(StageRun(pipeline, scope, connections.lake, connections.engine, stores), **resources),
        )
    except DriftlineError as error:
        refused = StageFinding(stage.path, None, str(error))
    if stage.path[0] != "raw":
        return refused
    try:
        outcome = stage.run(
            StageRun(_lenient(pipeline), scope, connections.lake, connections.engine, stores), **resources
        )
    except DriftlineError:
        return refused
    return StageFinding(stage.path, outcome, refused.error)


def _lenient(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with sources that may have any share of unreadable rows."""
    datasets = {
        name: dataset.model_copy(
            update={"source": dataset.source.model_copy(update={"max_rejected_share": 1.0})}
        )
        for name, dataset in pipeline.spec.datasets.items()
    }
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"datasets": datasets}))


def _featured(
    pipeline: Pipeline,
    windows: Sequence[Window],
    findings: dict[tuple[str, ...], StageFinding],
    connections: Connections,
) -> tuple[pa.Table | None, pa.ChunkedArray | None]:
    """Join the labels of all partitions with features, as a training set would be."""
    views = [findings.get(("features", name)) for name in pipeline.spec.features]
    labels = findings.get(("labels",))
    if labels is None or labels.stops or any(view is None or view.stops for view in views):
        return None, None
    snapshot = connections.lake.snapshot(pipeline.table("labels"))
    with connections.engine.connect() as connection:
        rows = connection.sql(
            f"SELECT * FROM {scan(snapshot, [window.key for window in windows])} ORDER BY event_timestamp, row_id"
        ).to_arrow_table()
    if not rows.num_rows:
        return None, None
    featured, _ = connections.feature_store.features_for(
        pipeline, rows.drop_columns(list(NOT_FEATURES)), connections.lake
    )
    return featured, rows["label"]
