"""Statuses in a terminal: one row a pipeline, or one pipeline in lines with its newest windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift.wording import without_headline
from driftline.printing import console
from driftline.status.next_run import NextRun
from driftline.status.reading import PipelineStatus, WindowStatus

N_SHOWN = 12
"""Newest windows that are listed of one pipeline."""

NOTHING = Text("–", style="dim")

GOOD, WARNING, BAD = "green", "yellow", "red"

DRIFT_STYLES = {
    "stable": GOOD,
    "drifted": WARNING,
    "likely": WARNING,
    "cannot be judged": "dim",
    "insufficient data": "dim",
}

TITLES = (
    "pipeline",
    "window",
    "quality",
    "drift",
    "champion",
    "on labels (holdout)",
    "next run",
    "incidents",
    "waits for",
)

SHORT = ("pipeline", "window", "quality", "champion", "incidents")
"""Columns that are not wrapped: a narrow terminal has room for them."""


def print_overview(
    statuses: Sequence[PipelineStatus], home: Path, folder: Path, to: Console | None = None
) -> None:
    """Print a row for each pipeline; faults and a home that is not there in lines below."""
    to = to or console()
    if not statuses:
        to.print(
            f"{folder} declares no pipeline. `driftline new NAME` makes one.", markup=False, soft_wrap=True
        )
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, header_style="bold")
    for title in TITLES:
        table.add_column(title, no_wrap=title in SHORT, overflow="fold")
    for status in statuses:
        table.add_row(*_cells(status))
    to.print(table)
    if not home.exists():
        to.print(
            f"Nothing has run: {home} does not exist yet. `driftline replay NAME` makes it.",
            markup=False,
            soft_wrap=True,
        )
    for status in statuses:
        message = status.fault or (status.newest.headline if status.newest else "")
        if message:
            to.print(f"{status.pipeline}: {message}", markup=False, highlight=False, soft_wrap=True)


def print_pipeline(status: PipelineStatus, to: Console | None = None) -> None:
    """Print one pipeline in lines, and its newest windows as a table."""
    to = to or console()
    to.print(Text.assemble((status.pipeline, "bold"), "  ", status.description))
    if status.fault:
        to.print(Text(f"{status.state}: ", style=BAD).append(status.fault), soft_wrap=True)
        return
    width = max(len(title) for title, _ in _lines(status))
    for title, text in _lines(status):
        to.print(Text.assemble((f"  {title:<{width}}  ", "dim"), text), soft_wrap=True)
    if status.windows:
        to.print(_windows_table(status.windows[-N_SHOWN:]))


def _cells(status: PipelineStatus) -> tuple[Text, ...]:
    if status.fault:
        first = _first_line(status.fault)
        return (
            Text(status.pipeline),
            NOTHING,
            NOTHING,
            Text(status.state, style=BAD),
            *[NOTHING] * 4,
            Text(first, style=BAD),
        )
    newest = status.newest
    waits = Text("; ".join(waiting.text for waiting in status.waits_for) or "nothing")
    waits.stylize(WARNING if status.waits_for else "dim")
    if newest is None:
        return (
            Text(status.pipeline),
            Text(status.state, style="dim"),
            *[NOTHING] * 4,
            _next_run(status.next_run),
            _incidents(status),
            waits,
        )
    return (
        Text(status.pipeline),
        Text(newest.partition),
        _number(newest.quality_score),
        _drift(newest),
        Text(f"v{status.champion}") if status.champion else NOTHING,
        _metric(status),
        _next_run(status.next_run),
        _incidents(status),
        waits,
    )


def _lines(status: PipelineStatus) -> Iterator[tuple[str, Text]]:
    newest = status.newest
    if newest is None:
        yield "state", Text("never ran")
    else:
        yield (
            "newest window",
            Text(f"{newest.partition}, {newest.n_rows:,} rows, {newest.n_labelled:,} labelled"),
        )
        yield "quality", _number(newest.quality_score)
        yield "drift", _drift(newest).append(_features(newest))
        yield (
            "verdict",
            Text(newest.headline, style="bold").append(
                f" {without_headline(newest.explanation, newest.headline)}", style="not bold"
            ),
        )
        yield "champion", Text(f"version {status.champion}" if status.champion else "none yet")
        yield "on labels", _long_metric(status)
    why = f": {status.next_run.note}" if status.next_run and status.next_run.begun_by == "nothing" else ""
    yield "next run", _next_run(status.next_run).append(why)
    yield (
        "incidents",
        Text("none")
        if not status.incidents
        else Text(
            "; ".join(f"{i.severity}: {i.text} (since {i.opened_in})" for i in status.incidents),
            style=WARNING,
        ),
    )
    for waiting in status.waits_for:
        yield "waits for", Text(f"{waiting.text}. ", style=WARNING).append(waiting.detail, style="default")
    if not status.waits_for:
        yield "waits for", Text("nothing")


def _features(window: WindowStatus) -> str:
    """Name the features that drifted, that likely did, and that cannot be judged."""
    likely, unjudged = (", ".join(names) for names in (window.likely_features, window.unjudged_features))
    named = [", ".join(window.drifted_features)]
    named += [f"likely {likely}"] if likely else []
    named += [f"cannot be judged: {unjudged}"] if unjudged else []
    text = "; ".join(filter(None, named))
    return f": {text}" if text else ""


def _windows_table(windows: Sequence[WindowStatus]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("window", "rows", "labelled", "quality", "drift", "realised", "estimated", "by", "retrain"):
        table.add_column(title, justify="left" if title in ("window", "drift", "retrain") else "right")
    for window in windows:
        table.add_row(
            window.partition,
            f"{window.n_rows:,}" if window.n_rows else NOTHING,
            f"{window.n_labelled:,}",
            _number(window.quality_score),
            _drift(window),
            _number(window.realised),
            _number(window.estimated),
            f"v{window.model_version}" if window.model_version else NOTHING,
            "asked" if window.is_retrain_requested else "",
        )
    return table


def _number(value: float | None) -> Text:
    return NOTHING if value is None else Text(f"{value:.3f}")


def _drift(window: WindowStatus) -> Text:
    if window.drift_status is None:
        return NOTHING.copy()
    score = "" if window.drift_score is None else f" {window.drift_score:.2f}"
    return Text(f"{window.drift_status}{score}", style=DRIFT_STYLES.get(window.drift_status, ""))


def _metric(status: PipelineStatus) -> Text:
    window = status.labelled
    if window is None or window.realised is None:
        return NOTHING
    text = Text(f"{window.metric} {window.realised:.3f}")
    if window.holdout is not None:
        text.append(f" ({window.holdout:.3f})")
    if window.skill is not None:
        text.append(f", skill {window.skill:.2f}")
    if window.model_version != status.champion:
        text.append(f" by v{window.model_version}")
    return text


def _long_metric(status: PipelineStatus) -> Text:
    window = status.labelled
    if window is None or window.realised is None:
        return Text("no labels yet")
    interval = (
        "" if window.realised_low is None else f" ({window.realised_low:.3f} to {window.realised_high:.3f})"
    )
    holdout = "" if window.holdout is None else f", {window.holdout:.3f} on the holdout"
    return Text(
        f"{window.metric} {window.realised:.3f}{interval} in {window.partition}, by version {window.model_version}{holdout}"
    )


def _next_run(run: NextRun | None) -> Text:
    if run is None:
        return NOTHING.copy()
    if run.at is None:
        return Text("none left" if run.begun_by == "nothing" else run.note, style="dim")
    return Text(f"{run.at:%Y-%m-%d %H:%M %Z}")


def _incidents(status: PipelineStatus) -> Text:
    if not status.incidents:
        return Text("none", style="dim")
    worst = max(
        status.incidents, key=lambda incident: ("info", "warning", "critical").index(incident.severity)
    )
    style = BAD if worst.severity == "critical" else WARNING
    kinds = ", ".join(dict.fromkeys(incident.kind for incident in status.incidents))
    return Text(f"{len(status.incidents)}: {kinds}", style=style)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
