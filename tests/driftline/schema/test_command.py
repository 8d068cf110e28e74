"""The commands say what changes, do it, and look back; `check` holds declarations against the registry."""

import json
from pathlib import Path

import pytest

from driftline.check import _schema_faults
from driftline.cli import FAULT, SUCCESS, main
from tests.fixtures.changing import COLUMNS, changing, take_day, write_day
from tests.fixtures.stages import connected

RENAMED = {name: kind for name, kind in COLUMNS.items() if name != "amount"} | {
    "price": {"type": "int", "source": "amount"}
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    write_day(tmp_path, 1)
    take_day(changing(tmp_path, compatibility="backward"), connected(tmp_path / "home"), 1)
    return tmp_path


def declare(monkeypatch: pytest.MonkeyPatch, folder: Path, columns: dict[str, object]) -> None:
    made = changing(folder, columns, compatibility="backward")
    monkeypatch.setattr("pipelines.loading.declared.find_pipeline", lambda _: made)


def test_a_change_is_planned_applied_and_remembered(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(monkeypatch, home, RENAMED)
    assert main(["schema", "plan"]) == SUCCESS
    assert capsys.readouterr().out == (
        "sales: version 1 is registered\n  'amount' was renamed to 'price'\n"
        "  shop/raw/sales@0 is written anew (3 rows): 'amount' becomes 'price'\n"
    )
    assert main(["schema", "apply", "--json"]) == SUCCESS
    (dataset,) = json.loads(capsys.readouterr().out)["datasets"]
    assert [(table["table"], table["version"]) for table in dataset["tables"]] == [("shop/raw/sales", 1)]
    assert main(["schema", "plan"]) == SUCCESS
    assert capsys.readouterr().out == "No changes: what is registered is what is declared.\n"
    assert main(["schema", "history", "--json"]) == SUCCESS
    versions = json.loads(capsys.readouterr().out)["versions"]
    assert [(v["version"], v["run_id"], v["last_run_id"], v["changes"]) for v in versions] == [
        (1, "run-1", "run-1", []),
        (2, "schema apply", "schema apply", ["'amount' was renamed to 'price'"]),
    ]
    assert main(["schema", "history"]) == SUCCESS
    assert "'amount' was renamed to 'price'" in capsys.readouterr().out


def test_a_lake_without_registry_has_no_history_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    declare(monkeypatch, tmp_path, RENAMED)
    assert main(["schema", "plan"]) == SUCCESS
    assert main(["schema", "history"]) == SUCCESS
    assert capsys.readouterr().out == (
        "No changes: nothing is registered yet, which the next run does.\n"
        "No schema of 'shop' is registered yet: its first run does it.\n"
    )


def test_what_is_refused_is_a_fault_and_nothing_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(monkeypatch, home, {**COLUMNS, "amount": "decimal"})
    assert main(["schema", "plan"]) == FAULT
    assert "  refused: column 'amount' cannot be read from rows of version 1" in capsys.readouterr().out
    assert main(["schema", "apply"]) == FAULT
    assert "nothing was written. dataset 'sales': column 'amount'" in capsys.readouterr().err
    assert connected(home / "home").lake.snapshot("shop/raw/sales").version == 0


def test_check_holds_a_contract_against_the_registry(home: Path) -> None:
    (fault,) = _schema_faults(changing(home, {**COLUMNS, "more": "int"}, compatibility="backward"))
    assert "defs.yaml: dataset 'sales': column 'more' cannot be read from rows of version 1" in fault
    assert _schema_faults(changing(home, RENAMED, compatibility="backward")) == []
    assert _schema_faults(changing(home, {**COLUMNS, "more": "int"})) == []
