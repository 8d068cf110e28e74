"""The schema of a declaration, for people and for editors: both come from `declaration.spec`.

`python -m pipelines.loading.reference` writes `docs/pipeline-reference.md`; with `--check` it fails
where that page is not what the schema says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from declaration.spec import PipelineSpec
from learning.algorithms.table import ALGORITHMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pipeline-reference.md"

Schema = Mapping[str, Any]

_INTRO = """\
# Pipeline reference

<!-- Written by `make docs` from declaration/spec.py. Do not edit. -->

Every key of `pipelines/defs/<name>/defs.yaml`. The file has two keys: `type: pipelines.MLPipeline`
and `attributes`, which holds the keys of [the pipeline](#pipeline). Keys that are not listed
here are errors. Paths start in the declaration's folder; SQL is DuckDB's dialect; instants without
a zone are read in `partitions.timezone`.

Check a declaration without starting anything:

```bash
driftline check pipelines/defs/<name>
```
"""

_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} of them",
    "minProperties": "at least {} of them",
}


def editor_schema() -> dict[str, Any]:
    """Return the JSON schema of a declaration's attributes, as YAML readers see them.

    YAML 1.1, which Dagster's loader and most editors read, takes the key `on` for the truth
    value: the block that has it must not refuse `true` as a key.
    """
    schema = _schema()
    block = schema["$defs"]["RetrainSpec"]
    del block["additionalProperties"]
    block["propertyNames"] = {"enum": [*block["properties"], True]}
    return schema


def _schema() -> dict[str, Any]:
    """Return the schema with the names of the algorithms, which their table knows and the declaration does not."""
    schema = PipelineSpec.model_json_schema()
    names = [
        schema["$defs"]["CandidateSpec"]["properties"]["use"]["anyOf"][0],
        schema["$defs"]["ModelSpec"]["properties"]["candidates"]["items"]["anyOf"][0],
    ]
    for choice in names:
        choice["enum"] = list(ALGORITHMS)
    return schema


def reference_page() -> str:
    """Return the Markdown page of every key: what it means, its type, its default and its bounds."""
    schema = _schema()
    blocks: Mapping[str, Schema] = schema["$defs"]
    parts = [_INTRO, *_block_section("PipelineSpec", schema, blocks)]
    for name in _in_order(schema, blocks):
        parts += _block_section(name, blocks[name], blocks)
    return "\n".join(parts).rstrip() + "\n"


def _in_order(schema: Schema, blocks: Mapping[str, Schema]) -> Sequence[str]:
    """List blocks as a reader meets them."""
    ordered: dict[str, None] = {}
    waiting = [schema]
    while waiting:
        for field in waiting.pop(0)["properties"].values():
            for name in _blocks_named(field):
                if name not in ordered:
                    ordered[name] = None
                    waiting.append(blocks[name])
    return list(ordered)


def _blocks_named(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if "$ref" in part:
            yield str(part["$ref"]).rpartition("/")[2]
        for inner in part.values():
            yield from _blocks_named(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _blocks_named(inner)


def _block_section(name: str, block: Schema, blocks: Mapping[str, Schema]) -> list[str]:
    lines = [
        f"## {_title(name)}",
        "",
        block["description"],
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    required = block.get("required", ())
    for key, field in block["properties"].items():
        default = "**required**" if key in required else _default(field)
        # A key whose description is its block's own has none in the schema.
        description = field.get("description") or " ".join(
            blocks[ref]["description"] for ref in _blocks_named(field)
        )
        meaning = f"{description} {_bounds(field)}".strip()
        lines.append(f"| `{key}` | {_type(field)} | {default} | {_cell(meaning)} |")
    if block.get("additionalProperties") is True:
        lines.append(
            "| *others* | any |  | Arguments of the expectation itself, such as `column`, `mostly` or `min_value`. |"
        )
    return [*lines, ""]


def _title(name: str) -> str:
    words = "".join(
        f" {letter.lower()}" if letter.isupper() else letter for letter in name.removesuffix("Spec")
    )
    return words.strip().capitalize()


def _anchor(name: str) -> str:
    return _title(name).lower().replace(" ", "-")


def _type(field: Schema) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return f"[{_title(name).lower()}](#{_anchor(name)})"
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"] if option.get("type") != "null")
    if "oneOf" in field:
        return " or ".join(map(_type, field["oneOf"]))
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}" if "items" in field else "list"
    if field.get("type") == "object":
        values = [field.get("additionalProperties"), *field.get("patternProperties", {}).values()]
        return f"names → {next(_type(value) for value in values if isinstance(value, dict))}"
    if field.get("format") == "date-time":
        return "date or instant"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        str(field.get("type")), "any"
    )


def _default(field: Schema) -> str:
    value = field.get("default")
    if "default" not in field or value in (None, "", [], {}):
        return "see there" if "$ref" in field else "none"
    if isinstance(value, list):
        return ", ".join(_code(item) for item in value)
    return _code(value)


def _code(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "`0`" if value == "PT0S" else "`''`" if value == "" else f"`{value}`"


def _bounds(field: Schema) -> str:
    options = [field, *(option for option in field.get("anyOf", ()))]
    bounds = [
        words.format(option[key]) for option in options for key, words in _BOUNDS.items() if key in option
    ]
    return f"({', '.join(bounds)})" if bounds else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write the page, or check that it is in step."""
    page = reference_page()
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            sys.stderr.write(f"{PAGE.name} is not what declaration/spec.py says. Run `make docs`.\n")
            return 1
        return 0
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
