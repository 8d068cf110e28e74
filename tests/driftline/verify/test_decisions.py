"""Ledger, aliases, notes, model files and the online store: what is wrong is named, and mended where that was promised."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from driftline.verify.databases import check_databases
from resources.model_registry.ledger import LEDGER, read_ledger
from resources.model_registry.ledger_notes import HEAD_TAG, ROW_TAG
from resources.model_registry.mlflow_store import open_store
from tests.driftline.verify.world import Home


def rows_of(home: Home) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = home.connections.lake.read("tiny/ledger").to_pylist()
    return rows


def changed_row(home: Home) -> None:
    rows = rows_of(home)
    rows[0]["champion_after"] = None
    home.connections.lake.write("tiny/ledger", LEDGER.rows(rows))


def removed_row(home: Home) -> None:
    home.connections.lake.write("tiny/ledger", LEDGER.rows([]))


def another_row(home: Home) -> None:
    """A row whose hash is right, and which is another than was noted."""
    from resources.model_registry.ledger_chain import OWN, contents, row_sha256

    (row,) = rows_of(home)
    row["reason"] = "forged"
    (content,) = contents([row])
    row[OWN] = row_sha256("", content)
    home.connections.lake.write("tiny/ledger", LEDGER.rows([row]))


def removed_table(home: Home) -> None:
    shutil.rmtree(home.connections.lake.table_path("tiny/ledger"))


def damaged_file(home: Home) -> None:
    (path,) = home.connections.lake.snapshot("tiny/ledger").paths()
    Path(path).write_bytes(b"x" + Path(path).read_bytes()[1:])


def lost_commit(home: Home) -> None:
    home.last_commit("tiny/ledger").unlink()


@pytest.mark.parametrize(
    "damage", [changed_row, removed_row, another_row, removed_table, damaged_file, lost_commit]
)
def test_a_ledger_that_lost_rows_gets_those_that_the_registry_noted(home: Home, damage: Any) -> None:
    whole = rows_of(home)
    damage(home)
    found = home.findings()
    assert "ledger" in {one.kind for one in found}
    # A file that is damaged in an earlier version then is set aside.
    assert home.repair() == []
    assert rows_of(home) == whole
    assert home.findings() == []


def test_without_notes_dagster_tells_that_rows_are_lost(own: Home) -> None:
    client = open_store(own.connections.registry.tracking_uri)
    client.delete_registered_model_tag("tiny", HEAD_TAG)
    client.delete_model_version_tag("tiny", "1", f"{ROW_TAG}0")
    removed_table(own)
    found = [one for one in own.repair() if one.kind == "ledger"]
    assert [one.what for one in found] == ["has 0 rows, and Dagster was told of 1: the last ones are lost"]
    assert "the registry's notes do not hold all rows" in found[0].repair


@pytest.mark.parametrize(
    "aliases",
    [
        {"champion": None},
        {"challenger": 1},
        {"previous": 1},
        {"champion": None, "previous": 1, "challenger": 1},
    ],
)
def test_aliases_that_were_changed_are_pointed_again(home: Home, aliases: dict[str, int | None]) -> None:
    assert home.connections.registry.aliases("tiny") == {"champion": 1}
    home.connections.registry.point_aliases("tiny", aliases)
    found = home.findings()
    assert {one.where for one in found} == {f"alias '{name}' in MLflow" for name in aliases}
    assert home.repair() == []
    assert home.connections.registry.aliases("tiny") == {"champion": 1}


def test_notes_that_are_missing_are_made(home: Home) -> None:
    client = open_store(home.connections.registry.tracking_uri)
    client.delete_model_version_tag("tiny", "1", f"{ROW_TAG}0")
    (found,) = home.findings()
    assert found.what == "rows 0 of the ledger are not noted"
    client.set_registered_model_tag("tiny", HEAD_TAG, "")
    assert home.repair() == []
    assert home.findings() == []


def test_a_model_file_that_was_changed_or_lost_is_named(own: Home) -> None:
    (model_file,) = own.path.rglob("model.zip")
    content = bytearray(model_file.read_bytes())
    content[len(content) // 2] ^= 4
    model_file.write_bytes(content)
    (changed,) = own.findings()
    assert (changed.kind, changed.where) == ("model file", "model version 1, the champion")
    assert "it was changed after it was judged" in changed.what
    model_file.unlink()
    (lost,) = own.repair()
    assert "cannot be read" in lost.what
    assert "Restore the artifact folder from a backup" in lost.repair


def online_rows(home: Home) -> sqlite3.Connection:
    return sqlite3.connect(home.path / "feast" / "online.db")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM {} WHERE entity_key IN (SELECT entity_key FROM {} LIMIT 1)", "1 of 5 entities .*: 1 missing"),
        ("DELETE FROM {}", "5 of 5 entities .*: 5 missing"),
        ("UPDATE {} SET event_ts = '2023-12-31 00:00:00.000000'", "5 older"),
        ("UPDATE {} SET value = x'1801' WHERE feature_name = 'mean_heat'", "5 other values"),
    ],
)  # fmt: skip
def test_an_online_store_that_lost_or_changed_rows_is_loaded_from_the_lake(
    home: Home, statement: str, said: str
) -> None:
    with closing(online_rows(home)) as connection, connection:
        connection.execute(statement.format("tiny_recent", "tiny_recent"))
    (found,) = home.findings()
    assert found.where == "feature view 'recent'"
    assert re.search(said, found.what), found.what
    assert "machine=m" in found.what
    assert home.repair() == []
    assert home.findings() == []


def test_an_online_store_that_is_gone_is_filled_again(own: Home) -> None:
    (own.path / "feast" / "online.db").unlink()
    assert [one.kind for one in own.findings()] == ["online"]
    assert own.repair() == []


def test_a_damaged_database_is_named(own: Home) -> None:
    assert [*check_databases(own.path, lambda _: None)] == []
    for path in (own.path / "mlflow" / "mlflow.db", own.path / "feast" / "online.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = bytearray(path.read_bytes())
        # Every page but the first: what each holds is no longer a tree.
        content[4096:] = bytes(len(content) - 4096)
        path.write_bytes(content)
    found = [*check_databases(own.path, lambda _: None)]
    assert [Path(one.where).name for one in found] == ["online.db", "mlflow.db"]
    assert found[1].repair == "Restore it from a backup."
    assert found[0].mend is not None
    found[0].mend()
    assert [*check_databases(own.path / "feast", lambda _: None)] == []


def test_what_was_decided_is_what_was(home: Home) -> None:
    assert [one.action for one in read_ledger(home.connections.lake, "tiny")] == ["promoted"]
