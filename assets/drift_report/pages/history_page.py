"""Model history as a page: one file without scripts, with relative links to the windows' reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from assets.drift_report.pages.downloads import Download, downloads
from assets.drift_report.pages.files import HISTORY_PAGE
from assets.drift_report.pages.history import (
    PROMOTED,
    ColumnCourse,
    HistoryWindow,
    Judgement,
    ModelHistory,
    by_history,
    by_newest,
    shortened,
)
from assets.drift_report.pages.history_pictures import (
    DARK_COLOURS,
    NARROW_COLUMNS,
    NARROW_WINDOWS,
    decision_colours,
    drift_picture,
    history_picture,
)
from assets.drift_report.pages.outcome_pictures import outcome_pictures, outcome_text
from assets.drift_report.pages.pictures import mini_picture
from assets.drift_report.pages.report_facts import SKILL_NAME, skill_fact
from assets.drift_report.pages.templates import page_template
from assets.drift_report.pages.wording import counted, headline_of, lead_of, verdict_text
from charts import page_style
from declaration.choices import METRICS_BY_PROBLEM
from drift.performance.realised import Measurement
from drift.wording import number_text, share_text, without_headline
from learning.skill import Skill

MAX_MINI_PICTURES = 40
"""Rows of the feature table with histograms: the first ones, which matter most."""

MAX_DRAWN_COLUMNS = 60
"""Rows of the picture of drift: the columns that matter most."""

OUTCOME_WIDTH = 420.0
"""Width in px of the pictures of served outcomes."""

SHOWN_ENTRIES, SHOWN_COLUMNS = 2, 3
"""Newest entries of the log, and first columns, that are open on a telephone; the others are one click away."""

ACTIONS: Mapping[str, str] = {
    "promoted": "was trained and serves from then on",
    "kept": "was trained and does not serve: the champion stays",
    "rolled back": "serves again: rolled back",
    "archived": "was archived",
    "reproduced": "was rebuilt from its training set",
}
"""Words for a ledger entry's action on its version."""

CHOSEN = "was chosen and serves from then on"
"""Words for a promotion by a person."""


@dataclass(frozen=True)
class _Feature:
    """One line of the feature table."""

    name: str
    role: str
    status: str
    importance: str
    effect: str
    bar: int | None
    n_drifted: int
    last_drifted: str
    last_page: str
    picture: Markup


@dataclass(frozen=True)
class _Entry:
    """One line of the decision log: a window's report, or a judgement in between."""

    partition: str
    page: str
    tag: str
    kind: str
    headline: str
    explanation: str
    figures: tuple[str, ...]


def render_model_history(history: ModelHistory) -> str:
    """Return the page; names, categories and explanations come from outside, and are escaped."""
    narrow = shortened(history, NARROW_WINDOWS, NARROW_COLUMNS)
    return page_template("history.html.j2").render(
        style=page_style(DARK_COLOURS),
        index_page=HISTORY_PAGE,
        history=history,
        headline=_headline(history),
        newest_text=verdict_text(history.newest.headline, history.newest.reason, history.newest.explanation),
        newest_page=page_link(history.newest),
        facts=_facts(history),
        timeline=Markup(history_picture(history, _links(history))),
        narrow_timeline=Markup(history_picture(narrow, _links(narrow), is_narrow=True)),
        n_narrow=len(narrow.windows),
        decision_colours=decision_colours(history),
        drift=Markup(
            drift_picture(history, by_history(history.columns)[:MAX_DRAWN_COLUMNS], _links(history))
        ),
        n_not_drawn=max(0, len(history.columns) - MAX_DRAWN_COLUMNS),
        narrow_drift=Markup(drift_picture(narrow, narrow.columns, _links(narrow), is_narrow=True)),
        outcomes=[Markup(svg) for svg in outcome_pictures(history.outcomes, OUTCOME_WIDTH)],
        outcome_text=outcome_text(history.outcomes),
        features=_features(history),
        n_features=SHOWN_COLUMNS,
        log_columns=_log_columns(history),
        log=_log(history),
        n_entries=SHOWN_ENTRIES,
        downloads=_downloads(history),
    )


def page_link(window: HistoryWindow) -> str:
    """Return the relative address of a window's report; '' where there is none."""
    return f"./{quote(window.page)}" if window.page else ""


def _links(history: ModelHistory) -> list[str]:
    return [page_link(window) for window in history.windows]


def _headline(history: ModelHistory) -> str:
    n_windows = len(history.windows) + history.n_earlier
    if history.serving is not None:
        return f"{history.pipeline}: version {history.serving.version} serves"
    if not history.metric:
        return f"{history.pipeline}: watched over {counted(n_windows, 'window')}"
    return f"{history.pipeline}: no model serves yet"


