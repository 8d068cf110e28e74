"""Start of the program: packages that hide ours are named before anything fails for want of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from declaration.rooms import ROOMS, hidden_rooms, namesakes
from tests.test_architecture import ROOMS as KNOWN

REPOSITORY = Path(__file__).resolve().parents[2]


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_room_is_looked_for() -> None:
    assert set(ROOMS) == KNOWN
    assert not hidden_rooms()
    assert len(namesakes(REPOSITORY)) == len(ROOMS)


@pytest.mark.parametrize(
    ("file", "room"),
    [
        ("declaration/__init__.py", "declaration"),
        ("resources.py", "resources"),
        ("drift/__init__.py", "drift"),
    ],
)
def test_a_hidden_package_is_named_with_the_repair(tmp_path: Path, file: str, room: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    done = run(tmp_path, "-m", "driftline", "check")
    assert done.returncode == 1
    assert f"hides Driftline's package '{room}'. Move it into your project's package" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(tmp_path, "-c", "from driftline import build_defs")
    assert f"ImportError: {tmp_path}" in done.stderr
    assert f"hides Driftline's package '{room}'" in done.stderr


def test_a_folder_that_is_no_package_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    assert run(tmp_path, "-m", "driftline", "--version").returncode == 0
