"""YAML that remembers its lines, so that every fault of a declaration can name one.

Read as people write it: `on`, `yes` and dates are text, keys are text, and a key that is
given twice is a fault instead of a silent overwrite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pipelines.loading.problems import Fault, KeyPath, label

MAX_VALUES = 50_000
"""More values than any declaration has: aliases that multiply (or contain themselves) stop here."""

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_MERGE_TAG = "tag:yaml.org,2002:merge"
NUL = "\0"

_TEXT_WORDS = {"on", "off", "yes", "no"}

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class MarkedYaml:
    """One document: its plain value, the line of every key and item, and what is wrong with it."""

    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """Return the line of a place, or of the nearest block around it that is written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _TooManyValuesError(Exception):
    pass


def parse(text: str) -> MarkedYaml:
    """Read one YAML document; syntax errors become a fault, never an exception."""
    document = MarkedYaml()
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            document.lines[()] = node.start_mark.line + 1
            document.value = _Reading(loader, document).value(node, ())
    except yaml.MarkedYAMLError as error:
        document.faults.append(_syntax_fault(error, text))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.faults.append(Fault((), f"not readable as YAML: {error.reason}.", line=line))
    except (_TooManyValuesError, RecursionError):
        problem = f"more than {MAX_VALUES} values: an anchor that contains itself, or aliases that multiply."
        document.faults.append(Fault((), problem))
    finally:
        loader.dispose()
    return document


def _syntax_fault(error: yaml.MarkedYAMLError, text: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    hint = ""
    if "single document" in problem:
        problem, hint = "a second document ('---') begins here", " One folder holds one pipeline."
    elif mark and text.splitlines()[mark.line : mark.line + 1] and "\t" in text.splitlines()[mark.line]:
        hint = " Indent with spaces, not tabs."
    elif "mapping values are not allowed" in problem:
        hint = " Quote a text that contains ': ', and check the indentation."
    return Fault((), f"not valid YAML: {problem}.{hint}", line=mark.line + 1 if mark else 1)


@dataclass
class _Reading:
    """Walks the nodes of a document once."""

    loader: yaml.SafeLoader
    document: MarkedYaml
    n_values: int = 0

    def value(self, node: Node, path: KeyPath) -> object:
        self.n_values += 1
        if self.n_values > MAX_VALUES:
            raise _TooManyValuesError
        if isinstance(node, MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, SequenceNode):
            return [self._item(child, (*path, position)) for position, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _item(self, node: Node, path: KeyPath) -> object:
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        return self.value(node, path)

    def _entries(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, object]]:
        seen: dict[str, int] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self._fault(path, "a key must be a plain text.", line)
                continue
            key_node.value = self._without_nul(key_node, path)
            if key_node.tag == _MERGE_TAG:
                merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            elif key_node.value in seen:
                first = seen[key_node.value]
                text = (
                    f"key '{key_node.value}' is given twice in {label(path)}; the first is on line {first}."
                )
                self._fault((*path, key_node.value), text, line)
            else:
                seen[key_node.value] = line
                self.document.lines[*path, key_node.value] = line
                yield key_node.value, self.value(value_node, (*path, key_node.value))
        for defaults in merged:
            yield from self._defaults(defaults, path, seen)

    def _defaults(self, node: Node, path: KeyPath, seen: dict[str, int]) -> Iterator[tuple[str, object]]:
        """Yield the entries of a `<<` merge that are not given here."""
        value = self.value(node, path)
        if not isinstance(value, Mapping):
            self._fault(path, "'<<' must name a block of keys.", node.start_mark.line + 1)
            return
        for key, item in value.items():
            if key not in seen:
                seen[key] = node.start_mark.line + 1
                yield key, item

    def _scalar(self, node: Node, path: KeyPath) -> object:
        node.value = self._without_nul(node, path)
        if node.tag not in _PLAIN_TAGS or (node.tag.endswith(":int") and ":" in node.value):
            if not node.tag.startswith("tag:yaml.org,2002:"):
                text = f"{label(path)}: the tag '{node.tag}' is not supported; write the value plainly."
                self._fault(path, text, node.start_mark.line + 1)
            # Dates, and numbers to the base of 60: a person meant the text.
            return node.value
        if node.tag.endswith(":bool") and node.value.lower() in _TEXT_WORDS:
            return node.value
        try:
            value: object = self.loader.construct_object(node)
        except ValueError:
            return node.value
        if isinstance(value, float) and not math.isfinite(value):
            text = f"{label(path)} is {node.value}, but must be a finite number."
            self._fault(path, text, node.start_mark.line + 1)
            return None
        return value

    def _without_nul(self, node: Node, path: KeyPath) -> str:
        """Return a text without NUL characters, which end a text for the engine, file systems and databases."""
        text: str = node.value
        if NUL in text:
            message = f"{label(path)} holds a NUL character (\\0). Remove it."
            self._fault(path, message, node.start_mark.line + 1)
        return text.replace(NUL, "")

    def _fault(self, path: KeyPath, text: str, line: int) -> None:
        self.document.faults.append(Fault(path, text, line=line))
