"""OpenAPI documents, of version 2 or 3: one operation becomes the source that asks it, and the columns of its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import yaml

from declaration.types import ColumnType
from sources.apis.words import CURSORS, LISTS, NEXT, OFFSETS, PAGES, SIZES, TOTAL, is_paging, plain
from sources.files import SourceError

Node = Mapping[str, Any]
"""A part of the document."""

MAX_DEPTH = 3
"""Objects inside objects whose fields become columns; deeper ones stay JSON."""

MAX_REFERENCES = 50
"""References that are followed from one to the next."""

MOST_COLUMNS = 500
"""Columns that are listed."""

_FILTER = re.compile(r"(since|until|after|before|from|to|start|end|date)$")
"""Ends of names of parameters that give the rows of a time."""

_WRAPPERS = ("data", "result", "response", "payload", "_embedded", "body")
"""Names of objects that wrap an answer."""


class OpenApiError(SourceError):
    """An OpenAPI document cannot be used."""


@dataclass(frozen=True)
class Field:
    """One field of a row.

    Attributes
    ----------
    path
        Its path in the row, as `address.city`.
    type
        Type of the lake.
    is_required
        Whether every row has it.
    description
        What the document says of it.
    values
        The values that it may have, where the document lists them.
    """

    path: str
    type: ColumnType
    is_required: bool
    description: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What a document says of one list.

    Attributes
    ----------
    source
        The `source` block, as a declaration writes it.
    fields
        Fields of a row.
    description
        What the document says of the operation.
    questions
        What only a person can decide.
    """

    source: Mapping[str, object]
    fields: Sequence[Field]
    description: str
    questions: Sequence[str] = field(default_factory=tuple)


def parse(text: str, place: str) -> Node:
    """Return a document; JSON, or YAML without own types.

    Raises
    ------
    OpenApiError
        If it is none.
    """
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _loader())
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise OpenApiError(f"{place} is neither JSON nor YAML. Name an OpenAPI document.") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("paths"), Mapping):
        raise OpenApiError(f"{place} is no OpenAPI document: it has no `paths`.")
    return document


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def operation(document: Node, name: str, *, place: str, variable: str) -> Operation:
    """Return one operation of a document.

    Parameters
    ----------
    document
        The document.
    name
        Path or `operationId` of one that is asked by GET.
    place
        Where the document is; a relative address of its server begins there, if it is a URL.
    variable
        Beginning of the names of environment variables that hold credentials.

    Raises
    ------
    OpenApiError
        If there is no such operation, or it answers with no list of objects.
    """
    path, item, found = _found(document, name, place)
    reader = _Reader(document)
    parameters = _query([*reader.list_of(item, "parameters"), *reader.list_of(found, "parameters")])
    answer = reader.answer(found, f"{place}#{name}")
    rows, row = reader.rows(answer, f"{place}#{name}")
    questions: list[str] = []
    source: dict[str, object] = {"type": "rest", "url": _server(document, found, place) + path}
    if "{" in path:
        questions.append("which one is meant? Write it into the URL, in place of what stands in braces.")
    if required := [one["name"] for one in parameters if one.get("required") and not is_paging(one["name"])]:
        source["params"] = {one: _example(parameters, one) for one in required}
        questions.append(
            f"are the values right of the parameters that the API needs ({', '.join(required)})?"
        )
    auth, asked = _credentials(reader, found, variable)
    if auth is not None:
        source["auth"] = auth
    questions += asked
    paging, asked = _paging(reader, parameters, found, answer)
    if paging["by"] != "none":
        source["paging"] = paging
    questions += asked
    if rows:
        source["rows"] = rows
    fields = list(reader.fields(row))
    if len(fields) > MOST_COLUMNS:
        questions.append(
            f"of {len(fields):,} fields the first {MOST_COLUMNS} are declared. Which are needed?"
        )
    filters = [
        one["name"] for one in parameters if _FILTER.search(plain(one["name"])) and not is_paging(one["name"])
    ]
    if filters:
        questions.append(
            f"does the API give the rows of a time ({', '.join(filters[:6])})? Then declare `params` with "
            '"{start}" and "{end}", `event_time` and partitions of time, so that each partition asks for its own.'
        )
    described = str(found.get("summary") or found.get("description") or "")
    return Operation(source, fields[:MOST_COLUMNS], described, tuple(questions))


