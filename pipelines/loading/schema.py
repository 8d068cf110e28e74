"""Validate a declaration against its schema, and say every violation in the user's words."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from declaration.spec import PipelineSpec
from declaration.types import Block
from pipelines.loading.problems import Fault, KeyPath, choices, label

_WORDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "datetime": "a date or an instant such as 2013-01-01 or 2013-01-01T06:00:00",
    "tuple": "a list",
    "model": "a block of keys",
    "dict": "a block of keys",
    "mapping": "a block of keys",
    "model_attributes": "a block of keys",
}
TAG = "type"
"""Key by which the blocks of a union are told apart."""

_TAG_ERRORS = ("union_tag_invalid", "union_tag_not_found")
"""pydantic's errors about that key, which it lays to the block."""

_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def validate(attributes: object) -> PipelineSpec | list[Fault]:
    """Return the declaration's values, or everything that its schema finds wrong."""
    if not isinstance(attributes, Mapping):
        return [Fault((), f"attributes {_is(attributes)}, but must be a block of keys.")]
    try:
        # Strict, so that '500' is no number and 1 no truth; from JSON, where a list may be a tuple.
        return PipelineSpec.model_validate_json(json.dumps(attributes), strict=True)
    except ValidationError as error:
        faults = list(_faults(error, attributes))
        # A misspelt key is not also missing.
        misspelt = {
            meant_place(fault.path, attributes) for fault in faults if _is_unknown(fault.path, attributes)
        }
        return [f for f in faults if not (f.path in misspelt and _is_missing(f.path, attributes))]


def meant_place(path: KeyPath, attributes: object) -> KeyPath:
    """Return the place that a misspelt key meant; any other place itself."""
    if not path or not _is_unknown(path, attributes):
        return path
    near = get_close_matches(str(path[-1]).lower(), allowed_keys(path[:-1], attributes), n=1, cutoff=0.6)
    return (*path[:-1], near[0]) if near else path


def _is_unknown(path: KeyPath, attributes: object) -> bool:
    keys = allowed_keys(path[:-1], attributes)
    return bool(keys) and path[-1] not in keys


def _is_missing(path: KeyPath, attributes: Mapping[str, Any]) -> bool:
    block = _value_at(attributes, path[:-1])
    return isinstance(block, Mapping) and path[-1] not in block


def _faults(error: ValidationError, attributes: Mapping[str, Any]) -> Iterator[Fault]:
    for detail in error.errors(include_url=False, include_context=True):
        path, tags, is_key = _place(detail["loc"], attributes, is_missing=detail["type"] == "missing")
        value = _value_at(attributes, path)
        if tags and not _is_meant(*tags[-1]):
            continue
        if detail["type"] == "too_short" and _n_items(value) >= detail["ctx"]["min_length"]:
            # Items with faults of their own are not counted: theirs are what is wrong.
            continue
        if is_key:
            yield Fault(path, _bad_key(path))
        else:
            if detail["type"] in _TAG_ERRORS:
                path = (*path, TAG)
            yield Fault(path, _text(detail, path, attributes))


def _n_items(value: object) -> int:
    return len(value) if isinstance(value, list | Mapping) else 0


def _place(
    location: Sequence[str | int], attributes: object, *, is_missing: bool
) -> tuple[KeyPath, list[tuple[str, object]], bool]:
    """Split pydantic's location into the place in the file and the names of union branches, each with the value there."""
    path: KeyPath = ()
    tags: list[tuple[str, object]] = []
    here = attributes
    named: KeyPath | None = None
    for position, part in enumerate(location):
        if part == "[key]":
            return path, tags, True
        is_last = position == len(location) - 1
        if (
            named != path
            and isinstance(here, Mapping)
            and here.get(TAG) == part
            and _is_tagged(path, attributes)
        ):
            # The block of a union that is meant, not a key, though one may have that name: `type: dataset`.
            named = path
            continue
        if isinstance(here, Mapping) and (part in here or (is_missing and is_last)):
            path, here = (*path, part), here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            path, here = (*path, part), here[part]
        else:
            tags.append((str(part), here))
    return path, tags, False


def _is_tagged(path: KeyPath, attributes: object) -> bool:
    """Tell whether blocks of a place are told apart by their type."""
    blocks = blocks_of(annotation_at(path, attributes))
    return len(blocks) > 1 and all(TAG in block.model_fields for block in blocks)


def _value_at(value: Any, path: KeyPath) -> object:
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            return None
    return value


def _is_meant(tag: str, value: object) -> bool:
    """Tell whether a union's branch is the one the user wrote: a block, or a plain value."""
    # A block that looks at itself as a whole is called `function-after[…, CostSpec]`.
    return tag.rstrip("]").endswith("Spec") == isinstance(value, Mapping)


