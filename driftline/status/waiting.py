"""Events that a pipeline waits for: a source, a run, a retrain, labels, or a refresh that is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.sources.blocks import FileSourceBlock
from driftline.status.runs import Run
from resources.lake.lake import Lake
from resources.model_registry.ledger import Decision
from resources.model_registry.open_approval import approval_text, open_approval
from resources.model_registry.waits import read_waits
from sources.files import SourceError, source_files


@dataclass(frozen=True)
class Waiting:
    """One thing that must happen before the pipeline goes on.

    Attributes
    ----------
    what
        Its kind.
    text
        In a few words.
    detail
        What is known about it; may be empty.
    """

    what: Literal["source", "run", "retrain", "labels", "approval", "refresh"]
    text: str
    detail: str = ""


def waiting(
    pipeline: Pipeline,
    lake: Lake,
    newest: str | None,
    decisions: Sequence[Decision],
    now: datetime,
    runs: Callable[[], Sequence[Run]],
    *,
    is_retrain_requested: bool,
    labelled: str | None,
) -> tuple[Waiting, ...]:
    """List what a pipeline waits for, most pressing first.

    Parameters
    ----------
    pipeline, lake
        Whose, and where its tables are.
    newest
        Partition of the newest report.
    decisions
        The ledger.
    now
        The instant by which partitions have ended.
    runs
        Gives the newest runs; asked only where one is open.
    is_retrain_requested
        Whether the newest report asks for a retrain.
    labelled
        Newest partition whose metric is known.
    """
    due = due_partitions(pipeline, newest, now)
    reasons = list(_missing_sources(pipeline, due[0] if due else None))
    begun = _begun(pipeline, lake, newest)
    if begun is not None:
        reasons.append(_open_refresh(pipeline, lake, begun, runs()))
    approval = open_approval(decisions, now)
    if approval is not None:
        text = f"a person's approval of version {approval.version}"
        reasons.append(Waiting("approval", text, approval_text(approval, pipeline.name)))
    trained = {decision.partition for decision in decisions}
    waits = [wait for wait in read_waits(lake, pipeline.name) if wait.partition not in trained]
    unanswered = newest is not None and is_retrain_requested and newest not in trained
    if waits and (newest is None or waits[-1].partition == newest or not decisions):
        reasons.append(Waiting("labels", "labels to train with", waits[-1].needed))
    elif unanswered and newest is not None:
        reasons.append(_open_retrain(newest, runs()))
    elif pipeline.spec.target is not None and newest is not None and labelled != newest:
        since = "none of the newest windows has any" if labelled is None else f"the newest are of {labelled}"
        reasons.append(
            Waiting("labels", f"labels of {newest}", f"Without them nothing tells how good it was; {since}.")
        )
    if due and begun is None:
        reasons.append(_due(pipeline, due, is_first=newest is None))
    if newest is None and not reasons:
        reasons.append(Waiting("refresh", "its first run", f"driftline replay {pipeline.name} begins it."))
    return tuple(reasons)


def due_partitions(pipeline: Pipeline, newest: str | None, now: datetime) -> Sequence[str]:
    """List the partitions of time that have ended and are newer than the newest report; rows and loads do not end by a clock."""
    form = partitioning(pipeline.spec.partitions)
    if not form.ends_by_clock:
        return ()
    return [window.key for window in form.windows(until=now) if newest is None or window.key > newest]


def _due(pipeline: Pipeline, due: Sequence[str], *, is_first: bool) -> Waiting:
    many = f"{len(due):,} partitions" if len(due) > 1 else due[0]
    span = f"{due[0]} to {due[-1]} have ended." if len(due) > 1 else f"{due[0]} has ended."
    text = f"its first run ({many})" if is_first else f"the refresh of {many}"
    return Waiting("refresh", text, f"{span} driftline replay {pipeline.name} runs what is due.")


def _missing_sources(pipeline: Pipeline, due: str | None) -> Iterator[Waiting]:
    """Look for the files of local sources; what is fetched or called is not asked for a status."""
    for name, dataset in pipeline.spec.datasets.items():
        source = dataset.source
        if not isinstance(source, FileSourceBlock) or not source.is_local:
            continue
        if source.has_partition_files and due is None:
            continue
        try:
            source_files(
                source,
                folder=Path(pipeline.folder),
                partition=due if source.has_partition_files else None,
            )
        except SourceError as error:
            yield Waiting("source", f"the source of '{name}'", str(error))


def _begun(pipeline: Pipeline, lake: Lake, newest: str | None) -> str | None:
    """Return the newest partition that has raw rows and no report yet."""
    keys: list[str] = []
    for name, dataset in pipeline.spec.datasets.items():
        table = pipeline.table("raw", name)
        if dataset.is_partitioned and lake.has(table):
            keys += lake.snapshot(table).partitions[-1:]
    last = max(keys, default=None)
    return last if last is not None and (newest is None or last > newest) else None


def _open_refresh(pipeline: Pipeline, lake: Lake, partition: str, runs: Sequence[Run]) -> Waiting:
    run = next(
        (candidate for candidate in runs if candidate.partition == partition and not candidate.is_retrain),
        None,
    )
    if run is not None and run.state == "goes on":
        return Waiting("run", f"the run of {partition}, which goes on", f"Run {run.run_id}.")
    blocked = [name for name in pipeline.spec.datasets if _is_blocked(pipeline, lake, name, partition)]
    if blocked:
        detail = f"A blocking expectation failed in {', '.join(blocked)}. Mend the data or the rule, and run it again."
        return Waiting("run", f"the run of {partition}, which expectations stopped", detail)
    why = f"Run {run.run_id} failed" if run is not None and run.state == "failed" else "It has no report"
    text = f"the run of {partition}, which {'failed' if run is not None else 'has not ended'}"
    return Waiting(
        "run", text, f"{why}; driftline run {pipeline.name} --partition {partition} runs it again."
    )


def _is_blocked(pipeline: Pipeline, lake: Lake, dataset: str, partition: str) -> bool:
    table = pipeline.table("quality", dataset)
    if not lake.has(table):
        return False
    return any(lake.read(table, partitions=[partition])["is_blocked"].to_pylist())


def _open_retrain(partition: str, runs: Sequence[Run]) -> Waiting:
    run = next(
        (candidate for candidate in runs if candidate.partition == partition and candidate.is_retrain), None
    )
    if run is None:
        return Waiting(
            "retrain",
            f"the retrain as of {partition}",
            "It was asked for and has not begun; the drift sensor begins it.",
        )
    if run.state == "goes on":
        return Waiting("retrain", f"the retrain as of {partition}, which goes on", f"Run {run.run_id}.")
    state = "failed" if run.state == "failed" else "left no decision"
    return Waiting(
        "retrain",
        f"the retrain as of {partition}, which {state}",
        f"Run {run.run_id}; its log is in the web UI.",
    )
