"""Start of the program: sees that Python imports our packages and not others of their names, then runs a command."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOMS_FILE = Path(__file__).resolve().parent.parent / "declaration" / "rooms.py"


def main() -> int:
    """Run one command; return its exit code."""
    faults = hidden_rooms()
    if faults:
        sys.stderr.write("Error: " + "\n".join(faults) + "\n")
        return 1
    from driftline.cli import main as run

    return run()


def hidden_rooms() -> list[str]:
    """Describe what hides our packages, with the repair; empty where nothing does."""
    # By its path: `declaration` itself may be the one that is hidden.
    spec = importlib.util.spec_from_file_location("driftline._rooms", ROOMS_FILE)
    assert spec is not None
    assert spec.loader is not None
    rooms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rooms)
    faults: list[str] = rooms.hidden_rooms()
    return faults
