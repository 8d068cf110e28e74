"""Pictures of a model history: performance with every decision, and drift of every column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assets.drift_report.pages.history import (
    PROMOTED,
    ROLLED_BACK,
    ColumnCourse,
    HistoryWindow,
    Judgement,
    ModelHistory,
)
from assets.drift_report.pages.series import course, number
from charts import Columns, Event, Lane, Shape, State, columns_of, heatmap, timeline

DRIFT_SCORE = "drift score, all features"

DECISION_COLOURS: Mapping[str, str] = {
    "nothing asked": "#cfe8d8",
    "warning": "#f3dfa0",
    "training held back": "#d9d2ec",
    "training asked for": "#9cc3ec",
    "performance lost, training asked for": "#e58a6a",
    "critical": "#f6cdbc",
    "blocked: broken data": "#a0a7b4",
}
"""What a window's decision was, and its colour."""

VERSION_COLOURS = ("#dbe7f5", "#efe3d3")
"""Two in turn, so that one version ends where the next begins."""

DARK_COLOURS: Mapping[str, str] = {
    "#cfe8d8": "#2a5a40",
    "#f3dfa0": "#7a6420",
    "#d9d2ec": "#4e4573",
    "#9cc3ec": "#2c5d92",
    "#e58a6a": "#b4532f",
    "#f6cdbc": "#7d3a24",
    "#a0a7b4": "#5c6675",
    "#dbe7f5": "#2b4563",
    "#efe3d3": "#5a4a36",
}
"""The same on a dark page."""

EVENTS: Mapping[Shape, str] = {
    "up": "trained and promoted",
    "cross": "trained, not promoted",
    "back": "rolled back",
}
"""Decisions about a model by their mark."""

HEIGHT, NARROW_HEIGHT = 210, 150
"""Of the panel of performance, in px."""

NARROW_WIDTH, NARROW_ROW_LETTERS = 354, 18
"""Width of a picture on a telephone in px, and letters of a row's name there."""

NARROW_WINDOWS, NARROW_COLUMNS = 12, 7
"""Newest windows and most important columns that such a picture shows."""


def history_picture(history: ModelHistory, links: Sequence[str], *, is_narrow: bool = False) -> str:
    """Draw realised and estimated performance, the gate's decisions, who served, and each window's decision."""
    columns = _columns(history, links, is_narrow=is_narrow)
    lanes = [Lane("decision", [_decision(window) for window in history.windows])]
    if not history.metric:
        return timeline(columns, title="Decisions by window", lanes=lanes)
    events = [event for judgement in history.judgements if (event := _event(history, judgement))]
    lanes.insert(0, Lane("served by", _versions(history)))
    measured = [window if window.metric == history.metric else None for window in history.windows]
    return timeline(
        columns,
        title=f"{history.metric} by window",
        courses=[
            course("realised", [window.realised if window else None for window in measured]),
            course(
                "estimated before labels",
                [window.estimated if window else None for window in measured],
                is_expected=True,
            ),
        ],
        guide=(
            "holdout of the version that served",
            [number(window.reference_metric if window else None) for window in measured],
        ),
        events=events,
        event_names={
            shape: EVENTS[shape] for shape in EVENTS if any(event.shape == shape for event in events)
        },
        lanes=lanes,
        panel_height=NARROW_HEIGHT if is_narrow else HEIGHT,
    )


def drift_picture(
    history: ModelHistory, ordered: Sequence[ColumnCourse], links: Sequence[str], *, is_narrow: bool = False
) -> str:
    """Draw how surely each column had moved in each window; '' where no window was compared."""
    if not ordered:
        return ""
    scores = [number(window.drift_score) for window in history.windows]
    return heatmap(
        [DRIFT_SCORE, *(_title(column) for column in ordered)],
        _columns(history, links, is_narrow=is_narrow),
        [scores, *(column.strengths for column in ordered)],
        title="Sure effect of each column by window",
        ends=("nothing sure", "drift"),
        dividers=[
            index
            for index, (before, after) in enumerate(
                zip(history.windows[:-1], history.windows[1:], strict=True), start=1
            )
            if before.model_version != after.model_version
        ],
        divided_by="another version, another reference",
    )


def _columns(history: ModelHistory, links: Sequence[str], *, is_narrow: bool) -> Columns:
    """Place the windows; both pictures leave the same room for names, so that they stand in line."""
    rows = [DRIFT_SCORE, *(_title(column) for column in history.columns)]
    names = [window.partition for window in history.windows]
    if is_narrow:
        return columns_of(names, rows, width=NARROW_WIDTH, links=links, row_limit=NARROW_ROW_LETTERS)
    return columns_of(names, rows, links=links)


def _title(column: ColumnCourse) -> str:
    return column.column if column.role in ("feature", column.column) else f"{column.column} ({column.role})"


def _event(history: ModelHistory, judgement: Judgement) -> Event | None:
    """Place a judgement at the end of the window it was trained as of; None before the first that is drawn, and of a version that was archived or rebuilt."""
    position = history.position_of(judgement.partition)
    if position == 0 or not (judgement.is_training or judgement.action in (PROMOTED, ROLLED_BACK)):
        return None
    shape: Shape = (
        "up" if judgement.action == PROMOTED else "back" if judgement.action == ROLLED_BACK else "cross"
    )
    return Event(
        position,
        shape,
        f"version {judgement.version} {judgement.action} as of {judgement.partition}: {judgement.explanation}",
    )


def _versions(history: ModelHistory) -> list[State]:
    states, colour, before = [], 0, history.windows[0].model_version
    for window in history.windows:
        if window.model_version != before:
            colour, before = 1 - colour, window.model_version
        if window.model_version is None:
            states.append(State("none", "#f4f6f8", "no model yet"))
        else:
            text = f"v{window.model_version}"
            states.append(State(text, VERSION_COLOURS[colour], f"version {window.model_version}"))
    return states


def _decision(window: HistoryWindow) -> State:
    kind = _kind(window)
    # The tooltip names the window: neighbours with one decision stay apart.
    return State("", DECISION_COLOURS[kind], f"{window.partition}: {kind}. {window.explanation}")


def decision_colours(history: ModelHistory) -> Mapping[str, str]:
    """Return the decisions that occur, and their colours."""
    kinds = {_kind(window) for window in history.windows}
    return {kind: colour for kind, colour in DECISION_COLOURS.items() if kind in kinds}


def _kind(window: HistoryWindow) -> str:
    if window.reason == "broken_data":
        return "blocked: broken data"
    if window.is_retrain_requested:
        return (
            "performance lost, training asked for" if window.reason == "performance" else "training asked for"
        )
    if window.reason in ("cooldown", "few_labels", "approval"):
        return "training held back"
    return window.severity if window.severity in DECISION_COLOURS else "nothing asked"
