"""XML by paths: every value of a row, once; and documents that are refused before anything is read."""

import gzip
import json
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.sources.xml import XmlSourceSpec
from sources import xml_rows as module
from sources.read import Counts
from sources.rejects import ReadError
from sources.xml_rows import xml_rows
from tests.sources.test_csv_dialect import Table


def rows_of(
    tmp_path: Path, text: str | bytes, rows: str = "orders/order", **keys: object
) -> list[Mapping[str, object]]:
    path = tmp_path / "t.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = XmlSourceSpec.model_validate({"type": "xml", "path": "t.xml", "rows": rows, **keys})
    assert list(source.contradictions()) == []
    return list(xml_rows(path, source))


def test_values_stand_under_their_paths(tmp_path: Path) -> None:
    text = """<?xml version="1.0"?>
    <orders day="2024-01-01"><head><by>me</by></head>
      <order id="1"><customer id="7"><name>A &amp; B</name></customer><total><![CDATA[<1,5>]]></total><note/></order>
      <order id="2"><total>  </total></order></orders>"""
    assert rows_of(tmp_path, text) == [
        {"@id": "1", "customer/@id": "7", "customer/name": "A & B", "total": "<1,5>", "note": None, "../@day": "2024-01-01"},
        {"@id": "2", "total": None, "../@day": "2024-01-01"},
    ]  # fmt: skip


def test_repeated_elements_are_lists_that_stay_aligned(tmp_path: Path) -> None:
    text = """<orders><order><item sku="A"><n>1</n><tag>x</tag><tag>y</tag></item><item sku="B"/><item><n>3</n></item></order></orders>"""
    assert rows_of(tmp_path, text) == [
        {"item/@sku": ["A", "B", None], "item/n": ["1", None, "3"], "item/tag": [["x", "y"], None, None], "item": [None, None, None]}
    ]  # fmt: skip


def test_mixed_content_is_all_its_text(tmp_path: Path) -> None:
    text = "<orders><order>Pay <b>now</b>, or <i>never</i>!</order><order>x</order></orders>"
    assert rows_of(tmp_path, text) == [{".": "Pay now, or never!", "b": "now", "i": "never"}, {".": "x"}]


def test_a_row_of_attributes_alone_has_no_text(tmp_path: Path) -> None:
    assert rows_of(tmp_path, '<orders><order id="1"/><order/><order id="2">x</order></orders>') == [
        {"@id": "1"}, {".": None}, {"@id": "2", ".": "x"},
    ]  # fmt: skip


def test_elements_elsewhere_and_inside_rows_are_no_rows(tmp_path: Path) -> None:
    text = "<orders><x><order>no</order></x><order><order>in</order></order></orders>"
    assert rows_of(tmp_path, text) == [{"order": "in"}]
    with pytest.raises(
        ReadError, match=r"t\.xml: no element 'orders/buy'\. It has: orders, orders/x, orders/x/order, "
    ):
        rows_of(tmp_path, text, "orders/buy")


def test_names_are_as_written_or_by_declared_prefixes(tmp_path: Path) -> None:
    text = """<o:orders xmlns:o="urn:o" xmlns="urn:d"><o:order o:id="1" n="2"><total>3</total><x xmlns="urn:z">4</x></o:order></o:orders>"""
    assert rows_of(tmp_path, text, "o:orders/o:order") == [{"@o:id": "1", "@n": "2", "total": "3", "x": "4"}]
    named = rows_of(tmp_path, text, "a:orders/a:order", namespaces={"a": "urn:o", "": "urn:d"})
    assert named == [{"@a:id": "1", "@n": "2", "total": "3", "{urn:z}x": "4"}]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "shift_jis", "gbk"]
)
def test_encodings_are_those_that_documents_declare(tmp_path: Path, encoding: str) -> None:
    letters = "é" if encoding not in ("shift_jis", "gbk") else "日"
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?><orders><order>{letters}</order></orders>'
    assert rows_of(tmp_path, text.encode(encoding)) == [{".": letters}]


