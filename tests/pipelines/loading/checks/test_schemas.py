"""What a declaration says of its columns' past and future does not contradict itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import write

AMOUNT = "amount: {type: float, description: Euros.}"

FAULTS = [
    (
        "amount: {type: float, since: 2024-02-01, deprecated: 2024-02-01}",
        "datasets.orders.columns.amount is deprecated from 2024-02-01 on, but there only since 2024-02-01. Correct one of them.",
    ),
    (
        "amount: {type: float, since: 2024-02-01, optional: true}",
        "datasets.orders.columns.amount has both 'optional' and 'since'. Keep one: an optional column may be absent on every day.",
    ),
    (
        "amount: {type: float, renamed_from: id}",
        "datasets.orders.columns.amount is renamed from 'id', which is declared itself. Remove one of them.",
    ),
    (
        "amount: {type: float, renamed_from: sum}\n        total: {type: float, source: amount, renamed_from: sum}",
        "datasets.orders.columns.total is renamed from 'sum', as 'amount' is. Keep one: rows have one value there.",
    ),
    (
        "amount: {type: float, widened_from: string}",
        "datasets.orders.columns.amount is widened from string to float, which keeps not every value. "
        "Possible are date to timestamp, int to decimal, int to float.",
    ),
]


def faults(folder: Path, *changes: tuple[str, str]) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        read(write(folder, *changes))
    return [fault.partition("defs.yaml:")[2].partition(": ")[2] for fault in caught.value.faults]


@pytest.mark.parametrize(("column", "expected"), FAULTS)
def test_a_contradiction_is_told_with_its_repair(tmp_path: Path, column: str, expected: str) -> None:
    assert faults(tmp_path, (AMOUNT, column)) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("        id: int", "        id: {type: int, since: 2024-02-01}"),
            "datasets.orders.columns.id has 'since', but a key tells rows apart. Remove 'since'.",
        ),
        (
            ("ordered: timestamp_tz", "ordered: {type: timestamp_tz, deprecated: 2024-02-01}"),
            "datasets.orders.columns.ordered has 'deprecated', but the event_time says when a row came to be. Remove 'deprecated'.",
        ),
        (
            ("ordered: timestamp_tz", "ordered: {type: timestamp_tz, renamed_from: at}"),
            "datasets.orders.columns.ordered is renamed, but the partitions are cut by it. Restore its name, or build the "
            "tables anew: `driftline rebuild`, see docs/how-to/rebuild.md.",
        ),
    ],
)
def test_what_tells_rows_apart_is_there_on_every_day(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    assert faults(tmp_path, change) == [expected]


def test_what_is_sound_is_read(tmp_path: Path) -> None:
    column = "amount: {type: float, since: 2024-01-10, deprecated: 2024-02-01, renamed_from: sum, widened_from: int}"
    text = ("      event_time: ordered", "      event_time: ordered\n      compatibility: full_transitive")
    orders = read(write(tmp_path, (AMOUNT, column), text)).spec.datasets["orders"]
    assert (orders.compatibility, str(orders.column("amount").since)) == ("full_transitive", "2024-01-10")
