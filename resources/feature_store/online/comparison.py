"""Comparison of the online store with the lake's newest rows: every entity, some thousands at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from resources.feature_store.online.reading import FEAST_KEY, entity_keys, key_types, read_errors

if TYPE_CHECKING:
    import feast
    from feast import FeatureView

ENTITIES_AT_ONCE = 5_000
"""Entities of one read."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OnlineDifference:
    """Difference between the online store and a view's newest rows in the lake.

    Attributes
    ----------
    n_entities
        Entities of the view in the lake.
    n_missing, n_older, n_later, n_other
        Those that are not served; are served with an earlier, or a later, instant than their newest row's;
        or with its instant and other values.
    example
        One that differs; empty where none does.
    """

    n_entities: int
    n_missing: int
    n_older: int
    n_later: int
    n_other: int
    example: str

    @property
    def n_different(self) -> int:
        """Entities that are not served as the lake has them."""
        return self.n_missing + self.n_older + self.n_later + self.n_other


def compare_rows(
    store: feast.FeatureStore, view: FeatureView, batches: Iterable[pa.Table]
) -> OnlineDifference:
    """Compare the newest row of each entity with what the online store has of it, exactly.

    Parameters
    ----------
    store, view
        Feast's project and view.
    batches
        The newest row of each entity.
    """
    counts = {"": 0, "missing": 0, "older": 0, "later": 0, "other": 0}
    example = ""
    for rows in batches:
        for start in range(0, rows.num_rows, ENTITIES_AT_ONCE):
            part = rows.slice(start, ENTITIES_AT_ONCE)
            for place, difference in enumerate(_judged(store, view, part)):
                counts[difference] += 1
                if difference and not example:
                    (keys,) = _named(part.slice(place, 1), key_types(view))
                    example = ", ".join(f"{name}={value}" for name, value in keys.items()) or "the newest row"
    return OnlineDifference(
        sum(counts.values()), counts["missing"], counts["older"], counts["later"], counts["other"], example
    )


def _judged(store: feast.FeatureStore, view: FeatureView, rows: pa.Table) -> Iterator[str]:
    """Tell of each row how it differs from what is served; nothing where it does not."""
    from feature_repo.online_batch import batch_of_table

    types = key_types(view)
    names = [feature.name for feature in view.features]
    keys = entity_keys(_named(rows, types), types)
    batch = batch_of_table(view, rows)
    with read_errors(view.name):
        # Feast's Redis store appends to the list that it is given.
        answers = store._get_provider().online_read(store.config, view, keys, names.copy())
    for place, (at, stored) in enumerate(answers):
        if at is None or not stored:
            yield "missing"
            continue
        served = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
        newest = int(batch.event[place])
        if served != newest:
            yield "older" if served < newest else "later"
        elif _differ(stored, [(name, batch.values[name][place]) for name in names]):
            yield "other"
        else:
            yield ""


def _named(rows: pa.Table, types: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the keys of each row; none where the view has no entity."""
    names = [name for name in types if name != FEAST_KEY]
    return rows.select(names).to_pylist() if names else [{}] * rows.num_rows


def _differ(stored: Any, expected: Sequence[tuple[str, bytes]]) -> bool:
    from feast.protos.feast.types.Value_pb2 import Value

    nothing = Value()
    return any(stored.get(name, nothing) != Value.FromString(value) for name, value in expected)
