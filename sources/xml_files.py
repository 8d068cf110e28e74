"""XML files, written out as JSON lines: one object a row, each value by its path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.sources.xml import XmlSourceSpec
from sources.compressed import copy_to
from sources.file_types import look_at_files, marks_of_files, open_files
from sources.files import own_folder
from sources.forms import JSON_LINES
from sources.rejects import MAX_LINE_BYTES, ReadError
from sources.source_type import SourceType
from sources.xml_rows import xml_rows

if TYPE_CHECKING:
    import duckdb


def _prepare(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: XmlSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    del connection
    return tuple(
        _as_lines(path, own_folder(folder, number) / path.name, source) for number, path in enumerate(files)
    )


def _as_lines(path: Path, target: Path, source: XmlSourceSpec) -> Path:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with copy_to(target) as copy:
        for number, row in enumerate(xml_rows(path, source), start=1):
            line = encode(row).encode() + b"\n"
            if len(line) > MAX_LINE_BYTES:
                raise ReadError(
                    f"{path.name}: row {number:,} has {len(line):,} bytes as JSON, and {MAX_LINE_BYTES:,} are the most. Let `rows` name a smaller element."
                )
            copy.write(line)
    return target


XML_FILES = SourceType(
    XmlSourceSpec, open_files, JSON_LINES, marks_of_files, _prepare, (".xml",), look=look_at_files
)
