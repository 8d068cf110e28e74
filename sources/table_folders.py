"""Folders of table formats: a log beside the files says which of them, and which of their rows, still count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TableFolder:
    """The folder of a table whose rows only its log can tell."""

    format: str
    root: str
    log: str
    reader: str
    """Type of the source that reads such a table."""

    def __str__(self) -> str:
        return (
            f"belongs to the {self.format} table {self.root}, which has '{self.log}': the folder also holds rows "
            "that the table no longer has, and only that log tells them apart. Export a snapshot of the table as "
            f"Parquet into a folder of its own, or read it with a source of {self.reader}"
        )


LOGS = (
    ("Delta", "_delta_log", "`type: delta`"),
    ("Iceberg", "metadata/*.metadata.json", "`type: iceberg`"),
    ("Hudi", ".hoodie/hoodie.properties", "`type: python` that uses hudi"),
)
"""Table formats that keep Parquet files: name, pattern of what only their folders hold, source that reads them."""


def table_folder_of(files: Iterable[Path]) -> tuple[Path, TableFolder] | None:
    """Return the first file that lies anywhere below the folder of a table, with that table.

    Every folder above a file is looked at, for partitions are folders of their own.
    """
    tables: dict[Path, TableFolder | None] = {}
    for file in files:
        for folder in file.resolve().parents:
            if folder not in tables:
                tables[folder] = _table_at(folder)
            table = tables[folder]
            if table is not None:
                return file, table
    return None


def _table_at(folder: Path) -> TableFolder | None:
    return next(
        (TableFolder(name, str(folder), log, reader) for name, log, reader in LOGS if _is_there(folder, log)),
        None,
    )


def _is_there(folder: Path, log: str) -> bool:
    try:
        return next(folder.glob(log), None) is not None
    except PermissionError:
        # A folder above that may not be listed belongs to somebody else, as does what is in it.
        return False


def folder_patterns(pattern: str) -> Iterator[str]:
    """Return the folders above a path or pattern of an object store, innermost first.

    Examples
    --------
    >>> list(folder_patterns("bucket/orders/*/part.parquet"))
    ['bucket/orders/*', 'bucket/orders', 'bucket']
    """
    while "/" in pattern:
        pattern = pattern.rpartition("/")[0]
        if pattern.strip("/"):
            yield pattern
