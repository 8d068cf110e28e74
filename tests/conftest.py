"""What every test can rely on: no environment of the developer's, no randomness between runs."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Same input, same output: a failing example is found again on the next run. Machines are busy: no deadline.
settings.register_profile("driftline", deadline=None, derandomize=True)
settings.load_profile("driftline")

LONGEST = ("lineage", "docs", "deploy", "feature_repo", "inputs", "scaffolding")
"""Folders whose files take minutes: begun first, so that no worker waits for the last of them."""

FOREIGN = ("DAGSTER_", "DRIFTLINE_", "MLFLOW_", "FEAST_")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's installation: tests must not read or write it."""
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the order within a file stays."""
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""
        return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)

    items.sort(key=place)
