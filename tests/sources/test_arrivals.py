"""The page of types shows what arrives, and nothing else."""

from pathlib import Path

import duckdb
import pytest

from declaration.datasets import DatasetSpec
from sources.opening import opened, readable
from sources.read import READ_TABLE, read_files
from sources.rejects import REJECTS_TABLE
from tests.fixtures.apis import Answer, serving
from tests.sources.arrivals import CASES, PAGE, Case, page, write


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.stored}-{case.declared}")
def test_a_value_arrives_as_the_page_says(
    case: Case, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "given.file"
    write(case, file)
    keys = {"rows": "a/b"} if case.kind == "xml" else {}
    with serving(lambda _: Answer(file.read_bytes())) as api:
        place = {"url": f"{api.url}/given"} if case.kind == "rest" else {"path": file.name}
        spec = DatasetSpec.model_validate(
            {
                "source": {"type": case.kind, **place, **keys, "max_rejected_share": 1.0},
                "columns": {"n": "int", "v": case.declared},
            }
        )
        scratch = tmp_path / "scratch"
        with (
            opened(spec.source, folder=tmp_path, scratch=scratch, dataset=spec) as now,
            readable(connection, now.files, spec, scratch) as plain,
        ):
            read_files(connection, plain, spec, name="given", timezone="UTC", found=now.files)
            rows = connection.sql(f"SELECT v FROM {READ_TABLE}").fetchall()
            reasons = connection.sql(f"SELECT reason FROM {REJECTS_TABLE}").fetchall()
    is_reject = isinstance(case.arrives, str) and case.arrives.startswith("reject: ")
    expected = ([], [(case.arrives.removeprefix("reject: "),)]) if is_reject else ([(case.arrives,)], [])
    assert (rows, reasons) == expected
    assert is_reject or type(rows[0][0]) is type(case.arrives)


def test_the_page_is_made_of_the_cases() -> None:
    """Mend it with `python -m tests.sources.arrivals`."""
    assert PAGE.read_text(encoding="utf-8") == page()
