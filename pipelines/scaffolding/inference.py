"""Inference of a source's types, clock, key, entities, target and rules: each is inferred, or asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.names import is_url
from declaration.sources.sql import SqlSourceSpec
from declaration.sql import quote_identifier, scalar
from declaration.types import TIMES
from pipelines.loading.problems import hint
from pipelines.scaffolding.clock import (
    check_event_time,
    clock_of_files,
    clock_of_sample,
    find_clock,
    lookback_of,
)
from pipelines.scaffolding.columns import TYPED, Column, FileColumns, describe
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.findings import Findings
from pipelines.scaffolding.forecast import history_view as history_view_of_series
from pipelines.scaffolding.forecast import holiday_feature
from pipelines.scaffolding.forms import Form, forms_of_texts
from pipelines.scaffolding.number_signs import with_number_signs
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.parquet_forms import forms_of_types
from pipelines.scaffolding.roles import (
    Key,
    find_entities,
    find_key,
    is_code,
    is_unique_like,
    rank_targets,
    target_of,
)
from pipelines.scaffolding.rules import suggest
from pipelines.scaffolding.series import find_series
from pipelines.scaffolding.source import OpenedSource, doubts
from pipelines.scaffolding.stated import find_cursor, stated_key, stated_rules
from pipelines.scaffolding.text import sql_name
from pipelines.scaffolding.tried import as_text_where_rejected
from pipelines.scaffolding.views import View, history_view, identifier
from sources.described import Described

if TYPE_CHECKING:
    import duckdb

    from learning.leaks import Suspicion
    from pipelines.scaffolding.clock import Clock
    from pipelines.scaffolding.roles import Target
    from pipelines.scaffolding.series import Series

SAMPLE_ROWS = 100_000
"""Rows on which columns are tried against the label."""

LATER_HINTS = (
    "label",
    "closed",
    "resolved",
    "reported",
    "deliver",
    "return",
    "complet",
    "end",
    "outcome",
    "paid",
    "arriv",
)
"""Parts of names of times at which an outcome becomes known."""


def _described(
    opened: OpenedSource, options: ScaffoldOptions, *, is_sample: bool
) -> tuple[FileColumns, Clock]:
    """Describe the columns in types in which the raw room reads every row that can be read at all, and find the clock."""
    forms = _forms(opened)
    while True:
        columns = describe(opened, forms)
        _check_options(options, columns)
        clock = _clock(opened, columns, options.event_time, is_sample=is_sample)
        changed = as_text_where_rejected(opened, forms, columns, clock.event_time)
        if not changed:
            return columns, clock
        forms = {**forms, **changed}


def _forms(opened: OpenedSource) -> dict[str, Form]:
    """Find the forms of columns: of types, where there are some; SQLite has none of times, whose texts are read as what they say."""
    if not opened.types:
        return forms_of_texts(opened, opened.columns)
    forms = forms_of_types(opened.connection, opened.types)
    url = opened.source.url if isinstance(opened.source, SqlSourceSpec) else None
    if isinstance(url, str) and url.startswith("sqlite:"):
        texts = [name for name, kind in opened.types.items() if kind == "VARCHAR"]
        said = forms_of_texts(opened, texts) if texts else {}
        # As they stand alone: the database is asked for a window of them.
        forms |= {name: form for name, form in said.items() if form.type in TIMES and form.sql is None}
    return forms


def _clock(opened: OpenedSource, columns: FileColumns, event_time: str | None, *, is_sample: bool) -> Clock:
    if opened.keys:
        return clock_of_files(columns, opened.keys, event_time)
    if is_sample and event_time is None:
        return clock_of_sample(columns)
    return find_clock(opened.connection, columns, event_time)


def _check_options(options: ScaffoldOptions, columns: FileColumns) -> None:
    names = [column.name for column in columns.columns]
    if options.target is not None:
        _known("--target", options.target, names)
    if options.event_time is not None and options.event_time != "rows":
        _known("--event-time", options.event_time, names)
        check_event_time(columns, options.event_time)


def find(
    options: ScaffoldOptions,
    opened: OpenedSource,
    folder: Path,
    known: Described | None = None,
    *,
    is_sample: bool = False,
) -> Findings:
    """Find types, clock, key, entities, rules, target and leaks of a source; with `is_sample` of the first rows of more.

    Raises
    ------
    ScaffoldError
        If what the user named is not there, or cannot be used as asked.
    """
    opened = with_number_signs(opened)
    connection, source = opened.connection, opened.source
    columns, clock = _described(opened, options, is_sample=is_sample)
    names = [column.name for column in columns.columns]
    target = target_of(columns[options.target]) if options.target is not None else None
    named = _asked_entities(options.entity, names)
    dataset = _dataset_name(source.subject)
    entities = named or [(name,) for name in find_entities(columns, clock, options.target)]
    if clock.every == "load" and named:
        raise ScaffoldError(
            f"--entity {options.entity}: without a time there is no past to aggregate. Name --event-time too, "
            "or leave --entity out."
        )
    known = known or Described()
    key = stated_key(known, columns) or find_key(
        connection, columns, clock, [name for keys in entities for name in keys]
    )
    series = None
    # Rows with an identifier of their own are events, however evenly they come.
    is_identified = not key.is_made and clock.event_time not in key.columns
    if target is not None and target.problem == "regression" and not is_identified:
        series = find_series(
            connection, columns, clock, target.column, [name for keys in named for name in keys]
        )
    holidays = _holidays(options.holidays, series)
    made_columns = {"rows": "row_time", "load": "load_time"}
    event_time = clock.event_time or made_columns[clock.every]
    request = tuple(
        c for c in columns.columns if _can_be_feature(c, options.target, key.columns, clock.event_time)
    )
    suspicions = _suspicions(connection, request, target)
    label_time, label_question = _label_time(connection, columns, clock, event_time, options.target)
    lookback = lookback_of(clock.every) if clock.every != "load" else ""
    if series is not None:
        key = Key(
            (*series.keys, series.time),
            f"a row for each step of a series, on all {columns.columns[0].n_rows:,} rows",
        )
    views = (
        (history_view_of_series(series, dataset),)
        if series is not None
        else _views(entities, dataset, event_time, lookback, request, suspicions)
        if clock.every != "load"
        else ()
    )
    return Findings(
        dataset=dataset,
        source=source,
        path=_shown_path(source.place, folder),
        n_rejected=opened.n_rejected,
        doubts=tuple(doubts(opened)),
        columns=columns,
        clock=clock,
        key=key,
        entities=views,
        rules=tuple(stated_rules(suggest(columns, key, clock.event_time), known)),
        target=target,
        candidates=rank_targets(columns, key, [name for keys in entities for name in keys]),
        label_time=label_time,
        label_question=label_question,
        request=request,
        suspicions=suspicions,
        lookback=lookback,
        series=series,
        holidays=holidays,
        known=known,
        cursor=find_cursor(known, columns, clock.event_time) if isinstance(source, SqlSourceSpec) else None,
        is_sample=is_sample,
    )


def _holidays(region: str | None, series: Series | None) -> tuple[str, str] | None:
    if region is None:
        return None
    if series is None:
        raise ScaffoldError(
            f"--holidays {region}: no series was found, a number at regular steps that --target names. Leave it out."
        )
    return holiday_feature(region, series)


def _dataset_name(path: str) -> str:
    """Name a dataset by its file, or by the folder of its files."""
    for part in reversed(Path(path).parts):
        name = part.split(".")[0]
        if not any(sign in name for sign in "*?[{"):
            return identifier(name, fallback="data")
    return "data"


def _known(option: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ScaffoldError(
            f"{option} {name}: the file has no such column. It has: {', '.join(names)}.{hint(name, names)}"
        )


def _asked_entities(text: str | None, names: Sequence[str]) -> list[tuple[str, ...]]:
    entities = (
        [tuple(part.split("+")) if part not in names else (part,) for part in text.split(",")] if text else []
    )
    for keys in entities:
        for key in keys:
            _known("--entity", key, names)
    return entities


def _shown_path(path: str, folder: Path) -> str:
    """Write a path inside the declaration's folder relative to it: the folder can be moved."""
    if is_url(path):
        return path
    file = Path(path)
    return str(file.relative_to(folder.resolve())) if file.is_relative_to(folder.resolve()) else path


