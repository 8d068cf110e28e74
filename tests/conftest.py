"""What every test can rely on: no environment of the developer's, no randomness between runs."""

import os

import pytest
from hypothesis import settings

# Same input, same output: a failing example is found again on the next run. Machines are busy: no deadline.
settings.register_profile("driftline", deadline=None, derandomize=True)
settings.load_profile("driftline")

FOREIGN = ("DAGSTER_", "DRIFTLINE_", "MLFLOW_", "FEAST_")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's installation: tests must not read or write it."""
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
