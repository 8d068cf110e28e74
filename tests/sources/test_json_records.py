"""Lines and elements are counted as Python's json module and `split` find them, wherever a block ends."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import json_records
from sources.json_records import count_elements, count_lines

TEXTS = st.text(st.sampled_from('a"\\,[]{}: \n'), max_size=5)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
BLOCKS = st.sampled_from([1, 2, 3, 7, 64])


def written(folder: str, content: bytes) -> Path:
    path = Path(folder) / "a.json"
    path.write_bytes(content)
    return path


@given(array=st.lists(VALUES, max_size=5), indent=st.sampled_from([None, 1]), block=BLOCKS)
def test_elements_are_those_of_pythons_json(array: list[object], indent: int | None, block: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "BLOCK_BYTES", block)
        path = written(folder, json.dumps(array, indent=indent).encode())
        assert count_elements(path) == len(array)


@given(pieces=st.lists(st.sampled_from(["{}", " ", "\t", "\n", "\r\n", "é"]), max_size=20), block=BLOCKS)
def test_lines_of_nothing_but_spaces_are_none(pieces: list[str], block: int) -> None:
    text = "".join(pieces)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "BLOCK_BYTES", block)
        found = count_lines(written(folder, text.encode()))
    assert found == sum(bool(line.strip(" ")) for line in text.replace("\r\n", "\n").split("\n"))
