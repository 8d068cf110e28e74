"""What every test can rely on: no environment of the developer's, no randomness between runs."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fixtures.headlines import _no_calm_word_over_bad_news
from tests.fixtures.servers import NEEDS_SERVER, SERVERS, mortal_postgres, online_url, postgres, redis

__all__ = ["_no_calm_word_over_bad_news", "mortal_postgres", "online_url", "postgres", "redis"]

# Same input, same output: a failing example is found again on the next run. Machines are busy: no deadline.
settings.register_profile("driftline", deadline=None, derandomize=True)
settings.load_profile("driftline")

LONGEST = ("lineage", "deploy", "docs", "contracts", "feature_repo", "inputs", "scaffolding", "verify")
"""Folders whose files take minutes: begun first, so that no worker waits for the last of them."""

FOREIGN = ("DAGSTER_", "DRIFTLINE_", "MLFLOW_", "FEAST_")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's installation: tests must not read or write it."""
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and begin with the files that take longest; the order within a file stays."""
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            for mark in NEEDS_SERVER:
                item.add_marker(mark)
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folders = item.path.relative_to(tests).parts[:-1] if item.path.is_relative_to(tests) else ()
        return min((LONGEST.index(folder) for folder in folders if folder in LONGEST), default=len(LONGEST))

    items.sort(key=place)