def _facts(history: ModelHistory) -> list[tuple[str, str, str]]:
    """Return the figures at the top: name, value, small print."""
    newest = history.newest
    n_windows = len(history.windows) + history.n_earlier
    n_drifted = sum(window.drift_status == "drifted" for window in history.windows)
    earlier = f"; {history.n_earlier:,} earlier ones are not drawn" if history.n_earlier else ""
    windows = (
        "Windows",
        f"{n_windows:,}",
        f"drift in {n_drifted} of the newest {len(history.windows)}{earlier}",
    )
    moved = f"{counted(newest.n_drifted, 'feature')} drifted{_likely(newest, ', ')} in {newest.partition}"
    drift = ("Drift score", _decimals(newest.drift_score, 2), moved)
    quality = (
        "Data quality",
        _decimals(newest.quality_score, 3),
        "in the newest window; 1 is faultless",
    )
    if not history.metric:
        return [windows, drift, ("Rows", f"{newest.n_rows:,}", f"in {newest.partition}"), quality]
    measured = [window for window in history.windows if window.metric == history.metric]
    skill = _skill_fact(measured)
    is_error_first = history.metric in METRICS_BY_PROBLEM["regression"]
    return [
        *([skill] if is_error_first else []),
        *_champion_facts(history),
        _trainings_fact(history.judgements),
        windows,
        _performance_fact(f"Realised {history.metric}", [(window.partition, window.realised) for window in measured]),
        _performance_fact(f"Estimated {history.metric}", [(window.partition, window.estimated) for window in measured]),
        *([] if is_error_first else [skill]),
        drift,
        quality,
    ]  # fmt: skip


def _likely(window: HistoryWindow, before: str) -> str:
    """Return how many features likely drifted; '' where none did."""
    return f"{before}{window.n_likely} likely" if window.n_likely else ""


def _champion_facts(history: ModelHistory) -> list[tuple[str, str, str]]:
    serving = history.serving
    if serving is None:
        return [("Champion", "none", "no training has been promoted yet")]
    learned = (
        f"trained as of {serving.trained_as_of}"
        if serving.trained_as_of
        else "trained before the ledger began"
    )
    age = "not known" if serving.age is None else counted(serving.age, "window")
    since = f"{serving.since.action} {serving.since.instant:%Y-%m-%d %H:%M} UTC"
    return [
        ("Champion", f"version {serving.version}", "\n".join(filter(None, (serving.algorithm, since)))),
        ("Its age", age, learned),
    ]


def _performance_fact(name: str, measured: Sequence[tuple[str, Measurement]]) -> tuple[str, str, str]:
    """Return the newest known value: labels of the newest window are often still to come."""
    known_values = [(partition, measurement) for partition, measurement in measured if measurement.is_known]
    if not known_values:
        return name, "–", "not known in any of these windows"
    partition, measurement = known_values[-1]
    unseen = f"{share_text(measurement.unseen_share)} of classes never seen" if measurement.n_unseen else ""
    return (
        name,
        number_text(measurement.value),
        ", ".join(filter(None, (_interval(measurement), f"in {partition}", unseen))),
    )


def _skill_fact(measured: Sequence[HistoryWindow]) -> tuple[str, str, str]:
    """Return the newest known skill against the best naive baseline."""
    windows = [window for window in measured if window.skill is not None]
    if not windows:
        return SKILL_NAME, "–", "not known in any of these windows"
    name, value, small = skill_fact(windows[-1].skill)
    return name, value, f"in {windows[-1].partition}: {small}"


def _trainings_fact(judgements: Sequence[Judgement]) -> tuple[str, str, str]:
    trainings = [judgement for judgement in judgements if judgement.is_training]
    n_promoted = sum(judgement.action == "promoted" for judgement in trainings)
    n_back = len(judgements) - len(trainings)
    parts = [f"{n_promoted} promoted", f"{len(trainings) - n_promoted} not"]
    if n_back:
        parts.append(counted(n_back, "rollback"))
    return "Trainings", str(len(trainings)), ", ".join(parts)


def _decimals(value: float | None, n: int) -> str:
    """Write with n decimals, so that a column of numbers stands in line."""
    return "–" if value is None else f"{value:.{n}f}"


def _interval(measured: Measurement) -> str:
    if measured.low is None or measured.high is None:
        return ""
    return f"{measured.low:.4g} to {measured.high:.4g}"


def _features(history: ModelHistory) -> list[_Feature]:
    return [
        _feature(history, column, is_drawn=index < MAX_MINI_PICTURES)
        for index, column in enumerate(by_newest(history.columns))
    ]