def _text(detail: Mapping[str, Any], path: KeyPath, attributes: object) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), _value_at(attributes, path)
    if kind == "extra_forbidden":
        return _unknown_key(path, attributes)
    if kind in {"missing", "union_tag_not_found"}:
        return f"missing key '{path[-1]}' in {label(path[:-1])}. {_described(path, attributes)}".rstrip()
    if kind in {"literal_error", "union_tag_invalid"}:
        allowed = (
            _literals(annotation_at(path, attributes)) if kind == "literal_error" else _tags(path, attributes)
        )
        if isinstance(value, str):
            return f"unknown value '{value}' for {label(path)}. {choices(value, allowed)}"
        return f"{label(path)} {_is(value)}, but must be one of: {', '.join(allowed)}."
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{label(path)} {_is(value)}, but must be {words} {context[name]}."
    if kind in {"string_too_short", "too_short"}:
        return f"{label(path)} {_is(value)}, but must not be empty."
    if kind in {"string_too_long", "too_long"}:
        return f"{label(path)} is longer than {context['max_length']}."
    if kind == "string_pattern_mismatch":
        return f"{label(path)} {_is(value)}. {_NAMES}"
    if kind == "value_error":
        return f"{label(path)} {_is(value)}, but {context['error']}."
    expected = _WORDS.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if expected:
        return f"{label(path)} {_is(value)}, but must be {expected}."
    return f"{label(path)} {_is(value)}: {detail['msg']}."


def _unknown_key(path: KeyPath, attributes: object) -> str:
    keys = allowed_keys(path[:-1], attributes)
    of_others = [
        str(tag)
        for block in blocks_of(annotation_at(path[:-1], attributes))
        if TAG in block.model_fields and path[-1] in block.model_fields
        for tag in get_args(block.model_fields[TAG].annotation)
    ]
    if of_others:
        own = _value_at(attributes, (*path[:-1], TAG))
        return f"{label(path)} is for {' and '.join(of_others)} sources only; this one is {own}."
    return f"unknown key '{path[-1]}' in {label(path[:-1])}. {choices(path[-1], keys)}"


def _tags(path: KeyPath, attributes: object) -> list[str]:
    """List the types of a union whose blocks are told apart by them."""
    blocks = blocks_of(annotation_at(path[:-1], attributes))
    return [str(tag) for block in blocks for tag in get_args(block.model_fields[TAG].annotation)]


_NAMES = "A name has lower-case letters, digits and underscores, begins with a letter and has at most 63."


def _bad_key(path: KeyPath) -> str:
    block = path[:-1]
    if path[-1] == "":
        return f"a key in {label(block)} is empty."
    return f"'{path[-1]}' cannot be a name in {label(block)}. {_NAMES}"


def _is(value: object) -> str:
    """Say a value as it stands in the file."""
    if value is None:
        return "is empty"
    if isinstance(value, Mapping):
        return "is a block of keys"
    if isinstance(value, list):
        return "is an empty list" if not value else "is a list"
    if isinstance(value, bool):
        return f"is {str(value).lower()}"
    return f"is '{_short(value)}'" if isinstance(value, str) else f"is {_short(value)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _described(path: KeyPath, attributes: object) -> str:
    block = block_of(annotation_at(path[:-1], attributes), _value_at(attributes, path[:-1]))
    if block is None or str(path[-1]) not in block.model_fields:
        return ""
    return (block.model_fields[str(path[-1])].description or "").split("\n\n")[0]


def allowed_keys(path: KeyPath, attributes: object) -> list[str]:
    """List the keys of the block at a place; none where there is no block."""
    block = block_of(annotation_at(path, attributes), _value_at(attributes, path))
    return list(block.model_fields) if block else []


def annotation_at(path: KeyPath, attributes: object) -> Any:
    """Return the type that the schema gives to a place: where blocks are told apart by their type, by what is written there."""
    here: Any = PipelineSpec
    for position, part in enumerate(path):
        block = block_of(here, _value_at(attributes, path[:position]))
        if block is not None:
            here = block.model_fields[str(part)].annotation if str(part) in block.model_fields else None
            continue
        for option in alternatives(here):
            arguments = get_args(option)
            if get_origin(option) in {tuple, Mapping} and arguments:
                here = arguments[1] if get_origin(option) is Mapping else arguments[0]
                break
        else:
            return None
    return here


def alternatives(annotation: Any) -> list[Any]:
    """Unfold `Annotated` and unions into plain alternatives."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in {typing.Union, types.UnionType}:
        return [option for argument in get_args(annotation) for option in alternatives(argument)]
    return [annotation]


def block_of(annotation: Any, value: object = None) -> type[BaseModel] | None:
    """Return the block among a type's alternatives: of several the one whose type a value has, or the first."""
    blocks = blocks_of(annotation)
    tag = value.get(TAG) if isinstance(value, Mapping) else None
    for block in blocks[1:]:
        if TAG in block.model_fields and tag in get_args(block.model_fields[TAG].annotation):
            return block
    return blocks[0] if blocks else None


def blocks_of(annotation: Any) -> list[type[BaseModel]]:
    """Return all blocks among a type's alternatives."""
    return [
        option
        for option in alternatives(annotation)
        if isinstance(option, type) and issubclass(option, Block)
    ]


def _literals(annotation: Any) -> list[str]:
    return [
        str(value)
        for option in alternatives(annotation)
        if get_origin(option) is Literal
        for value in get_args(option)
    ]
