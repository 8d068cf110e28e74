"""Schema of a dataset: its declared columns as one value, with a hash, and what changed between two."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date

from declaration.datasets import DatasetSpec
from declaration.types import ColumnType


@dataclass(frozen=True)
class SchemaColumn:
    """One column of a schema.

    Attributes
    ----------
    name, type, description
        As declared.
    is_nullable
        Whether a value may be NULL: all but the event time and the columns that Driftline makes.
    is_optional
        Whether rows may come without the column, and then have NULL: Avro's default.
    source
        Name in the source; '' of a computed column.
    since, deprecated
        Days of its beginning and of its end, where declared.
    renamed_from, widened_from
        Name and type that it had before, where declared.
    """

    name: str
    type: ColumnType
    is_nullable: bool = True
    is_optional: bool = False
    source: str = ""
    description: str = ""
    since: date | None = None
    deprecated: date | None = None
    renamed_from: str | None = None
    widened_from: ColumnType | None = None


@dataclass(frozen=True)
class Schema:
    """Columns of a dataset, in their order."""

    columns: tuple[SchemaColumn, ...]

    @property
    def by_name(self) -> Mapping[str, SchemaColumn]:
        """Columns by their names."""
        return {column.name: column for column in self.columns}

    @property
    def hash(self) -> str:
        """SHA-256 of all that is said of the columns."""
        return hashlib.sha256(json.dumps(asdict(self)["columns"], default=str).encode()).hexdigest()

    def renamed(self, renames: Mapping[str, str]) -> Schema:
        """Return the schema with the names that columns had before."""
        return Schema(
            tuple(replace(c, renamed_from=renames.get(c.name, c.renamed_from)) for c in self.columns)
        )


def schema_of(dataset: DatasetSpec) -> Schema:
    """Return the schema that a declaration gives a dataset."""
    return Schema(tuple(_column(dataset, name) for name in dataset.columns))


def _column(dataset: DatasetSpec, name: str) -> SchemaColumn:
    form = dataset.column(name)
    return SchemaColumn(
        name=name,
        type=form.type,
        is_nullable=name != dataset.event_time and not dataset.is_made(name),
        is_optional=form.optional or form.since is not None or form.deprecated is not None,
        source="" if form.sql is not None else form.source or name,
        description=form.description,
        since=form.since,
        deprecated=form.deprecated,
        renamed_from=form.renamed_from,
        widened_from=form.widened_from,
    )


def renames(now: Schema, before: Schema | None) -> Mapping[str, str]:
    """Return the name that each renamed column had before, by the one it has now.

    A column is renamed where `renamed_from` says so, or where one that is new is read from the same column of the
    source as one that is gone.

    Examples
    --------
    >>> before = Schema((SchemaColumn("amount", "float", source="amount"),))
    >>> renames(Schema((SchemaColumn("price", "float", source="amount"),)), before)
    {'price': 'amount'}
    """
    declared = {c.name: c.renamed_from for c in now.columns if c.renamed_from is not None}
    if before is None:
        return declared
    gone = [c for c in before.columns if c.name not in now.by_name and c.name not in declared.values()]
    new = [c for c in now.columns if c.name not in before.by_name and c.name not in declared]
    times = Counter(c.source for c in gone), Counter(c.source for c in new)
    same = {
        c.name: g.name
        for c in new
        for g in gone
        if c.source and c.source == g.source and all(count[c.source] == 1 for count in times)
    }
    return {**declared, **same}


def changes(before: Schema, now: Schema) -> Iterator[str]:
    """Say in words what changed from one version of a schema to the next."""
    renamed = {new: old for new, old in renames(now, before).items() if old in before.by_name}
    for name in sorted(before.by_name.keys() - now.by_name.keys() - set(renamed.values())):
        yield f"'{name}' was removed"
    for column in now.columns:
        old = before.by_name.get(column.name) or before.by_name.get(renamed.get(column.name, ""))
        if old is None:
            since = f", since {column.since}" if column.since else ""
            yield f"'{column.name}' ({column.type}) was added{since}"
            continue
        if old.name != column.name:
            yield f"'{old.name}' was renamed to '{column.name}'"
        if old.type != column.type:
            yield f"'{column.name}' was {old.type} and is {column.type}"
        if old.is_nullable != column.is_nullable:
            yield f"'{column.name}' {'may' if column.is_nullable else 'may not'} be NULL"
        if old.deprecated != column.deprecated:
            yield f"'{column.name}' is {f'deprecated from {column.deprecated} on' if column.deprecated else 'no longer deprecated'}"
        elif old.is_optional != column.is_optional:
            yield f"'{column.name}' {'may' if column.is_optional else 'must not'} be absent"
        if old.description != column.description:
            yield f"'{column.name}' is described anew"
        if old.source != column.source:
            yield (
                f"'{column.name}' is read from '{column.source}'"
                if column.source
                else f"'{column.name}' is computed"
            )
