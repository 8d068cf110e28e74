"""`dg scaffold defs pipelines.MLPipeline NAME [--source FILE]`: reads a file, and writes a declaration of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import dagster as dg
from pydantic import BaseModel, Field

from assets.raw.objects import is_url
from assets.raw.reading import shown
from pipelines.declaration import DeclarationError, read
from pipelines.faults import NAME_PATTERN, hint
from pipelines.scaffolding import blank
from pipelines.scaffolding.clock import check_event_time, clock_of_files, find_clock, lookback_of
from pipelines.scaffolding.columns import TYPED, Column, FileColumns, describe
from pipelines.scaffolding.declaration import Findings, decisions, write
from pipelines.scaffolding.forms import forms_of_texts
from pipelines.scaffolding.found import ScaffoldError, source_of
from pipelines.scaffolding.parquet_forms import forms_of_types
from pipelines.scaffolding.roles import (
    find_entities,
    find_key,
    is_code,
    is_unique_like,
    rank_targets,
    target_of,
)
from pipelines.scaffolding.rules import suggest
from pipelines.scaffolding.source import OpenedSource, doubts, opened
from pipelines.scaffolding.text import sql_name
from pipelines.scaffolding.tried import as_text_where_rejected
from pipelines.scaffolding.views import View, history_view, identifier
from pipelines.spec import DriftlineError
from pipelines.sql import quote_identifier
from resources.engine import Engine

if TYPE_CHECKING:
    import duckdb

    from assets.model.leaks import Suspicion
    from pipelines.scaffolding.clock import Clock
    from pipelines.scaffolding.roles import Target

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


class ScaffoldOptions(BaseModel):
    """Options of `dg scaffold defs pipelines.MLPipeline`."""

    source: str | None = Field(
        default=None,
        description="File to read: CSV, Parquet, JSON or Excel, also .gz and .zip. Without it, an example is written.",
    )
    target: str | None = Field(
        default=None, description="Column to predict. Without it, drift is watched and targets are ranked."
    )
    event_time: str | None = Field(
        default=None,
        description="Column that says when a row came to be, or `rows` for rows with only an order. Found when absent.",
    )
    entity: str | None = Field(
        default=None,
        description="Columns that say whom a row is about: a,b for two entities, a+b for one of two columns.",
    )


class PipelineScaffolder(dg.Scaffolder[ScaffoldOptions]):
    """Writes a declaration: of a file, or an example to fill in."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldOptions]:
        """Return the options."""
        return ScaffoldOptions

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldOptions]) -> None:
        """Write the declaration into the requested folder; on an error the folder is left out.

        Raises
        ------
        click.ClickException
            If the folder's name cannot be a pipeline's, Python is asked for instead of YAML, or
            the file cannot be declared as asked. The command shows its text without a trace.
        """
        folder = request.target_path
        try:
            self._write(
                folder, request.type_name, request.scaffold_format, request.params or ScaffoldOptions()
            )
        except DriftlineError as error:
            if folder.exists() and not (folder / "defs.yaml").exists():
                shutil.rmtree(folder)
            raise click.ClickException(str(error)) from error

    def _write(self, folder: Path, type_name: str, form: Any, options: ScaffoldOptions) -> None:
        if form != "yaml":
            raise ScaffoldError("a pipeline is declared in YAML: leave out --format python.")
        if not NAME_PATTERN.fullmatch(folder.name):
            raise ScaffoldError(
                f"'{folder.name}' cannot be a pipeline's name. Lower-case letters, digits and underscores, "
                "beginning with a letter, at most 63."
            )
        if options.source is None:
            given = [f"--{name.replace('_', '-')}" for name, value in options.model_dump().items() if value]
            if given:
                raise ScaffoldError(f"{', '.join(given)} need --source: the file whose columns they name.")
            files = blank.files(type_name)
        else:
            files = scaffold_source(options, folder=folder, start=Path.cwd(), type_name=type_name)
        save(files, folder)
        if options.source is not None:
            _tell(folder, files["defs.yaml"])


def _tell(folder: Path, text: str) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{folder.name}: {folder / 'defs.yaml'}", markup=False)
    asked = decisions(text)
    console.print(f"{len(asked)} decisions are yours (comments with `decide:`):")
    for line, question in asked:
        console.print(f"  line {line}: {question}", markup=False)
    console.print(
        f"Next: python -m pipelines.preview {folder.name}; then python -m pipelines.replay {folder.name}"
    )


