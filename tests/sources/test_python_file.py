"""Python files give rows; what goes wrong in one names its file and line."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from textwrap import dedent

import pyarrow.parquet as pq
import pytest

from sources.content import content_of
from sources.files import SourceError
from sources.python_file import rows_as_parquet

START, END = datetime(2024, 1, 5, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC)


def made(tmp_path: Path, code: str) -> Path:
    """Write code and return the rows' file that it makes."""
    (tmp_path / "made.py").write_text(dedent(code))
    out = Path(mkdtemp(dir=tmp_path))
    (file,) = rows_as_parquet(tmp_path / "made.py", START, END, folder=out)
    return file


def test_a_file_is_asked_for_its_partition(tmp_path: Path) -> None:
    file = made(
        tmp_path,
        """\
        import pyarrow as pa

        def read(start, end):
            return pa.table({"at": [start], "hours": [(end - start).total_seconds() / 3600]})
        """,
    )
    assert pq.read_table(file).to_pylist() == [{"at": START, "hours": 24.0}]


def test_batches_are_written_one_by_one(tmp_path: Path) -> None:
    file = made(
        tmp_path,
        """\
        import pyarrow as pa

        def read(start, end):
            schema = pa.schema({"n": pa.int64()})
            return pa.RecordBatchReader.from_batches(schema, (pa.record_batch({"n": [n, n]}) for n in range(3)))
        """,
    )
    assert pq.read_table(file)["n"].to_pylist() == [0, 0, 1, 1, 2, 2]
    assert pq.ParquetFile(file).num_row_groups == 3


def test_the_same_rows_are_the_same_content(tmp_path: Path) -> None:
    code = """\
        import pyarrow as pa

        def read(start, end):
            return pa.table({"n": [1, 2]})
        """
    first = content_of([made(tmp_path, code)]).fingerprint
    assert content_of([made(tmp_path, code.replace("pa.table", "pa.Table.from_pydict"))]).fingerprint == first
    assert content_of([made(tmp_path, code.replace("[1, 2]", "[1, 3]"))]).fingerprint != first


def test_a_changed_neighbour_counts_at_once(tmp_path: Path) -> None:
    code = """\
        from pathlib import Path
        import pyarrow as pa

        def read(start, end):
            return pa.table({"n": [int(Path(__file__).with_name("n.txt").read_text())]})
        """
    for number in (1, 2):
        (tmp_path / "n.txt").write_text(str(number))
        assert pq.read_table(made(tmp_path, code))["n"].to_pylist() == [number]


def test_copies_of_a_file_know_their_own_folder(tmp_path: Path) -> None:
    code = """\
        from pathlib import Path
        import pyarrow as pa

        def read(start, end):
            return pa.table({"folder": [Path(__file__).parent.name]})
        """
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert pq.read_table(made(tmp_path / name, code))["folder"].to_pylist() == [name]


def test_dataclasses_may_be_defined(tmp_path: Path) -> None:
    code = """\
        from __future__ import annotations
        from dataclasses import dataclass
        import pyarrow as pa

        @dataclass
        class Row:
            n: int

        def read(start, end):
            return pa.table({"n": [Row(4).n]})
        """
    assert pq.read_table(made(tmp_path, code))["n"].to_pylist() == [4]


FAULTY = [
    pytest.param(
        "def read(start, end):\n    return 1 / 0\n",
        r"made\.py:2: read\(2024-01-05T00:00:00\+00:00, 2024-01-06T00:00:00\+00:00\) failed with ZeroDivisionError: .*Correct the code there",
        id="fails",
    ),
    pytest.param(
        "x = 1\ndef read(start, end) return 1\n",
        r"made\.py:2: running the file failed with SyntaxError",
        id="syntax",
    ),
    pytest.param(
        "import no_such_module_here\n",
        r"made\.py:1: running the file failed with ModuleNotFoundError: No module named 'no_such_module_here'",
        id="import",
    ),
    pytest.param(
        "import sys\ndef read(start, end):\n    sys.exit(3)\n",
        r"made\.py:3: read.* failed with SystemExit: 3",
        id="exits",
    ),
    pytest.param(
        "def red(start, end):\n    return 1\n",
        r"made\.py has no function 'read\(start, end\)'\. Write one that returns a pyarrow Table",
        id="no-function",
    ),
    pytest.param(
        "def read():\n    return 1\n",
        r"made\.py: read\(.*\) failed with TypeError: read\(\) takes 0 positional arguments",
        id="arguments",
    ),
    pytest.param(
        "def read(start, end):\n    return [1]\n",
        r"made\.py: 'read' gave a int in place of a row, but must give a pyarrow Table or RecordBatchReader",
        id="no-row",
    ),
    pytest.param(
        "def read(start, end):\n    return {'n': 1}\n",
        r"made\.py: 'read' gave a dict, but must give a pyarrow Table or RecordBatchReader",
        id="no-table",
    ),
    pytest.param(
        "def read(start, end):\n    yield {1: 2}\n",
        r"made\.py: 'read' gave a row with the key 1, which is no name",
        id="no-name",
    ),
    pytest.param(
        "import pyarrow as pa\ndef read(start, end):\n    return pa.table([[1], [2]], names=['a', 'A'])\n",
        r"made\.py: 'read' gave the columns 'a', 'A', which SQL does not tell apart",
        id="twins",
    ),
    pytest.param(
        "import pyarrow as pa\ndef rows():\n    yield pa.record_batch({'n': [1]})\n    raise ValueError('half')\n"
        "def read(start, end):\n    return pa.RecordBatchReader.from_batches(pa.schema({'n': pa.int64()}), rows())\n",
        r"made\.py:4: read.* failed with ValueError: half",
        id="half-way",
    ),
]


@pytest.mark.parametrize(("code", "message"), FAULTY)
def test_faulty_code_is_named_with_its_line(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        made(tmp_path, code)


def test_a_fault_in_a_neighbour_is_named_there(tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text("def rows():\n    raise ValueError('here')\n")
    code = """\
        import runpy
        from pathlib import Path

        def read(start, end):
            runpy.run_path(Path(__file__).with_name("rows.py"))["rows"]()
        """
    with pytest.raises(SourceError, match=r"^rows\.py:2: read"):
        made(tmp_path, code)
