"""Edits of a declaration's text: values by the path of their key, everything else as it was written, comments too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from pipelines.loading.read import FILE_NAME, DeclarationError, read_edited, shown_path

ATTRIBUTES = "attributes"


class EditError(DriftlineError):
    """A declaration is written in a way that cannot be edited as text."""


def edit_diff(pipeline: Pipeline, changes: Mapping[tuple[str, ...], object]) -> str:
    """Return the unified diff of a declaration with other values; nothing is written.

    Parameters
    ----------
    pipeline
        As it is declared.
    changes
        Values by path below `attributes`, such as ("retrain", "max_age"); None takes a key away.

    Raises
    ------
    EditError
        If the text cannot be edited so that it says exactly this, as where a block is an alias of another.
    """
    file = Path(pipeline.folder) / FILE_NAME
    text = file.read_text(encoding="utf-8")
    edited = text
    for path, value in changes.items():
        edited = _edited(edited, path, value)
    _check(pipeline, edited, changes)
    shown = shown_path(file)
    if Path(shown).is_absolute():
        shown = f"{file.parent.name}/{FILE_NAME}"
    lines = unified_diff(
        text.splitlines(keepends=True), edited.splitlines(keepends=True), f"a/{shown}", f"b/{shown}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _edited(text: str, path: tuple[str, ...], value: object) -> str:
    node, place = _mapping_of(text), 0
    keys = (ATTRIBUTES, *path)
    while True:
        entry = _entry(node, keys[place])
        if entry is None:
            return text if value is None else _with_entry(text, node, keys[place:], value)
        if place == len(keys) - 1:
            return _without(text, node, entry) if value is None else _replaced(text, entry[1], value)
        if not isinstance(entry[1], MappingNode):
            raise EditError(f"'{'.'.join(keys[1 : place + 1])}' is no block of keys.")
        node, place = entry[1], place + 1


def _mapping_of(text: str) -> MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, MappingNode):
        raise EditError("the file is no block of keys.")
    return node


def _entry(node: MappingNode, key: str) -> tuple[Node, Node] | None:
    return next(
        (pair for pair in node.value if isinstance(pair[0], ScalarNode) and pair[0].value == key), None
    )


def _replaced(text: str, node: Node, value: object) -> str:
    return text[: node.start_mark.index] + _said(value) + text[_end(text, node) :]


def _with_entry(text: str, node: MappingNode, keys: tuple[str, ...], value: object) -> str:
    """Add a key after the last one of a block."""
    written = _said(value)
    for key in reversed(keys[1:]):
        written = f"{{{key}: {written}}}"
    entry = f"{keys[0]}: {written}"
    if not node.value:
        raise EditError(f"there is no key beside which '{keys[0]}' can be written.")
    end = _end(text, node.value[-1][1])
    if node.flow_style:
        return f"{text[:end]}, {entry}{text[end:]}"
    # After the line's own comment.
    newline = text.find("\n", end)
    end = len(text) if newline < 0 else newline
    indent = " " * node.value[0][0].start_mark.column
    return f"{text[:end]}\n{indent}{entry}{text[end:]}"


def _without(text: str, node: MappingNode, entry: tuple[Node, Node]) -> str:
    """Take a key away: its line, or its part of a line."""
    if len(node.value) == 1:
        raise EditError(f"'{entry[0].value}' is the only key of its block.")
    start, end = entry[0].start_mark.index, _end(text, entry[1])
    if not node.flow_style:
        line = text.rfind("\n", 0, start) + 1
        newline = text.find("\n", end)
        return text[:line] + (text[newline + 1 :] if newline >= 0 else "")
    place = next(place for place, pair in enumerate(node.value) if pair[0] is entry[0])
    if place:
        return text[: _end(text, node.value[place - 1][1])] + text[end:]
    return text[:start] + text[node.value[1][0].start_mark.index :]


def _end(text: str, node: Node) -> int:
    """Return where a value ends: a block ends where its last value does."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(node, MappingNode) else last)
    end = node.end_mark.index
    while end > node.start_mark.index and text[end - 1] in " \n":
        end -= 1
    return int(end)


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_said, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _check(pipeline: Pipeline, edited: str, changes: Mapping[tuple[str, ...], object]) -> None:
    """Hold that the edited text says the new values, and nothing else that is new."""
    attributes = pipeline.spec.model_dump()
    for path, value in changes.items():
        block = attributes
        for key in path[:-1]:
            block = block[key]
        block[path[-1]] = value
    edits = ", ".join(f"{'.'.join(path)}: {_said(value)}" for path, value in changes.items())
    refusal = f"the declaration cannot be edited so that it only says {edits}. Edit it by hand."
    try:
        reread = read_edited(pipeline, edited)
    except DeclarationError as error:
        raise EditError(refusal) from error
    if reread.spec.model_dump() != attributes:
        raise EditError(refusal)
