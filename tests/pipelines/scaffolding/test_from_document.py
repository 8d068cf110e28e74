"""An OpenAPI document becomes a declaration that loads, and that reads the API which the document describes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from declaration.errors import DriftlineError
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.scaffolder import scaffold_source

ORDER = {
    "allOf": [
        {"$ref": "#/components/schemas/Named"},
        {
            "type": "object",
            "required": ["id", "placed_at", "address"],
            "properties": {
                "id": {"type": "integer"},
                "placed_at": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When it was placed:\n<b>UTC</b>",
                },
                "amount": {"type": ["number", "null"]},
                "price": {"type": "string", "format": "decimal"},
                "status": {"type": "string", "enum": ["new", "it's done"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "parent": {"$ref": "#/components/schemas/Order"},
                "address": {
                    "type": "object",
                    "required": ["city"],
                    "properties": {"city": {"type": "string"}, "Zip": {"type": "string", "nullable": True}},
                },
                "ID": {"type": "string"},
                "odd.name": {"type": "string"},
            },
        },
    ]
}
NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


def document(paths: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "servers": [{"url": "https://{region}.example.com/v1/", "variables": {"region": {"default": "eu"}}}],
        "paths": paths,
        "components": {"schemas": {"Order": ORDER, "Named": NAMED}, **more},
    }


def listing(
    answer: Mapping[str, Any],
    *params: Mapping[str, Any],
    headers: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    response = {"content": {"application/json": {"schema": answer}}, "headers": headers or {}}
    return {
        "get": {
            "operationId": "listOrders",
            "parameters": list(params),
            "responses": {"200": response},
            **more,
        }
    }


def query(name: str, kind: str = "integer", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": kind, **more}}


def written(folder: Path, found: Mapping[str, Any], name: str = "/orders") -> tuple[dict[str, Any], str]:
    (folder / "api.json").write_text(json.dumps(found))
    options = ScaffoldOptions(source=f"api.json#{name}")
    text = scaffold_source(options, folder=folder / "shop", start=folder, type_name="pipelines.MLPipeline")[
        "defs.yaml"
    ]
    (dataset,) = yaml.safe_load(text)["attributes"]["datasets"].values()
    return dataset, text


TOTAL = "meta.total_count"
ORDERS = {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
WRAPPED = {
    "type": "object",
    "properties": {
        "data": ORDERS,
        "meta": {
            "type": "object",
            "properties": {"next_cursor": {"type": "string"}, "total_count": {"type": "integer"}},
        },
    },
}


def test_columns_come_from_the_schema(tmp_path: Path) -> None:
    dataset, _ = written(tmp_path, document({"/orders": listing(ORDERS)}))
    found = dataset["columns"]
    # An order has an order: as deep as columns go, and JSON below.
    parents = {name: found.pop(name) for name in list(found) if name.startswith("parent")}
    assert parents["parent_parent_name"] == {
        "type": "string",
        "source": "parent.parent.name",
        "optional": True,
    }
    assert parents["parent_parent_parent"] == {
        "type": "string",
        "source": "parent.parent.parent",
        "optional": True,
    }
    assert found == {
        "name": "string",
        "id": "int",
        "placed_at": {"type": "timestamp_tz", "description": "When it was placed: UTC"},
        "amount": {"type": "float", "optional": True},
        "price": {"type": "decimal", "optional": True},
        "status": {"type": "string", "optional": True},
        "tags": {"type": "string", "optional": True},
        "address_city": {"type": "string", "source": "address.city"},
        "address_Zip": {"type": "string", "source": "address.Zip", "optional": True},
        "ID_2": {"type": "string", "source": "ID", "optional": True},
    }
    assert dataset["key"] == ["id"]
    assert {
        "expect": "column_values_to_be_in_set",
        "column": "status",
        "value_set": ["new", "it's done"],
    } in dataset["expectations"]


@pytest.mark.parametrize(
    ("found", "paging", "rows"),
    [
        (listing(ORDERS, query("page"), query("per_page", maximum=50)), {"by": "page", "param": "page", "size": 50, "size_param": "per_page"}, None),
        (listing(WRAPPED, query("offset"), query("limit", default=20)), {"by": "offset", "param": "offset", "size": 20, "size_param": "limit", "total": TOTAL},
         "data"),
        (listing(WRAPPED, query("pageToken", "string")), {"by": "cursor", "param": "pageToken", "next": "meta.next_cursor", "total": TOTAL}, "data"),
        (listing(ORDERS, headers={"Link": {}}), {"by": "link"}, None),
        (listing(ORDERS, query("starting_after", "string"), query("limit")), None, None),
        (listing(ORDERS), None, None),
    ],
)  # fmt: skip
def test_paging_is_found_or_asked_for(
    found: dict[str, Any], paging: object, rows: str | None, tmp_path: Path
) -> None:
    dataset, text = written(tmp_path, document({"/orders": found}))
    assert (dataset["source"].get("paging"), dataset["source"].get("rows")) == (paging, rows)
    asks = "how does the API page?" in text or "is one answer all there is?" in text
    assert asks == (paging is None)


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ({"type": "http", "scheme": "Bearer"}, {"type": "bearer", "token": {"env": "SHOP_TOKEN"}}),
        ({"type": "http", "scheme": "basic"}, {"type": "basic", "user": {"env": "SHOP_USER"}, "password": {"env": "SHOP_PASSWORD"}}),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, {"type": "api_key", "name": "X-Key", "where": "header", "key": {"env": "SHOP_KEY"}}),
        ({"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example.com/t"}}},
         {"type": "oauth", "token_url": "https://a.example.com/t", "client_id": {"env": "SHOP_CLIENT_ID"}, "client_secret": {"env": "SHOP_CLIENT_SECRET"}}),
        ({"type": "apiKey", "in": "cookie", "name": "s"}, None),
    ],
)  # fmt: skip
def test_secrets_become_variables(scheme: dict[str, Any], auth: object, tmp_path: Path) -> None:
    found = document({"/orders": listing(ORDERS, security=[{"one": []}])}, securitySchemes={"one": scheme})
    dataset, text = written(tmp_path, found, "listOrders")
    assert dataset["source"].get("auth") == auth
    assert dataset["source"]["url"] == "https://eu.example.com/v1/orders"
    assert ("for which there is no `auth`" in text) == (auth is None)


def test_a_swagger_document_in_yaml_is_read(tmp_path: Path) -> None:
    found = {
        "swagger": "2.0", "host": "shop.example.com", "basePath": "/api", "schemes": ["http", "https"],
        "paths": {"/shops/{shop}/orders": {
            "parameters": [{"name": "shop", "in": "path", "required": True, "type": "string"}],
            "get": {"parameters": [{"name": "state", "in": "query", "required": True, "type": "string", "enum": ["all"]}],
                    "responses": {200: {"schema": {"type": "array", "items": {"$ref": "#/definitions/Order"}}}}}}},
        "definitions": {"Order": {"properties": {"day": {"type": "string", "format": "date"}}}},
    }  # fmt: skip
    (tmp_path / "api.yaml").write_text(yaml.safe_dump(found))
    options = ScaffoldOptions(source="api.yaml#/shops/{shop}/orders")
    text = scaffold_source(
        options, folder=tmp_path / "shop", start=tmp_path, type_name="pipelines.MLPipeline"
    )["defs.yaml"]
    orders = yaml.safe_load(text)["attributes"]["datasets"]["orders"]
    assert orders["source"] == {
        "type": "rest",
        "url": "https://shop.example.com/api/shops/{shop}/orders",
        "params": {"state": "all"},
    }
    assert (orders["columns"], orders["key"]) == ({"day": {"type": "date", "optional": True}}, ["row_number"])
    assert "which one is meant?" in text


LOOP = {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("{", "/orders", "neither JSON nor YAML"),
        ("a: [", "/orders", "neither JSON nor YAML"),
        ("!!python/object/apply:os.system ['true']", "/orders", "neither JSON nor YAML"),
        ("{}", "/orders", "it has no `paths`"),
        (json.dumps(document({"/orders": listing(ORDERS)})), "/order", r"has no operation '/order'.*#/orders"),
        (json.dumps(document({"/orders": listing({"type": "object"})})), "/orders", "answers with no list of objects"),
        (json.dumps(document({"/orders": listing({"$ref": "#/components/schemas/A"})}) | {"components": LOOP}), "/orders",
         "does not say what the answer looks like"),
        (json.dumps(document({"/orders": listing({"type": "object", "properties": {"a": ORDERS, "b": ORDERS}})})), "/orders", "several lists: a, b"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_words(text: str, name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(text)
    options = ScaffoldOptions(source=f"api.yaml#{name}")
    with pytest.raises(DriftlineError, match=said):
        scaffold_source(options, folder=tmp_path / "shop", start=tmp_path, type_name="pipelines.MLPipeline")


def test_no_option_that_needs_rows_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(document({"/orders": listing(ORDERS)})))
    options = ScaffoldOptions(source="api.json#/orders", target="amount")
    with pytest.raises(DriftlineError, match="--target need rows"):
        scaffold_source(options, folder=tmp_path / "shop", start=tmp_path, type_name="pipelines.MLPipeline")
