"""Changes of a definition against the registered features, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from feast import FeatureView

Kind = Literal[
    "add view", "remove view", "add feature", "remove feature", "rename feature", "retype feature", "change keys",
    "change ttl", "move rows",
]  # fmt: skip

CONSEQUENCES: Mapping[Kind, str] = {
    "add view": "Registered; not found online until its partitions are materialized; models read it from their "
    "next training on.",
    "remove view": "Leaves the registry; its online values are deleted; models that read it cannot score.",
    "add feature": "Registered; not found online until partitions are materialized again, null offline where they "
    "are not; models read it from their next training on.",
    "remove feature": "Leaves the registry; its online values are served no more; models that read it cannot score.",
    "rename feature": "Looks like a new name: the old one is served no more, the new one is not found online until "
    "partitions are materialized again; models that read the old one cannot score.",
    "retype feature": "Registered anew; online values keep the old type until partitions are materialized again; "
    "models that read it were fitted on the old type.",
    "change keys": "Registered anew; nothing is found online under the new keys until partitions are materialized "
    "again; models that read the view learned from another join.",
    "change ttl": "Registered anew; values are withheld at another age, online and in training sets from now on.",
    "move rows": "Registered anew; joins read the rows at the new place, online values stay.",
}
"""Consequences of each change for the registry, the online store and the models."""


@dataclass(frozen=True)
class ViewShape:
    """Shape of a feature view that readers rely on: its features and keys by type, its ttl, where its rows are."""

    features: Mapping[str, str]
    keys: Mapping[str, str]
    ttl: timedelta
    path: str


@dataclass(frozen=True)
class FeatureChange:
    """One difference between what is registered and what is declared.

    Attributes
    ----------
    kind
        What happens.
    view, feature
        To what; `feature` is empty where it happens to the whole view.
    before, after
        What is registered and what is declared: types, keys, ttl, path or name; empty where there is none.
    lost
        Columns (`<view>__<feature>`) that models can no longer read as they learned them.
    """

    kind: Kind
    view: str
    feature: str
    before: str
    after: str
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = f"{self.view}.{self.feature}" if self.feature else self.view
        values = " -> ".join(value for value in (self.before, self.after) if value)
        return f"{self.kind} {name}" + (f" ({values})" if values else "")


def shapes(views: Iterable[FeatureView]) -> Mapping[str, ViewShape]:
    """Return the shapes of Feast's views, by name."""
    return {
        view.name: ViewShape(
            features={field.name: str(field.dtype) for field in view.features},
            keys={field.name: str(field.dtype) for field in view.entity_columns},
            ttl=view.ttl or timedelta(0),
            path=getattr(view.batch_source, "path", ""),
        )
        for view in views
    }


def changes_between(
    before: Mapping[str, ViewShape], after: Mapping[str, ViewShape]
) -> tuple[FeatureChange, ...]:
    """List what has to change of the views `before` so that they are those `after`, by view and feature."""
    changes: list[FeatureChange] = []
    for view in sorted({*before, *after}):
        if view not in before:
            changes.append(FeatureChange("add view", view, "", "", ", ".join(sorted(after[view].features))))
        elif view not in after:
            names = sorted(before[view].features)
            changes.append(
                FeatureChange("remove view", view, "", ", ".join(names), "", _columns(view, names))
            )
        else:
            changes.extend(_view_changes(view, before[view], after[view]))
    return tuple(changes)


def _view_changes(view: str, before: ViewShape, after: ViewShape) -> Iterator[FeatureChange]:
    if dict(before.keys) != dict(after.keys):
        lost = _columns(view, sorted(before.features))
        yield FeatureChange("change keys", view, "", _typed(before.keys), _typed(after.keys), lost)
    yield from _feature_changes(view, before.features, after.features)
    if before.ttl != after.ttl:
        yield FeatureChange("change ttl", view, "", str(before.ttl or "none"), str(after.ttl or "none"))
    if before.path != after.path:
        yield FeatureChange("move rows", view, "", before.path, after.path)


def _feature_changes(
    view: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[FeatureChange]:
    gone, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    # One gone and one new of the same type: what a new name looks like. More than one could be any pairing.
    if len(gone) == len(new) == 1 and before[gone[0]] == after[new[0]]:
        yield FeatureChange("rename feature", view, gone[0], gone[0], new[0], _columns(view, gone))
        gone, new = [], []
    for name in gone:
        yield FeatureChange("remove feature", view, name, before[name], "", _columns(view, [name]))
    for name in new:
        yield FeatureChange("add feature", view, name, "", after[name])
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield FeatureChange(
                "retype feature", view, name, before[name], after[name], _columns(view, [name])
            )


def _columns(view: str, features: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{view}__{feature}" for feature in features)


def _typed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in sorted(columns.items()))
