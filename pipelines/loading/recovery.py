"""Recovery from a violated schema, so that all faults of a declaration come at once.

Faulty values are taken out and stand-ins put where something is required; what depends on
them is unreliable and is not judged.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, get_args, get_origin

from declaration.spec import PipelineSpec
from pipelines.loading.problems import Check, Fault, KeyPath
from pipelines.loading.schema import alternatives, annotation_at, block_of, meant_place, validate

_ROUNDS = 6
"""A stand-in may bare the next fault below it; declarations are five levels deep."""

_NAMED = ("datasets", "columns", "entities", "features", "queries")
"""Blocks whose keys are names that other blocks use."""


def recover(attributes: object, faults: Collection[Fault]) -> PipelineSpec | None:
    """Return the values of a declaration without its faulty places, or None where nothing is left."""
    if not isinstance(attributes, Mapping):
        return None
    remainder = copy.deepcopy(dict(attributes))
    for _ in range(_ROUNDS):
        for fault in faults:
            _mend(remainder, fault.path)
        result = validate(remainder)
        if isinstance(result, PipelineSpec):
            return result
        faults = result
    return None


def unreliable_keys(faults: Collection[Fault], attributes: object) -> set[KeyPath]:
    """List the places that cannot be judged: the faulty ones, and those that a misspelt key meant."""
    return {meant for fault in faults for meant in (fault.path, meant_place(fault.path, attributes))}


def is_answerable(check: Check, unreliable_paths: Collection[KeyPath]) -> bool:
    """Tell whether everything that a check depends on is reliable."""
    if any(is_unreliable(path, unreliable_paths) for path in check.reads):
        return False
    return not any(block[: len(path)] == path for block in check.names for path in unreliable_paths)


def is_unreliable(path: KeyPath, unreliable_paths: Collection[KeyPath]) -> bool:
    """Tell whether a place lies in, or holds, an unreliable one."""
    return any(path[: len(other)] == other[: len(path)] for other in unreliable_paths)


def _mend(attributes: Any, path: KeyPath) -> None:
    if not path:
        return
    parent = attributes
    for part in path[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return  # A fault above has taken it out already.
    last = path[-1]
    if isinstance(parent, list) and isinstance(last, int):
        # Positions name places in the file: an item is replaced, not removed.
        parent[last] = _stand_in(annotation_at(path, attributes))
    elif isinstance(parent, dict) and last in parent and len(path) > 1 and path[-2] in _NAMED:
        # Its name stands, whatever is wrong with it: others refer to it.
        parent[last] = _stand_in(annotation_at(path, attributes))
    elif isinstance(parent, dict) and last in parent:
        del parent[last]
    elif isinstance(parent, dict):
        parent[last] = _stand_in(annotation_at(path, attributes))


def _stand_in(annotation: Any) -> Any:
    block = block_of(annotation)
    if block is not None:
        required = {key: field for key, field in block.model_fields.items() if field.is_required()}
        return {key: _stand_in(field.annotation) for key, field in required.items()}
    for option in alternatives(annotation):
        origin, arguments = get_origin(option), get_args(option)
        if origin is Literal:
            return arguments[0]
        if origin is Mapping:
            return {"stand_in": _stand_in(arguments[1])}
        if origin is tuple:
            return [_stand_in(arguments[0])]
        if option is datetime:
            return "2000-01-01T00:00:00"
        if option in {int, float}:
            return 1
    return "stand_in"
