"""Columns that came to a source and that nobody has declared: told once, until a declaration names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from assets.raw.source_columns import is_named
from declaration.alerts import IncidentKind, Signal
from declaration.datasets import DatasetSpec
from declaration.text import one_line
from pipelines.alerting.incidents import Facts

KIND: IncidentKind = "new_source_columns"

ACTION = "Nothing reads them. Declare those that are wanted, with `since` where their history begins; the others stay out of the lake."


def source_column_facts(
    pipeline: str,
    datasets: Mapping[str, DatasetSpec],
    new: Mapping[str, Sequence[Mapping[str, object]]],
    *,
    now: datetime,
    silences: Sequence[str] = (),
    link: str | None = None,
) -> Facts:
    """Say which columns of a pipeline's sources are new and named by no dataset.

    Parameters
    ----------
    pipeline, datasets
        Whose sources.
    new
        Rows of the columns that came after the first run, by dataset.
    now
        Instant (UTC).
    silences
        Reasons of the silences that hold now: when one ends, what it hid is looked at again.
    link
        Where the pipeline is seen.

    Returns
    -------
    Facts
        One event for as long as the same columns are unnamed.
    """
    found = {
        (dataset, str(row["column"])): row
        for dataset, rows in new.items()
        for row in rows
        if not is_named(datasets[dataset], str(row["column"]))
    }
    signals = tuple(
        Signal(KIND, f"first seen by run {row['run_id']}{_where(row)}.", one_line(f"{dataset}.{column}"))
        for (dataset, column), row in found.items()
    )
    state = (sorted(found), sorted(silences))
    return Facts(
        pipeline=pipeline,
        event=f"source columns {sha256(repr(state).encode()).hexdigest()[:16]}",
        position=now.isoformat(timespec="microseconds"),
        occurred_at=now,
        found=signals,
        judges=frozenset({KIND}),
        action=ACTION if signals else "",
        link=link,
        ended={
            one_line(f"{dataset}.{row['column']}"): "the dataset names it now."
            for dataset, rows in new.items()
            for row in rows
            if (dataset, str(row["column"])) not in found
        },
    )


def _where(row: Mapping[str, object]) -> str:
    return f", in partition {row['partition']}" if row["partition"] else ""