def _found(document: Node, name: str, place: str) -> tuple[str, Node, Node]:
    wanted = name.removeprefix("GET ").strip()
    known: list[str] = []
    for path, item in document["paths"].items():
        found = item.get("get") if isinstance(item, Mapping) else None
        if not isinstance(found, Mapping):
            continue
        if wanted in (path, found.get("operationId")):
            return str(path), item, found
        known.append(str(path))
    from difflib import get_close_matches

    near = get_close_matches(wanted, known, n=5, cutoff=0.3) or known[:5]
    raise OpenApiError(
        f"{place} has no operation '{name}' that is asked by GET. Name its path or operationId after #, as in '{place}#{near[0] if near else '/orders'}'. "
        f"There are {len(known):,}, such as {', '.join(near)}."
    )


def _query(listed: Sequence[Node]) -> list[Node]:
    return [one for one in listed if one.get("in") == "query" and isinstance(one.get("name"), str)]


def _example(parameters: Sequence[Node], name: str) -> str:
    one = next(one for one in parameters if one["name"] == name)
    schema = one.get("schema") if isinstance(one.get("schema"), Mapping) else one
    assert schema is not None
    listed = schema.get("enum")
    for value in (
        one.get("example"),
        schema.get("default"),
        schema.get("example"),
        listed[0] if listed else None,
    ):
        if isinstance(value, str | int | float) and "{" not in str(value):
            return str(value).lower() if isinstance(value, bool) else str(value)
    return "?"


