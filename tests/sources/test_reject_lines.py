"""Lines of rejects are those at which Python's csv module finds their records to begin."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources import csv_records
from sources.read import Counts
from tests.sources.test_csv_dialect import Table

LINES = [
    "x,1",
    "y,2",
    '"a\nb",3',
    '"a\n\n\nb",4',
    "",
    "z,five",
    '"c\nd",six',
    "q,1,2",
    "q",
    "w,-8",
    '"u""v\n",nine',
]
"""Good and bad records, and a blank line."""

COLUMNS = {
    "a": "string",
    "n": "int",
    "root": {"type": "float", "sql": "CAST(CASE WHEN n < 0 THEN 'no' ELSE '1' END AS DOUBLE)"},
}


def bad_lines(text: str) -> list[int]:
    """Return the lines of records that the declaration does not take: by Python's reader, and by hand what is bad."""
    stream = io.StringIO(text)
    reader = csv.reader(stream)
    next(reader)
    lines, before = [], reader.line_num
    for record in reader:
        if record and (len(record) != 2 or record[1] not in ("1", "2", "3", "4")):
            lines.append(before + 1)
        before = reader.line_num
    return lines


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(st.sampled_from(LINES), min_size=1, max_size=12), min_size=1, max_size=3),
    block=st.sampled_from([7, 64, 1 << 17]),
)
def test_lines_of_all_kinds_of_rejects(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Sequence[str]],
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_records, "BLOCK_BYTES", block)
    texts = {f"{number}.csv": "a,n\n" + "\n".join(lines) + "\n" for number, lines in enumerate(files)}
    with TemporaryDirectory() as folder:
        table = Table(Path(folder), connection)
        counts = table.read({name: text.encode() for name, text in texts.items()}, COLUMNS)
    expected = [(name, line) for name, text in texts.items() for line in bad_lines(text)]
    assert [reject[:2] for reject in table.rejects()] == expected
    assert counts.n_rejected == len(expected)


def test_files_of_one_name_have_lines_of_the_readers_own_alone(table_of_two: Table) -> None:
    assert table_of_two.rejects() == [
        ("t.csv", None, "root: cannot be made of type float"), ("t.csv", None, "root: cannot be made of type float"),
    ]  # fmt: skip


@pytest.fixture
def table_of_two(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> Table:
    """Return the reading of two files that only their folders tell apart."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text("a,n\nx,1\ny,-1\n")
    table = Table(tmp_path, connection)
    assert table.read({"other.txt": b""}, COLUMNS, path="*/t.csv") == Counts(2, 2)
    return table
