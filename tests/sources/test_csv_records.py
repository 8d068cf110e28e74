"""Records are counted as Python's csv module finds them, wherever a block of bytes ends."""

import csv
import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.sources.blocks import TextTable
from sources import csv_records
from sources.csv_records import Records, count_records

PIECES = [
    "a",
    " ",
    "1",
    "é",
    "\0",
    '"',
    '""',
    '"b"',
    '"x\ny"',
    '"x\r\ny"',
    '"x,;y"',
    '5" z',
    "\n",
    "\r\n",
    "\r",
    "\n\n",
]


def records_of(text: str, delimiter: str, n_columns: int) -> int:
    """Count with Python's csv: it gives an empty list for a blank line."""
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    return (len(found) if n_columns == 1 else sum(bool(row) for row in found)) - 1


@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.just("DELIMITER"), max_size=30),
    delimiter=st.sampled_from([",", ";", "\t", "§"]),
    n_columns=st.integers(1, 3),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    block=st.sampled_from([1, 2, 3, 7, 64]),
)
def test_records_are_those_of_pythons_csv(
    pieces: list[str], delimiter: str, n_columns: int, mark: bytes, block: int
) -> None:
    header = delimiter.join("abc"[:n_columns]) + "\n"
    text = header + "".join(delimiter if piece == "DELIMITER" else piece for piece in pieces)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "BLOCK_BYTES", block)
        path = Path(folder) / "a.csv"
        path.write_bytes(mark + text.encode())
        assert count_records(path, TextTable(delimiter, ("",)), n_columns=n_columns).n == records_of(
            text, delimiter, n_columns
        )


def test_a_compressed_file_is_counted_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"))
    assert count_records(path, TextTable(",", ("",)), n_columns=2).n == 2


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a,b\n1,2\n", Records(1, {b"\n": 1})),
        (b"a,b\r\n1,2\r\n\r\n3,4\n", Records(2, {b"\r\n": 1, b"\n": 4})),
        (b"a,b\n1,x\ry\n", Records(2, {b"\n": 1, b"\r": 2})),
        (b'a,b\n1,"x\ry\r\nz"\n', Records(1, {b"\n": 1})),
        (b'a,b\n1,"5" x"\n', Records(1, {b"\n": 1}, faulty_quote=2)),
        (b'a,b\n1,5" x\n', Records(1, {b"\n": 1})),
        (b'a,b\n1,2\n1,"x\n""\n2,3\n', Records(2, {b"\n": 1}, open_quote=3)),
    ],
)
def test_what_may_mislead_a_reader_is_found_with_its_line(
    tmp_path: Path, content: bytes, found: Records
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert count_records(path, TextTable(",", ("",)), n_columns=2) == found
