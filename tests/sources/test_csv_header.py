"""A header is read strictly: its names as they are written, or a refusal that names the line."""

import gzip
from pathlib import Path

import pytest

from declaration.sources.blocks import TextTable
from sources.csv_header import header_of, with_plain_headers
from sources.rejects import ReadError

COMMAS = TextTable(",", ("",))


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a,b", ["a", "b"]),
        ('"a","b ""c"""', ["a", 'b "c"']),
        ('a,5" disk', ["a", '5" disk']),
        ('"a" ,b', ["a ", "b"]),
        ("a,,b", ["a", "unnamed_1", "b"]),
        ('"a\nb",c', ["a\nb", "c"]),
        ('"a\r\nb",c', ["a\nb", "c"]),
        ('"a\rb",c', ["a\nb", "c"]),
        ('a,"b, c"', ["a", "b, c"]),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n1,2\n", '\r\n"x","y\r\nz"\r\n'])
def test_names_are_read(tmp_path: Path, header: str, names: list[str], end: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (header + end).encode())
    assert header_of(path, COMMAS) == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('id,"5" disk",seen\n1,2,3\n', r'a.csv, line 1: in the header, disk" follows the quote that ends "5"'),
        ('id,"5\\" disk"\n1,2\n', r"a.csv, line 1: in the header, disk\" follows"),
        ('"a\nb","c"d\n1,2\n', "a.csv, line 2: in the header, d follows"),
        ('id,"name\n1,2\n', r"a.csv, line 1: the header has not ended after 13 bytes, .* is not closed"),
        ('"id\n1\n2\n', "a.csv, line 1: the header has not ended"),
        ('id,"name\n1,5"\n2,6"\n', "a.csv, line 1: the header opens a quote that closes only after what looks"),
        ('id,"name' + "\nx" * 1000 + '"\n', "closes only after what looks like rows"),
    ],
)  # fmt: skip
def test_quotes_that_are_not_as_the_engine_wants_them_are_refused_by_line(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ReadError, match=message):
        header_of(path, COMMAS)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r"])
def test_a_header_breaks_its_names_as_its_lines_end(
    tmp_path: Path, end: str, inside: str, packed: bool
) -> None:
    rows = f'1,"x{inside}y"{end}'
    content = (f'id,"a{inside}b"{end}' + rows).encode()
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    (found,) = with_plain_headers([path], COMMAS, folder=tmp_path)
    assert header_of(found, COMMAS) == ["id", "a\nb"]
    if inside == end:
        assert found == path
    else:
        assert found.name == path.name
        copied = found.read_bytes()
        assert (gzip.decompress(copied) if packed else copied) == (f'id,"a{end}b"{end}' + rows).encode()
