"""A declaration's entities and feature views as Feast's objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.spec import PipelineSpec

if TYPE_CHECKING:
    from feast import Entity, FeatureView, Project, ValueType
    from feast.types import PrimitiveFeastType


class FeatureObjectError(DriftlineError):
    """A view's stored columns cannot become a Feast feature view."""


@dataclass(frozen=True)
class StoredView:
    """Place and schema of a view's rows."""

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
    columns = dict.fromkeys(c for name in stored for c in spec.view_keys(name))
    types = {c: _value_type(_field_of(stored, spec, c)) for c in columns}
    owner, shown = ", ".join(spec.owners), {**spec.tags, **tags}
    entities = {
        c: Entity(
            name=c, join_keys=[c], value_type=types[c], description=_key_of(spec, c), owner=owner, tags=shown
        )
        for c in columns
    }  # fmt: skip
    for name, rows in stored.items():
        view = spec.features[name]
        keys = spec.view_keys(name)
        source = FileSource(
            name=f"{name}_rows",
            path=rows.path,
            file_format=DeltaFormat(),
            timestamp_field=EVENT_TIMESTAMP,
            created_timestamp_column=CREATED_TIMESTAMP if CREATED_TIMESTAMP in rows.schema.names else "",
            description=f"Rows of the feature view {name} in the lake, all partitions.",
            owner=owner,
        )
        fields = [
            Field(name=field.name, dtype=_feast_type(field))
            for field in rows.schema
            if field.name not in (EVENT_TIMESTAMP, CREATED_TIMESTAMP)
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
                owner=owner,
                tags=shown,
            )
        )
    return list(entities.values()), views


def feast_project(name: str, spec: PipelineSpec) -> Project:
    """Return the Feast project that holds a pipeline's objects."""
    from feast import Project

    return Project(
        name=name, description=spec.description, owner=", ".join(spec.owners), tags=dict(spec.tags)
    )


def _key_of(spec: PipelineSpec, column: str) -> str:
    """Say which declared entities a key column is part of."""
    used = dict.fromkeys(
        view.entity for name, view in spec.features.items() if column in spec.view_keys(name)
    )
    names = [entity for entity in used if entity is not None]
    return f"Key of the {'entity' if len(names) == 1 else 'entities'} {', '.join(names)}."


def _field_of(stored: Mapping[str, StoredView], spec: PipelineSpec, column: str) -> pa.Field:
    return next(rows.schema.field(column) for name, rows in stored.items() if column in spec.view_keys(name))


def _feast_type(field: pa.Field) -> PrimitiveFeastType:
    from feast import types

    primitive: PrimitiveFeastType = getattr(types, feast_type_name(field))
    return primitive


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
