"""A plan that is applied until its process is killed: run as one of its own.

python -m tests.driftline.schema.killed FOLDER N_DONE
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from driftline.schema.plan import apply_schemas
from resources.lake import commits
from tests.fixtures.changing import COLUMNS, changing
from tests.fixtures.stages import connected

NOW = datetime(2024, 4, 1, tzinfo=UTC)
WITHOUT = {name: kind for name, kind in COLUMNS.items() if name not in ("amount", "day")}
NEXT: Mapping[str, Any] = {
    **WITHOUT,
    "price": {"type": "float", "source": "amount"},
    "day": {"type": "timestamp", "widened_from": "date"},
}


def _interrupt() -> None:
    raise KeyboardInterrupt


def stopped_after(n_done: int, stop: Callable[[], None] = _interrupt) -> Callable[..., Any]:
    """Return the lake's commit, which stops when the files of the next table are there and no commit names them."""
    commit, n_commits = commits._commit, 0

    def counted(*args: Any, **keys: Any) -> Any:
        nonlocal n_commits
        n_commits += 1
        if n_commits > n_done:
            stop()
        return commit(*args, **keys)

    return counted


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    commits._commit = stopped_after(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL))
    at = connected(folder / "home")
    apply_schemas(changing(folder, NEXT), at.lake, at.engine, NOW)
