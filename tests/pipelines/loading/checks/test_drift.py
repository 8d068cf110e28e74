"""Features that the drift block names are features that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import write

WATCHING = """\
type: pipelines.MLPipeline
attributes:
  partitions: {every: day, start: 2024-01-01}
  datasets:
    orders:
      source: {type: csv, path: orders.csv}
      columns: {id: int, ordered: timestamp_tz, paid: date, amount: float, country: string}
      event_time: ordered
      key: [id]
  drift: {features: {FEATURES}}
"""


def watching(folder: Path, features: str) -> Path:
    """Write a declaration without a target."""
    folder.mkdir()
    (folder / "defs.yaml").write_text(WATCHING.replace("FEATURES", features), encoding="utf-8")
    return folder


def test_watched_columns_are_judged_by_name(tmp_path: Path) -> None:
    spec = read(watching(tmp_path / "orders", "amount: {method: documented}, country: {ignore: true}")).spec
    assert spec.drift.features["amount"].method == "documented"
    assert spec.drift.features["country"].ignore


@pytest.mark.parametrize("name", ["contry", "paid", "id"])
def test_columns_that_are_not_watched_are_refused(tmp_path: Path, name: str) -> None:
    said = f"10: drift.features names '{name}', which is no column of datasets.orders that is watched. Columns: amount, country."
    with pytest.raises(DeclarationError) as caught:
        read(watching(tmp_path / "orders", f"{name}: {{ignore: true}}"))
    assert [fault.partition("defs.yaml:")[2].partition(" Did")[0] for fault in caught.value.faults] == [said]


def test_features_of_a_view_that_cannot_be_read_are_no_second_fault(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "late",
        (
            "drift: {",
            "drift: {features: {history__anything: {ignore: true}, request__amunt: {ignore: true}}, ",
        ),
    )
    (folder / "features" / "history.sql").write_text("SELECT nothing FROM orders")
    with pytest.raises(DeclarationError) as caught:
        read(folder)
    texts = [fault.partition(": ")[2] for fault in caught.value.faults]
    assert len(texts) == 2
    assert texts[0].startswith("drift.features names 'request__amunt'")
    assert texts[1].startswith("names the unknown column 'nothing'")
