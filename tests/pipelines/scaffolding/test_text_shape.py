"""Remarks, lines above the header and decimal commas are found where they are sure, and left or asked for elsewhere."""

from pathlib import Path

import pytest

from declaration.sources.text import CsvSourceSpec
from declaration.sources.xml import XmlSourceSpec
from pipelines.scaffolding.text_shape import TextShape, shape_of
from tests.pipelines.scaffolding.scaffolded import scaffold

ROWS = "id,city,n\n1,a,2\n2,b,3\n3,c,4\n"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (ROWS, TextShape(",")),
        ("Sales by city\nmade, by hand\n\n" + ROWS, TextShape(",")),
        ("Sales by city\n\n" + ROWS, TextShape(",", 2)),
        ("Sales by city,,\n,,\n" + ROWS, TextShape(",", 2)),
        ('"Sales; by city"\n' + ROWS.replace(",", ";"), TextShape(";", 1)),
        ("\n" + ROWS, TextShape(",", 1)),
        ("# Sales by city\n#\n" + ROWS, TextShape(",", comment="#")),
        ("// Sales\n" + ROWS.replace(",", "\t"), TextShape("\t", comment="//")),
        ("# Sales, by city, in euros\n# 2024\n" + ROWS, TextShape(",", comment="#")),
        (
            "# Sales\n#\n#code,country name\nAD,Andorra\nAE,x\nAF,y\n",
            TextShape(",", comment="#", header=("code", "country name")),
        ),
        ("# Sales\n#id,city\n1,a\n2,b\n3,c\n", TextShape(",", comment="#", header=("id", "city"))),
        ("# Sales\n# of, 2024\nid,city\n1,a\n2,b\n3,c\n", TextShape(",", comment="#")),
        # The line may be the header.
        ("#id,city,n\n1,a,2\n2,b,3\n", TextShape(",")),
        # Row names: the header has a value less.
        ("x\na,1\nb,2\nc,3\n", TextShape(",")),
        # Values are no header.
        ("Sales by city\n1,2,3\n4,5,6\n7,8,9\n", TextShape(",")),
        ("word\n#x\ny\nz\n", TextShape(",")),
        ("", TextShape(",")),
    ],
)
def test_a_shape_is_found_where_it_is_sure(text: str, shape: TextShape) -> None:
    assert shape_of(text) == shape


def days(n_rows: int, value: str) -> str:
    rows = "".join(
        f"2024-{1 + n // 28:02}-{1 + n % 28:02};{value.format(n % 10)};c{n % 3}\n" for n in range(n_rows)
    )
    return "day;amount;city\n" + rows


def found(tmp_path: Path, text: str, name: str = "sales.csv") -> tuple[object, str]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    pipeline = scaffold(tmp_path / name, tmp_path / "found", target="amount")
    return pipeline.spec.datasets["sales"].source, (tmp_path / "found" / "defs.yaml").read_text(
        encoding="utf-8"
    )


def test_decimal_commas_are_declared_once(tmp_path: Path) -> None:
    source, text = found(tmp_path, "# made by hand\n" + days(300, "1.23{0},5"))
    assert isinstance(source, CsvSourceSpec)
    assert (source.decimal, source.thousands, source.comment, source.delimiter) == (",", ".", "#", ";")
    assert 'sql: "CAST(replace' not in text
    assert "lines that begin with # are left out as remarks" in " ".join(text.replace("#  ", "").split())
    assert "# decide: amount: read as numbers with decimal commas" in text


def test_a_decimal_point_elsewhere_leaves_each_column_by_itself(tmp_path: Path) -> None:
    text = "".join(
        f"{line};{'x' if n == 0 else f'{n}.25'}\n" for n, line in enumerate(days(300, "{0},5").splitlines())
    )
    source, _ = found(tmp_path, text)
    assert isinstance(source, CsvSourceSpec)
    assert source.decimal == "."


def test_lines_above_the_header_are_skipped_and_asked_for(tmp_path: Path) -> None:
    source, text = found(tmp_path, "Sales of 2024\n\n" + days(300, "{0}"))
    assert isinstance(source, CsvSourceSpec)
    assert source.skip_lines == 2
    assert "the first 2 lines are left out" in text


def test_the_row_of_an_xml_file_is_the_element_that_repeats(tmp_path: Path) -> None:
    rows = "".join(
        f'<sale id="{n}"><day>2024-{1 + n // 28:02}-{1 + n % 28:02}</day><amount>{n % 10}</amount></sale>'
        for n in range(300)
    )
    source, text = found(tmp_path, f"<file><head><a/><a/></head><sales>{rows}</sales></file>", "sales.xml")
    assert isinstance(source, XmlSourceSpec)
    assert source.rows == "file/sales/sale"
    assert "is taken for a row" in text
