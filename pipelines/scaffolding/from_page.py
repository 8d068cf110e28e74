"""Declaration of an API, from its first pages: they are spooled, described as any file is, and declared as what they came from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from declaration.errors import DriftlineError
from declaration.extras import require_extra
from declaration.sources.text import JsonSourceSpec
from declaration.text import one_line
from pipelines.scaffolding.columns import Column
from pipelines.scaffolding.files import FORMATS, ScaffoldError
from pipelines.scaffolding.findings import Findings
from pipelines.scaffolding.names import column_names, dataset_name
from pipelines.scaffolding.text import snake_case, sql_name
from sources.slots import SLOT

if TYPE_CHECKING:
    from sources.apis.first_page import FirstPage

_RANGES = ("column_values_to_be_between", "column_values_to_be_in_set")
"""Expectations that the first rows of many say nothing about."""


@dataclass(frozen=True)
class SpooledPage:
    """First pages of an API, on this machine.

    Attributes
    ----------
    page
        What the answers show.
    file
        Its rows, a line of JSON each.
    paths
        Path of each column in a row of the answer, by the column's name.
    """

    page: FirstPage
    file: JsonSourceSpec
    paths: Mapping[str, str]


def page_of_api(source: str, *, pipeline: str, folder: Path) -> SpooledPage | None:
    """Ask an API for its first pages; None of a source that is a file.

    Parameters
    ----------
    source
        What the user named.
    pipeline
        Name of the pipeline, with which the names of variables begin.
    folder
        Where the rows are written.

    Raises
    ------
    DriftlineError
        If it cannot be asked, or its answer has no rows.
    """
    if not _may_be_api(source):
        return None
    is_file = _is_file(source)
    if is_file and _ending(source) != ".json":
        return None
    try:
        require_extra("rest", "an API")
        page = _asked(source, pipeline)
    except DriftlineError:
        # What ends as a file does is one, unless it shows that it is none.
        if is_file:
            return None
        raise
    if page is None and not is_file:
        raise ScaffoldError(
            f"--source {_shown(source)}: the answer is no JSON. Name an address that answers in JSON, or a file whose name ends in one of "
            f"{', '.join(sorted(FORMATS))} (also with .gz or .zip)."
        )
    if page is None or (is_file and not page.source.rows and page.source.paging.by != "link"):
        return None
    return _spooled(page, folder)


def declared(findings: Findings, spooled: SpooledPage) -> Findings:
    """Return findings about the spooled rows as those about the API."""
    page = spooled.page
    columns = tuple(_declared(column, spooled.paths[column.name]) for column in findings.columns.columns)
    questions = list(page.questions)
    if page.source.auth is not None:
        questions.append("are the variables set wherever this runs? They hold what the API knows you by.")
    questions.append(
        "does the API give the rows of a time, by a parameter such as since or updated_after? No answer shows it. Then declare `params` "
        'with "{start}" and "{end}", so that each partition asks for its own rows: without, it reads all.'
    )
    clock = findings.clock
    if clock.every == "load" and not findings.is_sample:
        clock = replace(clock, question="")
    return replace(
        findings,
        source=page.source,
        path=page.source.url,
        doubts=tuple(questions),
        note=page.note,
        paths=spooled.paths,
        columns=replace(findings.columns, columns=columns),
        clock=clock,
        rules=tuple(rule for rule in findings.rules if not (findings.is_sample and rule.expect in _RANGES)),
    )


def _declared(column: Column, path: str) -> Column:
    """Return a column whose expression is over the source's columns, which are called by their paths."""
    if column.sql is None or column.name == path:
        return column
    name = re.escape(sql_name(column.name))
    quoted = '"' + path.replace('"', '""') + '"'
    return replace(column, sql=re.sub(rf'(?<![\w"]){name}(?![\w"])', lambda _: quoted, column.sql))


def _asked(source: str, pipeline: str) -> FirstPage | None:
    from sources.apis.address import typed_address
    from sources.apis.first_page import first_page

    variable = snake_case(pipeline).upper()
    typed = typed_address(source, variable, os.environ)
    # For this run alone: where secrets stand from now on is the user's to say.
    os.environ.update(typed.variables)
    try:
        return first_page(typed.source)
    except DriftlineError as error:
        if typed.source.auth is None and re.search(r"answers 40[13]\b", str(error)):
            raise ScaffoldError(
                f"{error} Set {variable}_TOKEN to a bearer token, or {variable}_USER and {variable}_PASSWORD, and scaffold again: the "
                "declaration names the variables."
            ) from error
        raise


def _spooled(page: FirstPage, folder: Path) -> SpooledPage:
    from sources.apis.answers import Columns, lines_of

    columns = Columns()
    flat = [columns.flat(row) for row in page.rows]
    paths = column_names(dict.fromkeys(name for row in flat for name in row))
    names = {path: name for name, path in paths.items()}
    file = folder / f"{dataset_name(unquote(urlsplit(page.source.url).path))}.jsonl"
    lines = lines_of([{names[path]: value for path, value in row.items()} for row in flat])
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return SpooledPage(page, JsonSourceSpec(type="json", path=str(file)), paths)


def _may_be_api(source: str) -> bool:
    return bool(re.match(r"https?://", source, re.IGNORECASE)) and "*" not in source and SLOT not in source


def _is_file(source: str) -> bool:
    """Tell whether an address ends as the name of a file does."""
    return "=" not in urlsplit(source).query and _ending(source) in FORMATS


def _ending(source: str) -> str:
    name = Path(source.lower())
    return Path(name.stem).suffix if name.suffix in (".gz", ".zip") else name.suffix


def _shown(source: str) -> str:
    """Return an address without what may be secret in it."""
    parts = urlsplit(source)
    return one_line(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
