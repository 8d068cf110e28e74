import json

import pytest
from jsonschema import Draft202012Validator

from declaration.spec import PipelineSpec
from declaration.types import Block
from pipelines.component import MLPipeline
from pipelines.loading.reference import PAGE, editor_schema, main, reference_page


def _blocks() -> set[type[Block]]:
    """Return every block that a declaration can hold."""
    found, waiting = {PipelineSpec}, [*Block.__subclasses__()]
    while waiting:
        block = waiting.pop()
        found.add(block)  # type: ignore[arg-type]  # the set of one class grows to all
        waiting += block.__subclasses__()
    return set(found)


def test_the_page_is_in_step_with_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "run `make docs`"
    assert main(["--check"]) == 0


def test_every_key_has_a_row_and_a_meaning() -> None:
    page = reference_page()
    for block in _blocks():
        for key in block.model_fields:
            rows = [line for line in page.splitlines() if line.startswith(f"| `{key}` |")]
            assert rows, f"{block.__name__}.{key} is not on the page"
            assert all(row.split("|")[-2].strip() for row in rows), f"{block.__name__}.{key} has no meaning"


def test_every_link_of_the_page_leads_to_a_heading() -> None:
    page = reference_page()
    headings = {line[3:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("## ")}
    linked = {part.partition(")")[0] for part in page.split("](#")[1:]}
    assert linked <= headings


def test_the_schema_takes_the_key_that_yaml_readers_call_true() -> None:
    retrain = {"$ref": "#/$defs/RetrainSpec", "$defs": editor_schema()["$defs"]}
    check = Draft202012Validator(retrain)
    assert check.is_valid({True: ["drift"], "cooldown": 1})
    assert check.is_valid({"on": ["drift"]})
    assert not check.is_valid({"cooldwn": 1})


def test_dagster_is_given_the_schema_of_a_declaration() -> None:
    model = MLPipeline.get_model_cls()
    assert model.model_json_schema()["properties"].keys() == PipelineSpec.model_fields.keys()
    json.dumps(model.model_json_schema())


def test_a_page_out_of_step_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stale = tmp_path_factory.mktemp("docs") / "pipeline-reference.md"
    stale.write_text("old")
    monkeypatch.setattr("pipelines.loading.reference.PAGE", stale)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
