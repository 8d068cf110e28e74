"""Comparison of the online store with the lake's newest rows: every entity, some thousands at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from resources.feature_store.online.reading import entity_keys, read_errors

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
                    keys = part.select([column.name for column in view.entity_columns])
                    example = ", ".join(
                        f"{name}={value}" for name, value in keys.slice(place, 1).to_pylist()[0].items()
                    )
    return OnlineDifference(
        sum(counts.values()), counts["missing"], counts["older"], counts["later"], counts["other"], example
    )


def _judged(store: feast.FeatureStore, view: FeatureView, rows: pa.Table) -> Iterator[str]:
    """Tell of each row how it differs from what is served; nothing where it does not."""
    from feature_repo.online_batch import batch_of_table

    types = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
    names = [feature.name for feature in view.features]
    keys = entity_keys(rows.select([*types]).to_pylist(), types)
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


def _differ(stored: Any, expected: Sequence[tuple[str, bytes]]) -> bool:
    from feast.protos.feast.types.Value_pb2 import Value

    nothing = Value()
    return any(stored.get(name, nothing) != Value.FromString(value) for name, value in expected)
