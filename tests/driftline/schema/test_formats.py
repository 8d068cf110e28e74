"""Schemas go out as others' readers take them, and come back as they went."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import fastavro
import pytest
import yaml
from jsonschema import Draft202012Validator

from declaration.schemas import schema_of
from driftline.cli import FAULT, SUCCESS, main
from driftline.schema.foreign import FormatError
from driftline.schema.formats import Format, columns_block, exported, imported
from tests.fixtures.changing import changing

COLUMNS: dict[str, Any] = {
    "id": {"type": "int", "description": "Place of the row."},
    "at": "timestamp_tz",
    "is_paid": "boolean",
    "amount": {"type": "float", "optional": True},
    "price": "decimal",
    "Name of buyer": {"type": "string", "description": "As told: „x“, <b>y</b>."},
    "day": {"type": "date", "since": "2024-03-02"},
    "seen": "timestamp",
    "2nd": {"type": "int", "renamed_from": "second"},
}
ROW: dict[str, Any] = {
    "id": 1, "at": "2024-03-01T12:00:00Z", "is_paid": True, "amount": 1.5, "price": "12.50", "Name of buyer": "B",
    "day": "2024-03-01", "seen": "2024-03-01 12:00:00.5", "2nd": None,
}  # fmt: skip


def out(folder: Path, kind: Format) -> Any:
    text = exported(changing(folder, COLUMNS), "sales", kind)
    return yaml.safe_load(text) if kind == "odcs" else json.loads(text)


def test_avro_is_what_fastavro_takes_and_writes_rows_with(tmp_path: Path) -> None:
    record = fastavro.parse_schema(out(tmp_path, "avro"))
    fields = {field["name"]: field for field in record["fields"]}
    assert list(fields) == ["id", "at", "is_paid", "amount", "price", "Name_of_buyer", "day", "seen", "_2nd"]
    assert fields["at"]["type"]["type"] == "long"
    assert [name for name, field in fields.items() if "default" in field] == ["amount", "day"]
    assert fields["_2nd"]["aliases"] == ["second"]
    row = {
        "id": 1, "at": datetime(2024, 3, 1, tzinfo=UTC), "is_paid": True, "amount": None, "price": Decimal("12.5"),
        "Name_of_buyer": "B", "day": date(2024, 3, 1), "seen": datetime(2024, 3, 1), "_2nd": None,
    }  # fmt: skip
    with (tmp_path / "rows.avro").open("wb") as handle:
        fastavro.writer(handle, record, [row])
    with (tmp_path / "rows.avro").open("rb") as handle:
        assert [*fastavro.reader(handle)] == [row]


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"price": 12.5}, True),
        ({"amount": None, "Name of buyer": None}, True),
        ({"more": "of another column"}, True),
        ({"id": 1.5}, False),
        ({"id": 2**63}, False),
        ({"at": None}, False),
        ({"at": "2024-03-01"}, False),
        ({"is_paid": "yes"}, False),
        ({"price": "12.5 EUR"}, False),
        ({"day": "01.03.2024"}, False),
        ({"seen": "2024-03-01T12:00:00Z"}, False),
    ],
)
def test_json_schema_judges_rows(tmp_path: Path, change: dict[str, Any], is_valid: bool) -> None:
    schema = out(tmp_path, "json-schema")
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert judge.is_valid({**ROW, **change}) == is_valid


@pytest.mark.parametrize(("missing", "is_valid"), [("amount", True), ("day", True), ("price", False)])
def test_json_schema_knows_which_columns_may_be_absent(tmp_path: Path, missing: str, is_valid: bool) -> None:
    row = {name: value for name, value in ROW.items() if name != missing}
    assert Draft202012Validator(out(tmp_path, "json-schema")).is_valid(row) == is_valid


def test_a_contract_says_keys_types_and_what_may_be_null(tmp_path: Path) -> None:
    contract = out(tmp_path, "odcs")
    (table,) = contract["schema"]
    assert (contract["kind"], contract["id"], table["physicalName"]) == (
        "DataContract", "shop.sales", "shop/profiled/sales",
    )  # fmt: skip
    properties = {item["name"]: item for item in table["properties"]}
    assert properties["id"]["primaryKeyPosition"] == 1
    assert [name for name, item in properties.items() if item["required"]] == ["at"]
    assert (properties["price"]["physicalType"], properties["price"]["logicalType"]) == (
        "DECIMAL(38, 9)",
        "number",
    )


@pytest.mark.parametrize("kind", get_args(Format))
def test_what_went_out_comes_back(tmp_path: Path, kind: Format) -> None:
    file = tmp_path / "schema"
    file.write_text(exported(changing(tmp_path, COLUMNS), None, kind))
    went, came = schema_of(changing(tmp_path, COLUMNS).spec.datasets["sales"]), imported(file, None)
    assert [(c.name, c.type, c.is_nullable, c.description) for c in came.columns] == [
        (c.name, c.type, c.is_nullable, c.description) for c in went.columns
    ]
    # A contract says nothing of rows that come without a column.
    assert [c.is_optional for c in came.columns] == [kind != "odcs" and c.is_optional for c in went.columns]
    block = yaml.safe_load(columns_block(came))["columns"]
    assert schema_of(changing(tmp_path, block).spec.datasets["sales"]).columns[0] == went.columns[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", "holds no object"),
        ("a: [", "is neither JSON nor YAML"),
        ("{}", "is no Avro record"),
        ("{type: record}", "it has no list `fields`"),
        ('{"type": "record", "fields": [{"name": "a", "type": {"type": "map", "values": "int"}}]}', "'a' is"),
        ('{"properties": {"a": {"type": "object"}, "b": {"type": "array"}}}', "'a' is object, 'b' is array"),
        ('{"properties": {}}', "declares no column"),
        ("{kind: DataContract, schema: [{name: a}, {name: b}]}", "--object is needed: it has a, b"),
        (
            "{kind: DataContract, schema: [{name: a, properties: [{name: x, logicalType: array}]}]}",
            "'x' is array",
        ),
        (
            '{"type": "record", "fields": [{"name": "a", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 20}}]}',
            "no declared type holds",
        ),
    ],
)
def test_a_file_that_says_no_columns_is_refused_with_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "schema").write_text(text)
    with pytest.raises(FormatError, match=reason):
        imported(tmp_path / "schema", None)


def test_others_types_find_the_declared_ones(tmp_path: Path) -> None:
    kinds = [
        "int", "float", ["null", "string"], {"type": "string", "logicalType": "uuid"}, {"type": "enum", "name": "e", "symbols": ["A"]},
        {"type": "long", "logicalType": "timestamp-millis"}, {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
    ]  # fmt: skip
    fields = [{"name": f"c{place}", "type": kind} for place, kind in enumerate(kinds)]
    (tmp_path / "a.avsc").write_text(json.dumps({"type": "record", "name": "r", "fields": fields}))
    found = imported(tmp_path / "a.avsc", None).columns
    assert [c.type for c in found] == [
        "int",
        "float",
        "string",
        "string",
        "string",
        "timestamp_tz",
        "decimal",
    ]


def test_commands_print_what_they_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.loading.declared.find_pipeline", lambda _: changing(tmp_path, COLUMNS))
    assert main(["schema", "export", "--format", "avro"]) == SUCCESS
    (tmp_path / "sales.avsc").write_text(capsys.readouterr().out)
    assert main(["schema", "import", str(tmp_path / "sales.avsc")]) == SUCCESS
    assert capsys.readouterr().out.startswith(
        "columns:\n  id:\n    type: int\n    description: Place of the row.\n  at: timestamp_tz\n"
    )
    assert main(["schema", "export", "--format", "odcs", "--dataset", "sale"]) == FAULT
    assert "there is no dataset 'sale': 'shop' has sales." in capsys.readouterr().err