def _can_be_feature(column: Column, target: str | None, key: Sequence[str], event_time: str | None) -> bool:
    is_named = column.name in (target, event_time, *key)
    return not (is_named or column.is_time or column.is_constant or is_unique_like(column))


def _suspicions(
    connection: duckdb.DuckDBPyConnection, request: Sequence[Column], target: Target | None
) -> tuple[Suspicion, ...]:
    from learning.leaks import suspicious

    if target is None or not request:
        return ()
    casts = {
        "binary": "CAST({} AS TINYINT)",
        "multiclass": "CAST({} AS VARCHAR)",
        "regression": "CAST({} AS DOUBLE)",
    }
    listed = ", ".join(quote_identifier(column.name) for column in request)
    rows = connection.sql(
        f"SELECT {listed}, {casts[target.problem].format(f'({target.label})')} AS _driftline_label FROM {TYPED} "
        f"USING SAMPLE reservoir({SAMPLE_ROWS} ROWS) REPEATABLE (0)"
    ).to_arrow_table()
    label = rows["_driftline_label"].combine_chunks()
    return suspicious(rows.drop_columns(["_driftline_label"]), label, target.problem)


def _label_time(
    connection: duckdb.DuckDBPyConnection,
    columns: FileColumns,
    clock: Clock,
    event_time: str,
    target: str | None,
) -> tuple[str, str]:
    """Return the expression of when the truth is known, and what is to be decided about it."""
    time = sql_name(event_time)
    if clock.every == "load":
        return (
            f"{time} + INTERVAL 1 MILLISECOND",
            "a snapshot does not say when its labels became known: at once is assumed.",
        )
    if clock.every == "rows":
        return f"{time} + INTERVAL 1 MINUTE", "when is the truth known? One row later is assumed."
    for column in columns.columns:
        is_hinted = any(text in column.name.lower() for text in LATER_HINTS)
        if target is None or not (column.is_time and is_hinted) or column.name == event_time:
            continue
        later, label = quote_identifier(column.name), quote_identifier(target)
        n_wrong = scalar(
            connection,
            f"SELECT count(*) FILTER ({label} IS NOT NULL AND ({later} IS NULL OR {later} <= {quote_identifier(event_time)})) "
            f"FROM {TYPED}",
        )
        if not n_wrong:
            return (
                sql_name(column.name),
                f"is '{column.name}' when the truth becomes known? It is later than '{event_time}' in every row.",
            )
    return (
        f"{time} + INTERVAL 1 SECOND",
        "when does the truth become known? One second later is assumed; if it takes days, say so, or models learn from what was not known.",
    )


def _views(
    entities: Sequence[tuple[str, ...]],
    dataset: str,
    event_time: str,
    lookback: str,
    request: Sequence[Column],
    suspicions: Sequence[Suspicion],
) -> tuple[View, ...]:
    suspected = {suspicion.column for suspicion in suspicions}
    measures = [
        c
        for c in request
        if (c.type == "boolean" or (c.is_number and not is_code(c))) and c.name not in suspected
    ]
    views: list[View] = []
    for keys in entities:
        views.append(
            history_view(
                keys,
                dataset=dataset,
                event_time=event_time,
                lookback=lookback,
                measures=[column for column in measures if column.name not in keys],
                taken=[view.entity for view in views if view.entity],
            )
        )
    return tuple(views)
