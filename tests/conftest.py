"""What every test can rely on: no environment of the developer's, no randomness between runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.fixtures.headlines import _no_calm_word_over_bad_news
from tests.fixtures.servers import (
    NEEDS_SERVER,
    SERVERS,
    mariadb,
    mortal_postgres,
    online_url,
    postgres,
    redis,
)

if TYPE_CHECKING:
    from tests.fixtures.versions import Versions

__all__ = ["_no_calm_word_over_bad_news", "mariadb", "mortal_postgres", "online_url", "postgres", "redis"]

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


@pytest.fixture(scope="session")
def versions_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of a model, of which the last serves: to be copied."""
    # Not at the top: most tests need no model.
    from tests.fixtures.versions import trained_versions

    root = tmp_path_factory.mktemp("versions")
    trained_versions(root)
    return root


@pytest.fixture(scope="module")
def versions(versions_root: Path, tmp_path_factory: pytest.TempPathFactory) -> "Versions":
    """A copy of them for the tests of a module."""
    from tests.fixtures.versions import copied_versions

    return copied_versions(versions_root, tmp_path_factory.mktemp("copy") / "world")


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
