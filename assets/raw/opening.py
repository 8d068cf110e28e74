"""Files of every format as ones that the engine reads: unpacked, in UTF-8, as CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from assets.raw.encoding import as_utf8
from assets.raw.plain import arrays_as_lines, workbooks_as_csv
from assets.raw.python_source import rows_as_parquet
from assets.raw.source import unpacked
from pipelines.spec import DatasetSpec
from pipelines.windows import Window

if TYPE_CHECKING:
    import duckdb


@contextmanager
def readable(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    spec: DatasetSpec,
    scratch: Path,
    window: Window | None = None,
) -> Iterator[tuple[Path, ...]]:
    """Give files that the engine can read: unpacked and in UTF-8; copies are removed after."""
    scratch.mkdir(parents=True, exist_ok=True)
    with unpacked(files, scratch=scratch) as plain, TemporaryDirectory(dir=scratch, prefix="text-") as name:
        folder = Path(name)
        if spec.source.type == "parquet":
            yield plain
        elif spec.source.type == "python":
            start, end = (window.start, window.end) if window is not None else (None, None)
            yield rows_as_parquet(plain[0], start, end, folder=folder)
        elif spec.source.type == "excel":
            yield workbooks_as_csv(plain, spec.source, folder=folder)
        else:
            text = as_utf8(plain, folder=folder, encoding=spec.source.encoding)
            yield arrays_as_lines(connection, text, folder=folder) if spec.source.type == "json" else text
