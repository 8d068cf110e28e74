"""Text in other encodings becomes UTF-8; what is not in its encoding is refused."""

import gzip
from pathlib import Path

import pytest

from sources.encoding import as_utf8
from sources.files import SourceError
from sources.rejects import ReadError

TEXT = 'name;n\r\n"Café\n€";1\r\n'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "windows-1252"])
def test_text_is_transcoded_to_the_letter(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    (found,) = as_utf8([path], folder=tmp_path, encoding=encoding)
    assert found != path
    assert found.read_bytes() == TEXT.encode()


def test_a_compressed_file_is_transcoded_and_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(TEXT.encode("windows-1252")))
    (found,) = as_utf8([path], folder=tmp_path, encoding="windows-1252")
    assert found.name == "a.csv.gz"
    assert gzip.decompress(found.read_bytes()) == TEXT.encode()


def test_the_mark_of_utf_8_wins_too(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode("utf-8-sig"))
    assert as_utf8([path], folder=tmp_path, encoding="latin-1") == (path,)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_utf_8_is_left_where_it_is(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(mark + TEXT.encode())
    assert as_utf8([path], folder=tmp_path) == (path,)


def test_a_byte_order_mark_wins_over_the_declaration(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode("utf-16"))
    (found,) = as_utf8([path], folder=tmp_path, encoding="windows-1252")
    assert found.read_bytes() == TEXT.encode()


def test_bytes_that_the_encoding_does_not_know_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"name\n\x81\n")  # 0x81 stands for nothing in windows-1252
    with pytest.raises(SourceError, match=r"a.csv: not windows-1252 text .*Name the file's encoding"):
        as_utf8([path], folder=tmp_path, encoding="windows-1252")


@pytest.mark.parametrize(
    ("content", "what"),
    [(gzip.compress(b"id\n1\n", mtime=0), "compressed with gzip"), (b"PK\x03\x04...", "a zip")],
)
@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16"])
def test_what_is_no_text_is_not_taken_for_letters(
    tmp_path: Path, content: bytes, what: str, encoding: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=f"a.csv: not text but {what}"):
        as_utf8([path], folder=tmp_path, encoding=encoding)
