"""The `datasets:` block: sources, columns and expectations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    ConfigDict,
    model_validator,
)

from declaration.generated_columns import MADE, made_sql
from declaration.sources.spec import SourceSpec
from declaration.sources.value_forms import TimeFormats
from declaration.types import Block, ColumnName, ColumnType, GrownBlock, Severity, SqlExpression

OnFailure = Literal["report", "quarantine", "block"]

Compatibility = Literal[
    "none", "backward", "backward_transitive", "forward", "forward_transitive", "full", "full_transitive",
]  # fmt: skip


class ColumnSpec(GrownBlock):
    """One column of a dataset: its type, and where it comes from."""

    ADDED: ClassVar[frozenset[str]] = frozenset(
        {"formats", "since", "deprecated", "renamed_from", "widened_from"}
    )

    type: ColumnType
    """Type in the lake. `timestamp_tz` is an instant (UTC in the lake); `timestamp` is a wall clock."""
    source: ColumnName | None = None
    """Name in the source, where it differs from the name here: of a column or, where no file has it, of a folder's key (`year=2023`)."""
    optional: bool = False
    """True if files may lack the column: their rows have NULL in it. A file that lacks any other column is refused."""
    sql: SqlExpression | None = None
    """Computed column: an expression over the source's columns, in DuckDB's dialect."""
    known_at: SqlExpression | None = None
    """Instant at which the value is known, over the dataset's columns; by default its row's event time. A feature view that uses it earlier is refused."""
    null_values: tuple[str, ...] | None = None
    """Texts that mean NULL in this column, in place of the source's; in every format."""
    formats: TimeFormats = ()
    """Formats of this column's texts (`%d.%m.%Y`), in place of the source's: the first that fits is read."""
    description: str = ""
    """Meaning of the column, with its unit."""
    since: date | None = None
    """Day (in `partitions.timezone`) from which on the source has the column: NULL before; files of before may lack it, later ones must have it."""
    deprecated: date | None = None
    """Day from which on the column is on its way out: files may lack it from then on, and it may be removed from the declaration."""
    renamed_from: ColumnName | None = None
    """Name that the column had here before: `driftline schema apply` gives its history the new one."""
    widened_from: ColumnType | None = None
    """Type that the column had before, where rows are rewritten: `date` of a `timestamp`, whose days become their first instants."""


class ExpectationSpec(Block):
    """One expectation of Great Expectations, with what happens when it fails."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    expect: str
    """Great Expectations' name without `expect_`: `column_values_to_not_be_null`."""
    severity: Severity = "warning"
    """Severity of a failure; shown on the asset check and weighed in the quality score."""
    on_failure: OnFailure = "report"
    """`report` shows it; `quarantine` moves the failing rows aside (row rules only); `block` fails the asset and stops everything downstream."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Great Expectations' own arguments: every key that is not ours."""
        return self.model_extra or {}


class DatasetSpec(GrownBlock):
    """A named table that keeps arriving, or a reference table."""

    ADDED: ClassVar[frozenset[str]] = frozenset({"compatibility"})

    source: SourceSpec
    """Source of the rows."""
    description: str = ""
    """Meaning of one row."""
    columns: Mapping[ColumnName, ColumnSpec | ColumnType]
    """Columns kept in the lake, with types; a source column that is not named here is dropped."""
    event_time: ColumnName | None = None
    """Column that says which partition a row belongs to (`row_time` with `every: rows`, `load_time` with `every: load`); absent for a reference table."""
    key: tuple[ColumnName, ...] = ()
    """Columns that identify a row; duplicates are counted against uniqueness. `row_number`, the row's place in the source, where nothing else does."""
    expectations: tuple[ExpectationSpec, ...] = ()
    """Expectations that must hold for every partition of this dataset."""
    compatibility: Compatibility | None = None
    """Changes of `columns` that are let through, by Avro's rules (docs/how-to/schemas.md); by default `none`, which refuses only what the lake cannot keep."""

    @model_validator(mode="after")
    def _add_made_columns(self) -> Self:
        """Add the columns that Driftline makes, where `event_time` or `key` names them and `columns` does not."""
        additions = {
            name: ColumnSpec(type=kind, sql=made_sql(name, self.key), description="Made by Driftline.")
            for name, kind in MADE.items()
            if name in (*self.key, self.event_time) and name not in self.columns
        }
        # Still being made: nobody has seen the value that is completed here.
        self.__dict__["columns"] = {**self.columns, **additions}
        return self

    def column(self, name: str) -> ColumnSpec:
        """Return the column's full form."""
        value = self.columns[name]
        return value if isinstance(value, ColumnSpec) else ColumnSpec(type=value)

    def is_made(self, name: str) -> bool:
        """Tell whether a column is one that Driftline makes."""
        return name in MADE and self.column(name).sql == made_sql(name, self.key)

    @property
    def watchable(self) -> tuple[str, ...]:
        """Columns whose distribution may say something: no keys and no clocks."""
        named, times = {*self.key, self.event_time}, ("date", "timestamp", "timestamp_tz")
        return tuple(n for n in self.columns if n not in named and self.column(n).type not in times)

    @property
    def is_partitioned(self) -> bool:
        """Reference tables have no event time and no partitions."""
        return self.event_time is not None
