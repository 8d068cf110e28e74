"""Checks of a source: the keys that its format has, and the folders that its files may lie in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from declaration.datasets import DatasetSpec, SourceSpec
from pipelines.loading.problems import Fault, KeyPath, label

_KEYS_OF_FORMATS = {"delimiter": ("csv",), "null_values": ("csv", "excel"), "sheet": ("excel",)}
"""Keys of a source that only some formats have."""


_TEXTS = ("csv", "excel", "json")
"""Formats whose values are texts, so that a text can mean NULL."""


def source_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return what contradicts itself in a dataset's source."""
    source = dataset.source
    has_slot = "{partition}" in source.path
    if source.type == "python":
        yield from _python_source_faults(path, source)
    if source.mode == "incremental" and not has_slot:
        text = f"{label(path)}.path is '{source.path}', but an incremental source's path needs {{partition}} where the partition's key stands."
        yield Fault((*path, "path"), text)
    if source.mode == "full" and has_slot:
        text = f"{label(path)}.path holds {{partition}}, which only 'mode: incremental' fills in. Add it, or write a pattern such as '*'."
        yield Fault((*path, "path"), text)
    if source.mode == "incremental" and dataset.event_time is None:
        text = f"{label(path)}.mode is 'incremental', but the dataset has no event_time and so no partitions."
        yield Fault((*path, "mode"), text)
    yield from _missing_faults(path, source)
    if source.path.startswith("package:") and not all(source.path.removeprefix("package:").partition("/")):
        text = f"{label(path)}.path is '{source.path}', but a packaged file is written package:<name>/<file>."
        yield Fault((*path, "path"), text)
    if ".." in source.path.split("/"):
        text = f"{label(path)}.path is '{source.path}', but a path may not climb with '..'. Write an absolute path."
        yield Fault((*path, "path"), text)
    if source.delimiter in '"\r\n':
        text = f"{label(path)}.delimiter is {source.delimiter!r}, which quotes values or ends lines. Name the character between two columns."
        yield Fault((*path, "delimiter"), text)
    if not source.null_values:
        text = f"{label(path)}.null_values is empty. Leave it out, or name a text that never occurs."
        yield Fault((*path, "null_values"), text)
    for null in source.null_values:
        if set(null) & {'"', source.delimiter, "\r", "\n"}:
            text = f"{label(path)}.null_values has {null!r}, but a text that means NULL holds no quote, delimiter or line end."
            yield Fault((*path, "null_values"), text)
    for key, kinds in _KEYS_OF_FORMATS.items():
        if key in source.model_fields_set and source.type not in kinds:
            text = (
                f"{label(path)}.{key} is for {' and '.join(kinds)} sources only; this one is {source.type}."
            )
            yield Fault((*path, key), text)


def null_text_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return what is wrong with the texts that mean NULL in single columns."""
    for name in dataset.columns:
        column, at = dataset.column(name), (*path, "columns", name, "null_values")
        if column.null_values is None:
            continue
        if column.sql is not None:
            yield Fault(
                at, f"{label(at)} is for columns that are read; this one is computed. Use nullif in `sql`."
            )
        elif dataset.source.type not in _TEXTS:
            limit = f"{' and '.join(_TEXTS)} sources only; this one is {dataset.source.type}, whose values have types."
            yield Fault(at, f"{label(at)} is for {limit}")
        elif not column.null_values:
            yield Fault(at, f"{label(at)} is empty. Leave it out, or name a text that never occurs.")
        for null in column.null_values:
            if set(null) & {'"', dataset.source.delimiter, "\r", "\n"} and dataset.source.type == "csv":
                text = f"{label(at)} has {null!r}, but a text that means NULL holds no quote, delimiter or line end."
                yield Fault(at, text)


def optional_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return the columns that cannot be optional: a file that lacks one would give rows that are nobody's."""
    for name in dataset.columns:
        column, at = dataset.column(name), (*path, name)
        if not column.optional:
            continue
        if column.sql is not None:
            text = f"{label(at)} has both 'optional' and 'sql'. A computed column is never missing: make those optional that it reads."
            yield Fault((*at, "optional"), text)
        elif name == dataset.event_time or name in dataset.key:
            what = (
                "the event_time says when a row came to be"
                if name == dataset.event_time
                else "a key tells rows apart"
            )
            yield Fault((*at, "optional"), f"{label(at)} is optional, but {what}. Remove 'optional'.")


def _missing_faults(path: KeyPath, source: SourceSpec) -> Iterator[Fault]:
    """Check that a file may be missing only where another partition's can show that the path is right."""
    if source.missing == "fail":
        return
    if source.mode != "incremental":
        text = f"{label(path)}.missing is 'empty', but only with 'mode: incremental' has each partition a file that can be missing. Remove it."
        yield Fault((*path, "missing"), text)
    elif source.path.startswith(("http:", "https:")):
        text = f"{label(path)}.missing is 'empty', but a web server lists no files, so that a wrong path cannot be told from a missing file. Remove it."
        yield Fault((*path, "missing"), text)


def _python_source_faults(path: KeyPath, source: SourceSpec) -> Iterator[Fault]:
    """Check that code is one file beside the declaration: what is run must be named, and reviewed with it."""
    where = Path(source.path)
    is_pattern = any(sign in source.path for sign in "*?[")
    if where.is_absolute() or is_pattern or where.suffix != ".py" or ":" in source.path:
        text = f"{label(path)}.path is '{source.path}', but a python source is one .py file in the declaration's folder."
        yield Fault((*path, "path"), text)
    if source.mode == "incremental":
        text = f"{label(path)}.mode is 'incremental', but a python source is asked for each partition already. Remove it."
        yield Fault((*path, "mode"), text)
