"""Reads of the online store: the newest values of some entities, judged by their age."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from resources.feature_store.objects import FeatureStoreError, registered
from resources.feature_store.online.values import OnlineValues, served

if TYPE_CHECKING:
    import feast
    from feast import FeatureView

FEAST_KEY = "__dummy_id"
"""Feast's key of views without an entity (`feast.feature_view.DUMMY_ENTITY_ID`), whose one value is the empty text."""

VIEW_AGE_S = 60.0
"""Time for which a view that another process registers anew is read as it was: as long as Feast's registry caches."""


def read_values(
    store: feast.FeatureStore, view: str, keys: Sequence[Mapping[str, Any]], now: datetime
) -> list[OnlineValues]:
    """Read the newest values of some entities, withholding those older than the view's ttl.

    Parameters
    ----------
    store
        Feast's project.
    view
        The view's name.
    keys
        The entities, each by all of the view's join keys.
    now
        The instant of the question: what ages are counted to.

    Returns
    -------
    list
        What is served for each entity, in their order.

    Raises
    ------
    FeatureStoreError
        If the view is not registered, or the keys are not its entity's.
    """
    feature_view = recent_view(store, view, int(time.monotonic() // VIEW_AGE_S))
    types = key_types(feature_view)
    asked = [name for name in types if name != FEAST_KEY]
    for key in keys:
        if set(key) != set(asked):
            raise FeatureStoreError(
                f"feature view '{view}' is read by {', '.join(asked) or 'nothing'}, not by {', '.join(key) or 'nothing'}."
            )
    entities = entity_keys(keys, types)
    names = [feature.name for feature in feature_view.features]
    with read_errors(view):
        # Feast's Redis store appends to the list that it is given.
        answers = store._get_provider().online_read(store.config, feature_view, entities, names.copy())
    return [served(at, values, names, ttl=feature_view.ttl, now=now) for at, values in answers]


VENDORS = {"psycopg": "Error", "psycopg2": "Error", "redis": "RedisError"}
"""Errors of the stores' clients, by module; only a module that is loaded can have raised one."""


@contextmanager
def read_errors(view: str) -> Iterator[None]:
    """Raise what an online store says, where it is gone or damaged, as an error of ours.

    Raises
    ------
    FeatureStoreError
        With the view, and what to do.
    """
    loaded = [getattr(sys.modules[name], error) for name, error in VENDORS.items() if name in sys.modules]
    try:
        yield
    except (sqlite3.Error, *loaded) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise FeatureStoreError(
            f"feature view '{view}' cannot be read from the online store: {text}. See that it runs; "
            "`driftline verify --repair` fills it from the lake."
        ) from error


@lru_cache(maxsize=256)
def recent_view(store: feast.FeatureStore, view: str, age: int) -> FeatureView:  # noqa: ARG001 (part of the key)
    """Return a view as it was registered lately: making it from the registry costs more than a read."""
    return registered(store, view)


def key_types(view: FeatureView) -> dict[str, Any]:
    """Return the types of a view's join keys: its entity's, or the one that Feast gives to views without an entity."""
    return {column.name: column.dtype.to_value_type() for column in view.entity_columns}


def entity_keys(keys: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> list[Any]:
    """Return entities as Feast's stores are asked for them: all of a view's join keys, by name."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.type_map import python_values_to_proto_values

    names = sorted(types)
    columns = [
        python_values_to_proto_values(["" if name == FEAST_KEY else key[name] for key in keys], types[name])
        for name in names
    ]
    return [EntityKey(join_keys=names, entity_values=values) for values in zip(*columns, strict=True)]