ENTITIES = "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
LAUGHS = f'<!DOCTYPE lolz [<!ENTITY lol0 "lol">{ENTITIES}]><orders><order>&lol9;</order></orders>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "line 1, column .*the entity 'lol0' is declared, and entities are not expanded"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><orders><order>&x;</order></orders>', "the entity 'x' is declared"),
        ('<!DOCTYPE r [<!ENTITY % x SYSTEM "http://h/x"> %x;]><orders><order/></orders>', "the entity 'x' is declared"),
        ('<!DOCTYPE r SYSTEM "http://h/x.dtd"><orders><order>a&nbsp;b</order></orders>', "the entity 'nbsp' is not defined"),
        ("<orders><order>a&nbsp;b</order></orders>", "undefined entity"),
        ("<orders>\n<order></ordre></orders>", r"line 2, column \d+: .*mismatched tag"),
        ("<orders>\n<order>1</order>\n<order>2", "line 3, column .*no element found|unclosed"),
        ("<orders><order/></orders><orders/>", "junk after document element"),
        ("", "line 1, column 1: .*no element found"),
        ("a,b\n1,2\n", "no XML"),
        ('<?xml version="1.0" encoding="klingon"?><orders/>', "the encoding 'klingon' is unknown"),
        ('<?xml version="1.0" encoding="gbk"?><orders><order>\xff\xff</order></orders>'.encode("latin-1"), "not gbk text"),
        (b"<orders><order>\xff</order></orders>", "not well-formed"),
        ("<orders><order>" + "<a>" * 200 + "</a>" * 200 + "</order></orders>", "more than 100 deep"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_dangerous_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(ReadError, match=rf"t\.xml(?s:.*){said}"):
        rows_of(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "<orders><order>" + "x" * 5000,
        '<orders><order a="' + "x" * 5000,
        "<orders><order>" + "<a>1</a>" * 5000,
    ],
)
def test_a_row_that_does_not_end_is_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for name in ("MAX_LINE_BYTES", "MAX_TOKEN_BYTES"):
        monkeypatch.setattr(module, name, 2000)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 500)
    with pytest.raises(ReadError, match="longer than 2,000"):
        rows_of(tmp_path, text)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.xml"
    row = "<order id='1'><total>1.5</total></order>\n"
    path.write_text(f"<orders>{row * 30_000}</orders>")
    tracemalloc.start()
    n_rows = sum(1 for _ in xml_rows(path, XmlSourceSpec(type="xml", path="t.xml", rows="orders/order")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 30_000
    # A block's rows at most: the file has 1.2 MB.
    assert peak < 12_000_000


def test_rows_are_typed_and_bad_ones_are_rejects(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    text = """<Cube><Cube time="2024-01-02"><Cube currency="USD" rate="1,0956"/><Cube currency="JPY" rate="155.5"/></Cube>
    <Cube time="2024-01-03"><Cube currency="USD" rate="1,0919"/></Cube></Cube>"""
    columns = {
        "day": {"type": "date", "source": "../@time"}, "currency": {"type": "string", "source": "@currency"},
        "rate": {"type": "decimal", "source": "@rate"},
    }  # fmt: skip
    table = Table(tmp_path, connection)
    content = {"rates.xml.gz": gzip.compress(text.encode())}
    assert table.read(content, columns, type="xml", rows="Cube/Cube/Cube", decimal=",") == Counts(2, 1)
    assert [(str(day), name, str(rate)) for day, name, rate in table.rows()] == [
        ("2024-01-02", "USD", "1.095600000"), ("2024-01-03", "USD", "1.091900000"),
    ]  # fmt: skip
    assert table.rejects() == [("rates.xml.gz", 2, "rate: not a number with ',' before the fraction: 155.5")]


def test_a_repeated_element_is_json_text(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    table = Table(tmp_path, connection)
    text = b"<orders><order><tag>x</tag><tag>y</tag></order><order><tag>z</tag></order></orders>"
    assert table.read({"t.xml": text}, ["tag"], type="xml", rows="orders/order") == Counts(2, 0)
    assert [row[0] for row in table.rows()] == ['["x","y"]', "z"]


NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.text(st.sampled_from("xyé<&\"' \n1"), max_size=5)
ELEMENTS = st.recursive(
    st.tuples(NAMES, st.dictionaries(NAMES, TEXTS, max_size=2), TEXTS, st.just([])),
    lambda inner: st.tuples(
        NAMES, st.dictionaries(NAMES, TEXTS, max_size=1), st.just(""), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)


def element(parts: tuple[str, dict[str, str], str, list[object]]) -> ElementTree.Element:
    name, attributes, text, children = parts
    made = ElementTree.Element(name, attributes)
    made.text = text
    made.extend(element(child) for child in children)  # type: ignore[arg-type]  # recursive
    return made


def flat(value: object) -> list[str]:
    if isinstance(value, list):
        return [text for part in value for text in flat(part)]
    return [] if value is None else [str(value)]


@settings(max_examples=100)
@given(children=st.lists(ELEMENTS, min_size=1, max_size=4))
def test_every_text_of_a_row_is_found_once(
    tmp_path_factory: pytest.TempPathFactory, children: list[tuple[str, dict[str, str], str, list[object]]]
) -> None:
    order = ElementTree.Element("order")
    order.extend(element(child) for child in children)
    text = b"<orders>" + ElementTree.tostring(order) + b"</orders>"
    (row,) = rows_of(tmp_path_factory.mktemp("xml"), text)
    nodes = list(ElementTree.fromstring(text).iter())
    expected = [value for node in nodes for value in node.attrib.values()]
    expected += [node.text for node in nodes if not len(node) and node.text]
    assert sorted(flat(list(row.values()))) == sorted(value for value in expected if value and value.strip())
    assert json.loads(json.dumps(row)) == row
