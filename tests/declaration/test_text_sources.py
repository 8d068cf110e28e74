"""Options of text sources that contradict each other are refused, with the key."""

import pytest

from declaration.sources.text import CsvSourceSpec, JsonSourceSpec
from declaration.sources.xml import XmlSourceSpec


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ({"quote": ",", "delimiter": ","}, "delimiter", "quotes values or ends lines"),
        (
            {"delimiter": '"', "quote": "none", "escape": "backslash"},
            "delimiter",
            "quotes values or ends lines",
        ),
        ({"quote": "\\", "escape": "backslash"}, "escape", "also the quote or the delimiter"),
        ({"comment": ";", "delimiter": ";"}, "comment", "begins as a value may"),
        ({"comment": '"'}, "comment", "begins as a value may"),
        ({"decimal": "5"}, "decimal", "which numbers or values are written with"),
        ({"decimal": ",", "thousands": ","}, "thousands", "nothing tells 1,234 from a fraction"),
        ({"thousands": "-"}, "thousands", "which numbers or values are written with"),
        ({"formats": ["%d/%m/%Y", "%m/%d/%Y"]}, "formats", "nothing tells which of both"),
        ({"null_values": ["'"], "quote": "'"}, "null_values", "holds no quote"),
    ],
)
def test_csv_options_that_contradict_each_other(keys: dict[str, object], key: str, said: str) -> None:
    source = CsvSourceSpec.model_validate({"type": "csv", "path": "a.csv", **keys})
    assert [text for name, text in source.contradictions() if name == key and said in text]


def test_without_quotes_a_quote_may_mean_null() -> None:
    source = CsvSourceSpec(type="csv", path="a.csv", quote="none", null_values=('"',))
    assert list(source.contradictions()) == []


def test_json_has_formats_of_times() -> None:
    source = JsonSourceSpec(type="json", path="a.json", formats=("%H:%M",))
    assert {key for key, _ in source.contradictions()} == {"formats"}


@pytest.mark.parametrize(
    ("rows", "namespaces", "key"),
    [
        ("orders//order", {}, "rows"),
        ("orders/@id", {}, "rows"),
        ("a:orders", {"b": "urn:b"}, "rows"),
        ("o", {"a": "u", "b": "u"}, "namespaces"),
    ],
)
def test_paths_that_name_no_element(rows: str, namespaces: dict[str, str], key: str) -> None:
    source = XmlSourceSpec(type="xml", path="a.xml", rows=rows, namespaces=namespaces)
    assert [name for name, _ in source.contradictions()] == [key]