def scaffold_source(options: ScaffoldOptions, *, folder: Path, start: Path, type_name: str) -> dict[str, str]:
    """Read a file and return the texts of its declaration, by name of the file to write.

    Parameters
    ----------
    options
        What the user asked for; `source` is given.
    folder
        Where the declaration will lie.
    start
        Folder that a relative path of the source starts from.
    type_name
        The component's name.

    Raises
    ------
    ScaffoldError
        If the file cannot be read or declared as asked.
    """
    assert options.source is not None
    source, sources = source_of(options.source, start=start, folder=folder)
    with TemporaryDirectory(prefix="driftline-scaffold-") as scratch:
        engine = Engine(spill_directory=scratch)
        with (
            engine.connect(reads=sources) as connection,
            opened(source, sources, connection, scratch=Path(scratch)) as found,
        ):
            findings = _find(options, found, folder)
        written = {"defs.yaml": write(findings, type_name=type_name)}
        written |= {f"features/{view.name}.sql": view.sql for view in findings.entities}
        _check(written, Path(scratch) / "checked" / folder.name, options.source)
    return written


def save(files: Mapping[str, str], folder: Path) -> None:
    """Write a declaration's files into its folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _check(files: Mapping[str, str], folder: Path, source: str) -> None:
    """Read what was written before anybody else does.

    Raises
    ------
    ScaffoldError
        If a name of the file's cannot be declared as it is used.
    """
    save(files, folder)
    try:
        read(folder)
    except DeclarationError as error:
        said = "; ".join(line.removeprefix(f"{folder}/") for line in str(error).splitlines())
        raise ScaffoldError(
            f"--source {shown(source)}: its columns cannot be declared under their names: {said} Rename them in the file, or name other options."
        ) from error


def _described(found: OpenedSource, options: ScaffoldOptions) -> tuple[FileColumns, Clock]:
    """Describe the columns in types in which the raw room reads every row that can be read at all, and find the clock."""
    forms = (
        forms_of_types(found.connection, found.types) if found.types else forms_of_texts(found, found.columns)
    )
    while True:
        columns = describe(found, forms)
        _check_options(options, columns)
        clock = _clock(found, columns, options.event_time)
        changed = as_text_where_rejected(found, forms, columns, clock.event_time)
        if not changed:
            return columns, clock
        forms = {**forms, **changed}


def _clock(found: OpenedSource, columns: FileColumns, asked: str | None) -> Clock:
    if found.keys:
        return clock_of_files(columns, found.keys, asked)
    return find_clock(found.connection, columns, asked)


def _check_options(options: ScaffoldOptions, columns: FileColumns) -> None:
    names = [column.name for column in columns.columns]
    if options.target is not None:
        _known("--target", options.target, names)
    if options.event_time is not None and options.event_time != "rows":
        _known("--event-time", options.event_time, names)
        check_event_time(columns, options.event_time)


def _find(options: ScaffoldOptions, opened: OpenedSource, folder: Path) -> Findings:
    connection, source = opened.connection, opened.source
    columns, clock = _described(opened, options)
    names = [column.name for column in columns.columns]
    target = target_of(columns[options.target]) if options.target is not None else None
    wanted = _asked_entities(options.entity, names)
    entities = wanted or [(name,) for name in find_entities(columns, clock, options.target)]
    if clock.every == "load" and wanted:
        raise ScaffoldError(
            f"--entity {options.entity}: without a time there is no past to aggregate. Name --event-time too, "
            "or leave --entity out."
        )
    key = find_key(connection, columns, clock, [name for keys in entities for name in keys])
    dataset = _dataset_name(source.path)
    made = {"rows": "row_time", "load": "load_time"}
    event_time = clock.event_time or made[clock.every]
    request = tuple(
        c for c in columns.columns if _can_be_feature(c, options.target, key.columns, clock.event_time)
    )
    suspicions = _suspicions(connection, request, target)
    label_time, label_question = _label_time(connection, columns, clock, event_time, options.target)
    lookback = lookback_of(clock.every) if clock.every != "load" else ""
    views = (
        _views(entities, dataset, event_time, lookback, request, suspicions) if clock.every != "load" else ()
    )
    return Findings(
        dataset=dataset,
        source=source,
        path=_shown_path(source.path, folder),
        n_rejected=opened.n_rejected,
        doubts=tuple(doubts(opened)),
        columns=columns,
        clock=clock,
        key=key,
        entities=views,
        rules=tuple(suggest(columns, key, clock.event_time)),
        target=target,
        candidates=rank_targets(columns, key, [name for keys in entities for name in keys]),
        label_time=label_time,
        label_question=label_question,
        request=request,
        suspicions=suspicions,
        lookback=lookback,
    )


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
    found = (
        [tuple(part.split("+")) if part not in names else (part,) for part in text.split(",")] if text else []
    )
    for keys in found:
        for key in keys:
            _known("--entity", key, names)
    return found


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
    from assets.model.leaks import suspicious

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
        n_wrong = connection.sql(
            f"SELECT count(*) FILTER ({label} IS NOT NULL AND ({later} IS NULL OR {later} <= {quote_identifier(event_time)})) FROM {TYPED}"
        ).fetchall()[0][0]
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
                taken=[view.entity for view in views],
            )
        )
    return tuple(views)
