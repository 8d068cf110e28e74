"""Origins of declared columns: a file, the names of its folders, or nowhere, where that is declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from declaration.datasets import DatasetSpec
from declaration.sql import quote_identifier, quote_literal
from sources.folder_keys import folder_keys
from sources.rejects import FILE_COLUMN, ReadError, require_columns, same_name, source_columns

_SHOWN_PARTS = 3
"""Last parts of a path that a message shows: files of such folders often have all the same name."""

Texts = Mapping[str, str | None]
"""Columns that a file lacks, with the text that all of its rows have instead; None for NULL."""


@dataclass(frozen=True)
class Origins:
    """Declared columns that the files of a source lack.

    Attributes
    ----------
    given
        For each file, in order, the columns that its rows do not get from it.
    keyed
        Columns that the names of folders give.
    absent
        Number of files whose rows have NULL in a column, for such columns.
    """

    given: Mapping[Path, Texts]
    keyed: frozenset[str] = frozenset()
    absent: Mapping[str, int] = field(default_factory=dict)

    def text(self, column: str, paths: Sequence[Path]) -> str:
        """Return the SQL of the text that a column has in a row, by the row's file."""
        values = [self.given[path][column] for path in paths]
        literals = ["NULL" if value is None else quote_literal(value) for value in values]
        if len(set(literals)) == 1:
            return f"CAST({literals[0]} AS VARCHAR)"
        # An enumeration finds a file's place by hash; a join would not keep the rows' order.
        place = f"enum_code({FILE_COLUMN}::{enumeration(paths)}) + 1"
        return f"list_extract([{', '.join(literals)}]::VARCHAR[], {place})"


@dataclass(frozen=True)
class FileGroup:
    """Files that are read as one: the same columns, and the same ones given.

    Attributes
    ----------
    files
        In the order of the source.
    given
        SQL of the text of each column that the files lack, over the relation that reads them.
    """

    files: tuple[Path, ...]
    given: Mapping[str, str]

    def with_given(self, relation: str) -> str:
        """Add the columns that the files lack to the relation that reads them, as text."""
        if not self.given:
            return relation
        added = ", ".join(f"{sql} AS {quote_identifier(column)}" for column, sql in self.given.items())
        return f"(SELECT *, {added} FROM {relation})"


def origins_of(
    names: Mapping[Path, Sequence[str]],
    originals: Sequence[Path],
    dataset: DatasetSpec,
    where: str,
    *,
    if_none: str = "",
) -> Origins:
    """Find each declared column in every file or, where no file has it, in the names of their folders.

    Parameters
    ----------
    names
        The columns of each file that is read.
    originals
        The source's own files, in the same order: those that are read may be copies elsewhere.
    dataset
        What is declared.
    where
        The dataset, for messages.
    if_none
        What may be wrong where a file has none of the declared columns.

    Raises
    ------
    ReadError
        If a file lacks a column that is not optional, or files and folders contradict each other.
    """
    declared, optional = source_columns(dataset), optional_columns(dataset)
    folders = {path: _folder(own, declared, where) for path, own in zip(names, originals, strict=True)}
    keyed = frozenset(column for column in declared if _is_keyed(column, names, folders, optional, where))
    required = {column: kind for column, kind in declared.items() if column not in keyed | optional}
    texts: dict[Path, Texts] = {}
    absent: Counter[str] = Counter()
    for path, columns in names.items():
        keys, at = folders[path].keys, f"{where}: {path.name}"
        require_columns(required, [*columns, *keys], at, if_none=if_none)
        lacking = [column for column in declared if column not in columns]
        for column in lacking:
            _refuse_other_spelling(column, columns if column in keys else [*columns, *keys], at)
        texts[path] = {column: keys.get(column) for column in lacking}
        absent.update(column for column in lacking if column not in keys)
    return Origins(texts, keyed, dict(absent))