def _feature(history: ModelHistory, column: ColumnCourse, *, is_drawn: bool) -> _Feature:
    state, drifted = column.states[-1], column.drifted_in
    reference, current = (
        (history.reference or {}).get(column.column),
        (history.current or {}).get(column.column),
    )
    strength = state.strength if state is not None else None
    pages = {window.partition: page_link(window) for window in history.windows}
    return _Feature(
        name=column.column,
        role="" if column.role in ("feature", column.column) else column.role,
        status=state.status if state is not None else "not judged",
        importance=f"{column.importance:.3f}" if column.role == "feature" and history.metric else "–",
        effect=_decimals(state.effect, 3) if state is not None else "–",
        bar=None if strength is None else round(100 * strength),
        n_drifted=len(drifted),
        last_drifted=drifted[-1] if drifted else "",
        last_page=pages.get(drifted[-1], "") if drifted else "",
        picture=Markup(mini_picture(reference, current) if is_drawn and reference and current else ""),
    )


def _log_columns(history: ModelHistory) -> list[str]:
    figures = [f"{history.metric} realised", "skill", "estimated", "served by"] if history.metric else []
    return [*figures, "drift score", "drifted", "quality"]


def _log(history: ModelHistory) -> list[_Entry]:
    """List reports and judgements, newest first; a judgement follows the window it was trained as of."""
    after: dict[int, list[Judgement]] = {}
    for judgement in history.judgements:
        after.setdefault(history.position_of(judgement.partition), []).append(judgement)
    entries = []
    for position in range(len(history.windows), 0, -1):
        entries += [_judgement_entry(judgement) for judgement in reversed(after.get(position, []))]
        entries.append(_window_entry(history, history.windows[position - 1]))
    return entries


def _judgement_entry(judgement: Judgement) -> _Entry:
    who = "" if judgement.is_training else f" by {judgement.actor}"
    is_chosen = judgement.action == PROMOTED and not judgement.is_training
    action = CHOSEN if is_chosen else ACTIONS.get(judgement.action, judgement.action)
    reason = headline_of(judgement.reason)
    return _Entry(
        partition=f"after {judgement.partition}",
        page="",
        tag=judgement.action,
        kind="judgement",
        headline=f"version {judgement.version} {action}{who}",
        explanation=". ".join(
            filter(None, (judgement.explanation.rstrip("."), f"Asked for: {reason}" if reason else ""))
        ),
        figures=(),
    )


def _window_entry(history: ModelHistory, window: HistoryWindow) -> _Entry:
    performance = (
        (
            number_text(window.realised.value),
            _decimals(window.skill.skill if window.skill else None, 2),
            number_text(window.estimated.value),
            "–" if window.model_version is None else f"v{window.model_version}",
        )
        if history.metric
        else ()
    )
    return _Entry(
        partition=window.partition,
        page=page_link(window),
        tag=window.severity,
        kind=window.severity,
        headline=lead_of(window.headline, window.reason),
        explanation=without_headline(window.explanation, lead_of(window.headline, window.reason)),
        figures=(
            *performance,
            _decimals(window.drift_score, 2),
            f"{window.n_drifted}{_likely(window, ' + ')}" if window.drift_status else "–",
            _decimals(window.quality_score, 3),
        ),
    )


def _downloads(history: ModelHistory) -> tuple[Download, ...]:
    windows = [
        {
            **{
                name: value
                for name, value in vars(window).items()
                if name != "skill" and not isinstance(value, Measurement)
            },
            "metric": window.metric,
            **_measured("realised", window.realised),
            **_measured("estimated", window.estimated),
            **_skill_fields(window.skill),
        }
        for window in history.windows
    ]
    columns = [
        dict(vars(state)) for column in by_newest(history.columns) if (state := column.states[-1]) is not None
    ]
    ledger = [dict(vars(judgement)) for judgement in history.judgements]
    tables = {"windows": windows, "columns": columns, "ledger": ledger}
    facts = {"pipeline": history.pipeline, "n_earlier": history.n_earlier}
    return downloads(f"{history.pipeline}-history", tables, facts)


def _measured(name: str, measurement: Measurement) -> dict[str, object]:
    return {name: measurement.value, f"{name}_low": measurement.low, f"{name}_high": measurement.high}


def _skill_fields(skill: Skill | None) -> dict[str, object]:
    if skill is None:
        return dict.fromkeys(("skill", "skill_low", "skill_high", "baseline", "baseline_value"))
    return {
        "skill": skill.skill,
        "skill_low": skill.low,
        "skill_high": skill.high,
        "baseline": skill.baseline,
        "baseline_value": skill.baseline_value,
    }
