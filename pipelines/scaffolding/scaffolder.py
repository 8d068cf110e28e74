"""`dg scaffold defs pipelines.MLPipeline NAME [--source FILE]`: reads a file, and writes a declaration of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import dagster as dg

from declaration.errors import DriftlineError
from declaration.text import one_line
from pipelines.loading.problems import NAME_PATTERN
from pipelines.loading.read import DeclarationError, read
from pipelines.scaffolding import blank
from pipelines.scaffolding.clock import ROWS
from pipelines.scaffolding.declaration import decisions, write
from pipelines.scaffolding.files import ScaffoldError, source_of
from pipelines.scaffolding.from_document import document_of, write_from_document
from pipelines.scaffolding.from_page import declared, page_of_api
from pipelines.scaffolding.inference import find
from pipelines.scaffolding.learning import refuse_without_features
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.source import read_texts
from resources.engine.duckdb import Engine
from sources.described import Described
from sources.opening import opened
from sources.types import type_of

MOST_ROWS = 200_000
"""Rows of a database that are looked at."""


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
        try:
            if request.scaffold_format != "yaml":
                raise ScaffoldError("a pipeline is declared in YAML: leave out --format python.")
            write_declaration(request.target_path, request.type_name, request.params or ScaffoldOptions())
        except DriftlineError as error:
            folder = request.target_path
            if folder.exists() and not (folder / "defs.yaml").exists():
                shutil.rmtree(folder)
            raise click.ClickException(str(error)) from error


def write_declaration(folder: Path, type_name: str, options: ScaffoldOptions) -> None:
    """Write a declaration into a folder, and print what is left to decide; on an error nothing is written.

    Raises
    ------
    ScaffoldError
        If the folder's name cannot be a pipeline's, or the file cannot be declared as asked.
    """
    files = _files(folder, type_name, options)
    save(files, folder)
    if options.source is not None:
        _tell(folder, files["defs.yaml"])


def refuse_name(name: str) -> None:
    """Refuse what cannot be a pipeline's name.

    Raises
    ------
    ScaffoldError
        If it cannot.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ScaffoldError(
            f"'{name}' cannot be a pipeline's name. Lower-case letters, digits and underscores, "
            "beginning with a letter, at most 63."
        )


def _files(folder: Path, type_name: str, options: ScaffoldOptions) -> Mapping[str, str]:
    refuse_name(folder.name)
    if options.source is not None:
        return scaffold_source(options, folder=folder, start=Path.cwd(), type_name=type_name)
    options_given = [f"--{name.replace('_', '-')}" for name, value in options.model_dump().items() if value]
    if options_given:
        raise ScaffoldError(f"{', '.join(options_given)} need --source: the file whose columns they name.")
    return blank.files(type_name)


def _tell(folder: Path, text: str) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{folder.name}: {folder / 'defs.yaml'}", markup=False)
    questions = decisions(text)
    console.print(f"{len(questions)} decisions are yours (comments with `decide:`):")
    for line, question in questions:
        console.print(f"  line {line}: {question}", markup=False)
    console.print(f"Next: driftline preview {folder.name}; then driftline replay {folder.name}")


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
    if (named := document_of(options.source)) is not None:
        return _from_document(*named, options, folder=folder, start=start, type_name=type_name)
    with TemporaryDirectory(prefix="driftline-scaffold-") as scratch:
        page = page_of_api(options.source, pipeline=folder.name, folder=Path(scratch))
        if page is not None and options.event_time == ROWS:
            raise ScaffoldError(
                "--event-time rows: the pages of an API have no order. Leave it out, or name a column."
            )
        source = page.file if page is not None else source_of(options.source, start=start, folder=folder)
        engine = Engine(spill_directory=scratch)
        with (
            opened(source, folder=Path("/"), scratch=Path(scratch), most_rows=MOST_ROWS) as now,
            engine.connect(reads=now.files) as connection,
            read_texts(source, now.files, connection, scratch=Path(scratch)) as opened_source,
        ):
            describe = type_of(source).describe
            known = describe(source, Path("/")) if describe is not None else Described()
            is_sample = page is not None and not page.page.is_whole
            findings = find(options, opened_source, folder, known, is_sample=is_sample)
        if page is not None:
            findings = declared(findings, page)
        refuse_without_features(findings)
        written = {"defs.yaml": write(findings, type_name=type_name)}
        written |= {f"features/{view.name}.sql": view.sql for view in findings.entities}
        _check(written, Path(scratch) / "checked" / folder.name, options.source)
    return written


def _from_document(
    place: str, name: str, options: ScaffoldOptions, *, folder: Path, start: Path, type_name: str
) -> dict[str, str]:
    """Return the declaration of an API's list, of which the document is known and no row."""
    asked = [
        f"--{option.replace('_', '-')}"
        for option, value in options.model_dump().items()
        if value and option != "source"
    ]
    if asked:
        raise ScaffoldError(
            f"{', '.join(asked)} need rows, and of an OpenAPI document none is read. Leave it out, and write it into the declaration."
        )
    text = write_from_document(place, name, pipeline=folder.name, start=start, type_name=type_name)
    written = {"defs.yaml": text}
    with TemporaryDirectory(prefix="driftline-scaffold-") as scratch:
        _check(written, Path(scratch) / "checked" / folder.name, f"{place}#{name}")
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
        message = "; ".join(line.removeprefix(f"{folder}/") for line in str(error).splitlines())
        raise ScaffoldError(
            f"--source {one_line(source)}: its columns cannot be declared under their names: {message} Rename them in the file, or name other options."
        ) from error