def enumeration(paths: Sequence[Path]) -> str:
    """Return the SQL of the type that holds files in their order.

    Examples
    --------
    >>> enumeration([Path("b.csv"), Path("a.csv")])
    "ENUM('b.csv', 'a.csv')"
    """
    return f"ENUM({', '.join(quote_literal(str(path)) for path in paths)})"


def optional_columns(dataset: DatasetSpec) -> frozenset[str]:
    """Return the source's columns that files may lack: those that every declaration of them calls optional."""
    forms = [(name, dataset.column(name)) for name in dataset.columns]
    read = [(form.source or name, form.optional) for name, form in forms if form.sql is None]
    return frozenset(source for source, _ in read) - {source for source, optional in read if not optional}


def file_groups(
    columns: Mapping[Path, Sequence[object]], origins: Origins, *, is_ordered: bool
) -> tuple[FileGroup, ...]:
    """Put files together that have the same columns in the same order; only neighbours where the rows' order counts.

    Examples
    --------
    >>> a, b, c = Path("a"), Path("b"), Path("c")
    >>> same = Origins({a: {}, b: {}, c: {}})
    >>> [len(group.files) for group in file_groups({a: "x", b: "y", c: "x"}, same, is_ordered=False)]
    [2, 1]
    >>> [len(group.files) for group in file_groups({a: "x", b: "y", c: "x"}, same, is_ordered=True)]
    [1, 1, 1]
    """

    def kind(path: Path) -> tuple[object, ...]:
        return tuple(columns[path]), tuple(origins.given[path])

    # Sorting is stable: files of a kind keep their order.
    places: dict[object, int] = {}
    for path in columns:
        places.setdefault(kind(path), len(places))
    paths = list(columns) if is_ordered else sorted(columns, key=lambda path: places[kind(path)])
    groups = [tuple(group) for _, group in groupby(paths, key=kind)]
    return tuple(
        FileGroup(group, {column: origins.text(column, group) for column in origins.given[group[0]]})
        for group in groups
    )


@dataclass(frozen=True)
class _Folder:
    """Values from the names of the folders above a file, and the name of the file in messages."""

    keys: Texts
    shown: str


def _folder(path: Path, declared: Mapping[str, object], where: str) -> _Folder:
    keys: dict[str, str | None] = {}
    for key, value in folder_keys(path):
        if key in declared and keys.get(key, value) != value:
            raise ReadError(
                f"{where}: two folders above {path.name} give the column {key!r}: {keys[key]!r} and {value!r}. Rename one of them."
            )
        keys[key] = value
    return _Folder(keys, "/".join(path.parts[-_SHOWN_PARTS:]))


def _is_keyed(
    column: str,
    names: Mapping[Path, Sequence[str]],
    folders: Mapping[Path, _Folder],
    optional: frozenset[str],
    where: str,
) -> bool:
    """Tell whether a column comes from the names of folders: where files have it too, theirs counts."""
    keyed = [
        folders[path]
        for path, columns in names.items()
        if column not in columns and column in folders[path].keys
    ]
    if not keyed:
        return False
    having = next((folders[path] for path, columns in names.items() if column in columns), None)
    if having is not None:
        raise ReadError(
            f"{where}: the column {column!r} is in {having.shown}, but for {keyed[0].shown} only in the name of a folder. "
            "Read the two kinds of files as two datasets, or rename one of the columns."
        )
    other = next((folder for folder in folders.values() if column not in folder.keys), None)
    if other is not None and column not in optional:
        raise ReadError(
            f"{where}: {other.shown} lies in no folder '{column}=…', as {keyed[0].shown} does. Let `path` name only folders "
            f"with the same keys, or declare {column!r} with `optional: true`."
        )
    return True


def _refuse_other_spelling(column: str, names: Sequence[str], where: str) -> None:
    """Refuse a column that is there in another spelling: NULL in its place would be a mistake in silence."""
    other = same_name(column, names)
    if other is not None:
        raise ReadError(
            f"{where} has no column {column!r}, but {other!r}. Name this spelling with `source`, or rename what bears it."
        )
