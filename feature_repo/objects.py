"""A declaration's entities and feature views as Feast's objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.spec import DriftlineError, PipelineSpec

if TYPE_CHECKING:
    from feast import Entity, FeatureView, ValueType
    from feast.types import PrimitiveFeastType

TIME, CREATED = "event_timestamp", "created_timestamp"


class FeatureObjectError(DriftlineError):
    """A view's stored columns cannot become a Feast feature view."""


@dataclass(frozen=True)
class StoredView:
    """Where a view's rows are and what columns they have."""

    path: str
    schema: pa.Schema


def feast_objects(
    spec: PipelineSpec, stored: Mapping[str, StoredView], *, tags: Mapping[str, str]
) -> tuple[Sequence[Entity], Sequence[FeatureView]]:
    """Return the entities, and the feature views whose rows are in the lake.

    Raises
    ------
    FeatureObjectError
        If a stored column has no Feast type.
    """
    from feast import Entity, FeatureView, Field, FileSource
    from feast.data_format import DeltaFormat

    views = []
    # Feast knows one join key to an entity: each key column is an entity of its own.
    columns = dict.fromkeys(c for name in stored for c in spec.entities[spec.features[name].entity])
    types = {c: _value_type(_field_of(stored, spec, c)) for c in columns}
    entities = {c: Entity(name=c, join_keys=[c], value_type=types[c], tags=dict(tags)) for c in columns}
    for name, rows in stored.items():
        view = spec.features[name]
        keys = spec.entities[view.entity]
        source = FileSource(
            name=f"{name}_rows",
            path=rows.path,
            file_format=DeltaFormat(),
            timestamp_field=TIME,
            created_timestamp_column=CREATED if CREATED in rows.schema.names else "",
        )
        fields = [
            Field(name=field.name, dtype=_feast_type(field))
            for field in rows.schema
            if field.name not in (TIME, CREATED)
        ]
        views.append(
            FeatureView(
                name=name,
                entities=[entities[c] for c in keys],
                schema=fields,
                source=source,
                ttl=view.ttl or timedelta(0),
                online=True,
                description=view.description,
                tags=dict(tags),
            )
        )
    return list(entities.values()), views


def _field_of(stored: Mapping[str, StoredView], spec: PipelineSpec, column: str) -> pa.Field:
    return next(
        rows.schema.field(column)
        for name, rows in stored.items()
        if column in spec.entities[spec.features[name].entity]
    )


def _feast_type(field: pa.Field) -> PrimitiveFeastType:
    from feast import types

    found: PrimitiveFeastType = getattr(types, feast_type_name(field))
    return found


def feast_type_name(field: pa.Field) -> str:
    """Name the Feast type of a stored column, as registered views show it; Feast itself is not imported.

    Raises
    ------
    FeatureObjectError
        If it has none.
    """
    kind = field.type
    if pa.types.is_boolean(kind):
        return "Bool"
    if pa.types.is_integer(kind):
        return "Int64"
    if pa.types.is_floating(kind):
        return "Float64"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "String"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "UnixTimestamp"
    raise FeatureObjectError(
        f"column '{field.name}' is of type {kind}, which has no Feast type. Cast it in the view's SQL."
    )


def _value_type(field: pa.Field) -> ValueType:
    return _feast_type(field).to_value_type()