def _server(document: Node, found: Node, place: str) -> str:
    """Return the address of the server, with the defaults of its variables."""
    servers = found.get("servers") or document.get("servers")
    if isinstance(servers, Sequence) and servers and isinstance(servers[0], Mapping):
        url = str(servers[0].get("url", ""))
        for name, variable in (servers[0].get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    else:
        scheme = next((s for s in document.get("schemes", ()) if s == "https"), "https")
        url = f"{scheme}://{document['host']}{document.get('basePath', '')}" if document.get("host") else ""
    if not url.startswith(("https://", "http://")):
        url = (
            urljoin(place, url)
            if place.startswith(("https://", "http://"))
            else f"https://api.example.com{url}"
        )
    return url.partition("?")[0].rstrip("/")


def _credentials(
    reader: _Reader, found: Node, variable: str
) -> tuple[Mapping[str, object] | None, Sequence[str]]:
    """Return the `auth` block of the first way to know who asks that there is a block for."""
    document = reader.document
    needed = found.get("security", document.get("security")) or []
    schemes = (
        (document.get("components") or {}).get("securitySchemes") or document.get("securityDefinitions") or {}
    )
    names = [name for need in needed if isinstance(need, Mapping) for name in need]

    def env(name: str) -> Mapping[str, str]:
        return {"env": f"{variable}_{name}"}

    set_it = "are the variables set wherever this runs? They hold what the API knows you by."
    for name in names:
        scheme = reader.resolved(schemes.get(name))
        kind, way = scheme.get("type"), str(scheme.get("scheme", "")).lower()
        flows = scheme.get("flows") or {}
        machine = flows.get("clientCredentials") or (scheme if scheme.get("flow") == "application" else None)
        if kind == "basic" or (kind == "http" and way == "basic"):
            return {"type": "basic", "user": env("USER"), "password": env("PASSWORD")}, [set_it]
        if kind == "apiKey" and scheme.get("in") in ("header", "query"):
            return {
                "type": "api_key",
                "name": str(scheme["name"]),
                "where": scheme["in"],
                "key": env("KEY"),
            }, [set_it]
        if (
            kind == "oauth2"
            and machine
            and str(machine.get("tokenUrl", "")).startswith(("https://", "http://"))
        ):
            keys = {"client_id": env("CLIENT_ID"), "client_secret": env("CLIENT_SECRET")}
            return {"type": "oauth", "token_url": str(machine["tokenUrl"]), **keys}, [set_it]
        if kind in ("http", "oauth2", "openIdConnect"):
            return {"type": "bearer", "token": env("TOKEN")}, [set_it]
    if names:
        return None, [
            f"how does the API know who asks? It says {', '.join(names)}, for which there is no `auth`."
        ]
    return None, []


def _paging(
    reader: _Reader, parameters: Sequence[Node], found: Node, answer: Node
) -> tuple[Mapping[str, object], Sequence[str]]:
    """Return the `paging` block, by the names of parameters and of the answer's fields."""
    sizes = [one for one in parameters if re.fullmatch(SIZES, plain(one["name"]))]
    size: dict[str, object] = {}
    if sizes:
        schema = reader.resolved(sizes[0].get("schema")) or sizes[0]
        most = schema.get("maximum") or schema.get("default") or 100
        size = {"size": int(most) if isinstance(most, int | float) else 100, "size_param": sizes[0]["name"]}
    total = reader.path_of(answer, TOTAL, ("integer", "number"))
    known_total = {"total": total} if total else {}
    following = reader.path_of(answer, NEXT, ("string", "integer"))
    for by, names in (("cursor", CURSORS), ("page", PAGES), ("offset", OFFSETS)):
        for one in parameters:
            if not re.fullmatch(names, plain(one["name"])):
                continue
            if by == "cursor" and following is None:
                continue
            ending = {"next": following} if by == "cursor" else {}
            return {"by": by, "param": one["name"], **size, **ending, **known_total}, []
    if any(name.lower() == "link" for name in reader.headers(found)):
        return {"by": "link", **size, **known_total}, []
    if following is not None and _looks_like_url(reader, answer, following):
        return {"by": "link", "next": following, **size, **known_total}, []
    if sizes or any(is_paging(one["name"]) for one in parameters):
        listed = ", ".join(one["name"] for one in parameters if is_paging(one["name"]))
        return {"by": "none"}, [
            f"how does the API page? It has the parameter {listed}, but nothing tells what the next page is. Without `paging`, "
            "only the first is read."
        ]
    return {"by": "none"}, ["is one answer all there is? The document tells of no pages."]


def _looks_like_url(reader: _Reader, answer: Node, path: str) -> bool:
    node = answer
    for part in path.split("."):
        node = reader.properties(node).get(part, {})
    return node.get("format") in ("uri", "url") or "link" in path.lower()


class _Reader:
    """Follows references inside one document."""

    def __init__(self, document: Node) -> None:
        self.document = document

    def resolved(self, node: object) -> Node:
        """Return a part with its references followed, and what `allOf` names put together."""
        for _ in range(MAX_REFERENCES):
            if not isinstance(node, Mapping):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return self._together(node)
            node = self._at(reference)
        return {}

    def _at(self, reference: str) -> object:
        if not reference.startswith("#/"):
            return {}
        node: object = self.document
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(key)] if key.isdecimal() and int(key) < len(node) else None
            else:
                node = node.get(key) if isinstance(node, Mapping) else None
        return node

    def _together(self, node: Node) -> Node:
        parts = node.get("allOf")
        if not isinstance(parts, Sequence):
            return node
        found = [self.resolved(part) for part in parts]
        merged = {key: value for part in found for key, value in part.items()}
        merged |= {key: value for key, value in node.items() if key != "allOf"}
        properties = [part.get("properties") or {} for part in (*found, node)]
        merged["properties"] = {name: value for one in properties for name, value in one.items()}
        merged["required"] = [name for part in (*found, node) for name in part.get("required") or ()]
        return merged

    def list_of(self, node: Node, key: str) -> list[Node]:
        """Return a list of parts."""
        return [self.resolved(one) for one in node.get(key) or ()]

    def properties(self, node: Node) -> Mapping[str, Node]:
        """Return the fields of an object."""
        found = node.get("properties")
        return (
            {str(name): self.resolved(one) for name, one in found.items()}
            if isinstance(found, Mapping)
            else {}
        )

    def headers(self, found: Node) -> Sequence[str]:
        """Return names of an answer's headers."""
        return list(self._response(found).get("headers") or {})

    def _response(self, found: Node) -> Node:
        responses = found.get("responses") or {}
        # YAML reads 200 as a number.
        named = next((responses[key] for key in ("200", 200, "2XX", "default") if key in responses), None)
        return self.resolved(named)

    def answer(self, found: Node, place: str) -> Node:
        """Return the schema of an answer in JSON."""
        response = self._response(found)
        contents = response.get("content")
        schema = response.get("schema")
        if isinstance(contents, Mapping):
            kinds = [kind for kind in contents if "json" in str(kind).lower()]
            schema = (contents[kinds[0]] or {}).get("schema") if kinds else None
        answer = self.resolved(schema)
        if not answer:
            raise OpenApiError(
                f"{place}: the document does not say what the answer looks like in JSON. Write the declaration by hand."
            )
        return answer

    def rows(self, answer: Node, place: str, path: str = "", depth: int = 0) -> tuple[str, Node]:
        """Return the path of the list of rows, and the schema of one."""
        if _type(answer) == "array":
            row = self.resolved(answer.get("items"))
            if row.get("properties"):
                return path, row
        else:
            lists = {
                name: node for name, node in self.properties(answer).items()
                if _type(node) == "array" and self.resolved(node.get("items")).get("properties")
            }  # fmt: skip
            subject = plain(place.rpartition("/")[2])
            chosen = next((name for name in (subject, *LISTS) if name in lists), None)
            if chosen is None and len(lists) == 1 and depth == 0:
                chosen = next(iter(lists))
            if chosen is not None:
                return self.rows(lists[chosen], place, f"{path}.{chosen}" if path else chosen)
            if lists and depth == 0:
                raise OpenApiError(
                    f"{place} answers with several lists: {', '.join(lists)}. Write the declaration by hand, with `rows` for one of them."
                )
            # One object with lists in it is no list: only what wraps an answer is looked into.
            for name in _WRAPPERS if depth < 2 else ():
                node = self.properties(answer).get(name, {})
                if _type(node) == "object":
                    return self.rows(node, place, f"{path}.{name}" if path else name, depth + 1)
        raise OpenApiError(f"{place} answers with no list of objects. Name an operation that lists them.")

    def fields(
        self, row: Node, path: str = "", depth: int = 1, *, is_required: bool = True
    ) -> Iterator[Field]:
        """Give the fields of a row, those of objects in it by their path."""
        required = row.get("required") or ()
        for name, node in self.properties(row).items():
            at = f"{path}.{name}" if path else name
            always = is_required and name in required and not _is_nullable(node)
            if "." in name or not name:
                continue  # Such a name cannot be told from a path.
            if _type(node) == "object" and depth < MAX_DEPTH and self.properties(node):
                yield from self.fields(node, at, depth + 1, is_required=always)
                continue
            values = node.get("enum") or ()
            texts = tuple(value for value in values if isinstance(value, str))
            yield Field(
                at,
                _kind(node),
                always,
                str(node.get("description") or ""),
                texts if len(texts) == len(values) else (),
            )

    def path_of(
        self, answer: Node, names: str, types: Sequence[str], path: str = "", depth: int = 0
    ) -> str | None:
        """Return the path of a field of the answer by its name and type."""
        below = []
        for name, node in self.properties(answer).items():
            at = f"{path}.{name}" if path else name
            if "." not in name and _type(node) in types and re.fullmatch(names, plain(name)):
                return at
            if _type(node) == "object" and depth < 2 and "." not in name:
                below.append((at, node))
        found = (self.path_of(node, names, types, at, depth + 1) for at, node in below)
        return next((one for one in found if one is not None), None)


def _type(node: Node) -> str:
    """Return the type that a schema names beside null."""
    kind = node.get("type")
    kinds = [one for one in kind if one != "null"] if isinstance(kind, list) else [kind]
    if len(kinds) == 1 and isinstance(kinds[0], str):
        return kinds[0]
    return "object" if "properties" in node else "array" if "items" in node else ""


def _is_nullable(node: Node) -> bool:
    kind = node.get("type")
    return bool(node.get("nullable") or node.get("x-nullable") or (isinstance(kind, list) and "null" in kind))


def _kind(node: Node) -> ColumnType:
    """Return the type in the lake; what has none of its own is text."""
    kind, form = _type(node), str(node.get("format", "")).lower()
    if kind == "string":
        forms: Mapping[str, ColumnType] = {
            "date-time": "timestamp_tz",
            "datetime": "timestamp_tz",
            "date": "date",
            "decimal": "decimal",
        }
        return forms.get(form, "string")
    kinds: Mapping[str, ColumnType] = {
        "integer": "int",
        "number": "decimal" if form == "decimal" else "float",
        "boolean": "boolean",
    }
    return kinds.get(kind, "string")
