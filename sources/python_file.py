"""Rows that a Python file beside the declaration makes: for what no file format or connector gives.

The file belongs to the declaration as its SQL does, and is run as the user who runs the pipeline.
"""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from declaration.sources.python import PythonSourceSpec
from sources.databases.python_rows import empty_schema
from sources.databases.written import written
from sources.file_types import stat_mark
from sources.files import SourceError, file_in_folder
from sources.forms import PARQUET
from sources.given_rows import batches_given
from sources.progress import Progress
from sources.rejects import source_columns
from sources.scratch import scratch_folder
from sources.source_type import WHOLE, Asked, Opened, SourceType

FUNCTION = "read"
"""Name of the function that gives the rows: `read(start, end)`, both None for a table without partitions."""

_numbers = itertools.count()


@contextmanager
def _open(source: PythonSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Call the file, and give its rows.

    What it gives may change while its code does not: its rows are its content.
    """
    file = file_in_folder(source.path, asked.folder)
    start, end = (asked.window.start, asked.window.end) if asked.window is not None else (None, None)
    with scratch_folder(asked.scratch, "made-") as name:
        columns = list(source_columns(asked.dataset)) if asked.dataset is not None else []
        yield Opened(rows_as_parquet(file, start, end, folder=name, columns=columns))


def _marks(source: PythonSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return name, size and time of the code: what it reads is not known."""
    return {WHOLE: stat_mark([file_in_folder(source.path, asked.folder)])}


def rows_as_parquet(
    file: Path, start: datetime | None, end: datetime | None, *, folder: Path, columns: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Call a file's `read(start, end)` and write its rows as Parquet, batch by batch.

    The file is run anew each time: a change of it, or of a neighbour that it reads, counts at once.

    Parameters
    ----------
    file
        The Python file.
    start, end
        The partition, [start, end) in UTC; None for the whole table.
    folder
        Where the rows are written; it exists, and the caller removes it.
    columns
        Columns that are written where an iterable gives no row, and so none.

    Returns
    -------
    tuple
        The Parquet files: one for each run of batches with the same types. The same rows give the same bytes.

    Raises
    ------
    SourceError
        If the file cannot be run, has no such function, fails, or gives no table.
    """
    # Files have the name that its author knows: messages and rejects say it.
    doing = "running the file"
    try:
        with _module_of(file) as module:
            read = _function(module, file)
            doing = f"{FUNCTION}({_shown(start)}, {_shown(end)})"
            batches, schema = batches_given(read(start, end), file.name)
            schema = schema if len(schema) else empty_schema(columns)
            return written(Progress(file.name).through(batches), schema, folder, file.name)
    except SourceError:
        raise
    # A file that exits must not take the run with it.
    except (Exception, SystemExit) as error:
        raise SourceError(
            f"{_place(file, error)}: {doing} failed with {type(error).__name__}: {error}. Correct the code there."
        ) from error


@contextmanager
def _module_of(file: Path) -> Iterator[ModuleType]:
    """Run a file as a module of its own; not through the import system, which would keep what it compiled."""
    module = ModuleType(f"driftline_source_{next(_numbers)}")
    module.__file__ = str(file)
    # Dataclasses look their module up while it is being made.
    sys.modules[module.__name__] = module
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]


def _function(module: ModuleType, file: Path) -> Callable[[datetime | None, datetime | None], Any]:
    read = getattr(module, FUNCTION, None)
    if not callable(read):
        raise SourceError(
            f"{file.name} has no function '{FUNCTION}(start, end)'. Write one that returns a pyarrow Table or RecordBatchReader, or gives rows."
        )
    function: Callable[[datetime | None, datetime | None], Any] = read
    return function


def _shown(instant: datetime | None) -> str:
    return "None" if instant is None else instant.isoformat()


def _place(file: Path, error: BaseException) -> str:
    """Name the file and line at which it failed: the innermost of the files beside the declaration."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file.name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == file.parent]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else file.name


PYTHON_FILE = SourceType(PythonSourceSpec, _open, PARQUET, _marks)
