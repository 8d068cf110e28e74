"""Declarations with anything in any place: read, or refused in clean lines of a bounded length; never a trace."""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from driftline.replay.walk import heading
from pipelines.loading.problems import MAX_MESSAGE, tidy
from pipelines.loading.read import DeclarationError, read
from pipelines.loading.yaml_lines import parse
from tests.fixtures.sound_declaration import SOUND, write

HOSTILE: list[Any] = [
    "\0", "a\0b", "\x1b[31mred\x1b[0m", "a\nb\r\tc", "x" * 20_000, "", "  ", "[/x]", "<script>", "\u202eabc",
    "'; DROP TABLE x; --", "%s%n{}{0}", "../../../etc/passwd", "/etc/passwd", [], {}, None, [[]], [{}],
    {"a": {"b": []}}, {"\0": 1}, {"x" * 9_000: "y"}, float("nan"), float("inf"), -1, 0, 10**40, 1e308, True,
]  # fmt: skip

BASE = parse(SOUND).value


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], item: object) -> Any:
    """Return a copy of nested blocks with another value in one place."""
    if not path:
        return item
    copied = list(value) if isinstance(value, list) else dict(value)
    copied[path[0]] = put(value[path[0]], path[1:], item)
    return copied


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hostile") / "orders")


@settings(max_examples=120)
@given(place=st.sampled_from(list(places(BASE))), value=st.sampled_from(HOSTILE))
def test_anything_anywhere_is_read_or_refused_in_clean_lines(
    folder: Path, place: tuple[Any, ...], value: object
) -> None:
    (folder / "defs.yaml").write_text(yaml.safe_dump(put(BASE, place, value)), encoding="utf-8")
    try:
        read(folder)
    except DeclarationError as error:
        for fault in error.faults:
            assert fault.isprintable(), fault
            assert len(fault) < MAX_MESSAGE + len(str(folder)) + 100


@pytest.mark.parametrize(
    "change",
    [
        ("dayofweek(ordered)", '"dayofweek(ordered)\\0"'),
        ("description: Which order will be late?", 'description: "a\\0b"'),
        ("{domain: sales}", '{"do\\0main": sales}'),
        ("path: orders.csv", 'path: "orders\\0.csv"'),
    ],
)
def test_a_nul_is_a_fault_with_its_line(tmp_path: Path, change: tuple[str, str]) -> None:
    folder = write(tmp_path / "orders", change)
    lines = (folder / "defs.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "\\0" in text)
    with pytest.raises(DeclarationError, match=rf"defs.yaml:{line}: .* holds a NUL character \(\\0\)"):
        read(folder)


def test_a_nul_in_a_sql_file_is_a_fault(tmp_path: Path) -> None:
    folder = write(tmp_path / "orders")
    (folder / "late_orders.sql").write_text("SELECT 1 AS a\0", encoding="utf-8")
    with pytest.raises(DeclarationError, match=r"queries.late_orders .* holds a NUL character"):
        read(folder)


@pytest.mark.parametrize("value", ["[]", "[0]", "{}", "{a: 1}"])
@pytest.mark.parametrize("on_failure", ["report", "quarantine"])
def test_a_bound_is_one_value(tmp_path: Path, value: str, on_failure: str) -> None:
    folder = write(
        tmp_path / "orders", ("min_value: 0, on_failure: quarantine", f"max_value: {value}, on_failure: {on_failure}")
    )  # fmt: skip
    with pytest.raises(DeclarationError, match=r"max_value is .*, and must be one value"):
        read(folder)


@pytest.mark.parametrize("text", ["[/x]", "[bold", "[/]", "a [link=http://x]b", "\\[", "[red]"])
def test_a_description_is_printed_as_it_stands(tmp_path: Path, text: str) -> None:
    folder = write(tmp_path / "orders", ("Which order will be late?", json.dumps(text)))
    shown = io.StringIO()
    Console(file=shown, width=100).print(heading(read(folder)))
    assert shown.getvalue() == f"orders  {text}\n"


@given(text=st.text(max_size=3 * MAX_MESSAGE))
def test_messages_are_one_printable_line_of_a_bounded_length(text: str) -> None:
    line = tidy(text)
    assert line.isprintable()
    assert len(line) <= MAX_MESSAGE + 50
    if text.isprintable() and len(text) <= MAX_MESSAGE and "  " not in text.strip() and text == text.strip():
        assert line == text


def test_the_end_of_a_long_message_says_how_to_repair_it() -> None:
    said: Mapping[str, str] = {"what": "where: it is ", "how": ". Repair it so."}
    line = tidy(f"{said['what']}{'x' * 5_000}{said['how']}")
    assert line.startswith(said["what"])
    assert "(4,028 characters left out)" in line
    assert line.endswith(said["how"])
