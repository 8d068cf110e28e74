"""Declaration of an API's list, from its OpenAPI document: no row is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from declaration.names import is_url
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.findings import DECIDE, ask
from pipelines.scaffolding.names import column_names, dataset_name
from pipelines.scaffolding.text import comment, flow, one_line, scalar, snake_case
from sources.apis.openapi import Field, Operation, operation, parse

MAX_BYTES = 64 * 1024**2
"""Size of the largest document."""

MAX_DESCRIPTION = 200
"""Characters of a description that are kept."""

_DOCUMENT = re.compile(r"(.+\.(?:json|ya?ml))#(.+)", re.IGNORECASE)


def document_of(source: str) -> tuple[str, str] | None:
    """Return document and operation of a source such as `openapi.yaml#/orders`; None of another one.

    Examples
    --------
    >>> document_of("openapi.yaml#listOrders"), document_of("orders.csv")
    (('openapi.yaml', 'listOrders'), None)
    """
    match = _DOCUMENT.fullmatch(source)
    return (match[1], match[2]) if match else None


def write_from_document(place: str, name: str, *, pipeline: str, start: Path, type_name: str) -> str:
    """Return the text of a declaration.

    Raises
    ------
    DriftlineError
        If the document is not there or none, or the operation answers with no list.
    """
    found = operation(
        parse(_text(place, start), place), name, place=place, variable=snake_case(pipeline).upper()
    )
    return _written(found, place, name, type_name)


def _text(place: str, start: Path) -> str:
    if is_url(place):
        import fsspec

        try:
            with fsspec.open(place, "rb") as stream:
                content: bytes = stream.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise ScaffoldError(
                f"--source {one_line(place)}: the document cannot be read ({one_line(str(error))})."
            ) from error
    else:
        try:
            with (start / place).open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ScaffoldError(f"--source {one_line(place)}: there is no such document.") from error
    if len(content) > MAX_BYTES:
        raise ScaffoldError(
            f"--source {one_line(place)}: the document is larger than {MAX_BYTES // 1024**2} MB."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScaffoldError(f"--source {one_line(place)}: the document is no text in UTF-8.") from error


def _written(found: Operation, place: str, name: str, type_name: str) -> str:
    dataset = dataset_name(name)
    columns = _columns(found.fields)
    key = _key(columns)
    lines = [
        *comment(
            f"Written from the OpenAPI document {Path(place).name}, {one_line(name)}; no row was read. Comments with `{DECIDE}` ask for what "
            "the document cannot tell. Check with `dg check defs`, look before you run with `driftline preview`. Every key: "
            "docs/pipeline-reference.md.",
            0,
        ),
        f"type: {type_name}",
        "attributes:",
        f"  description: {scalar(f'Is {dataset} what it used to be?')}",
        *ask(
            "each changed state of the list is a load. If its rows are events of a time, declare `event_time` and partitions of time.",
            2,
        ),
        "  partitions: {every: load}",
        "",
        "  datasets:",
        f"    {dataset}:",
    ]
    if found.description:
        lines.append(f"      description: {scalar(_short(found.description))}")
    for question in found.questions:
        lines += ask(question, 6)
    lines += [f"      source: {flow(found.source)}", "      columns:"]
    for column, one in columns.items():
        written: dict[str, object] = {"type": one.type}
        if column != one.path:
            written["source"] = one.path
        if not one.is_required and column != key:
            written["optional"] = True
        if one.description:
            written["description"] = _short(one.description)
        lines.append(f"        {scalar(column)}: {flow(written) if len(written) > 1 else one.type}")
    lines += _rules(columns, key)
    lines += [
        "",
        *comment("Nothing is predicted yet: quality is checked and drift is watched.", 2),
        "  drift: {sensitivity: medium, min_rows: 30, reference: first, reference_partitions: 1}",
    ]
    return "\n".join(lines) + "\n"


def _key(columns: Mapping[str, Field]) -> str | None:
    """Return the column that identifies a row by its name; None where there is none."""
    named = (name for name in ("id", "uuid", "guid", "key") if name in columns)
    return next((name for name in named if columns[name].type in ("int", "string")), None)


def _rules(columns: Mapping[str, Field], key: str | None) -> list[str]:
    """Return event time, key and expectations that the document states."""
    lines = ["      event_time: load_time"]
    if key is None:
        lines += ask("which columns identify a row? The document names no `id`, so that its place does.", 6)
        return [*lines, "      key: [row_number]"]
    lines += [
        *ask(f"does '{key}' identify a row? Its name says so.", 6),
        f"      key: {flow([key])}",
        "      expectations:",
        f"        - {flow({'expect': 'column_values_to_be_unique', 'column': key, 'severity': 'critical'})}",
    ]
    for column, one in columns.items():
        if one.is_required and column != key:
            lines.append(f"        - {flow({'expect': 'column_values_to_not_be_null', 'column': column})}")
        if one.values and one.type == "string":
            rule = {"expect": "column_values_to_be_in_set", "column": column, "value_set": list(one.values)}
            lines.append(f"        - {flow(rule)}")
    return lines


def _columns(fields: Sequence[Field]) -> dict[str, Field]:
    by_path = {one.path: one for one in fields}
    return {name: by_path[path] for name, path in column_names(by_path).items()}


def _short(text: str) -> str:
    plain = one_line(re.sub(r"<[^>]*>", " ", text))
    return plain if len(plain) <= MAX_DESCRIPTION else plain[: MAX_DESCRIPTION - 1].rstrip() + "…"
