"""Fixtures of the room `pipelines`: an instance of Dagster's."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterInstance


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    """Return an instance that daemons and sensors can use."""
    with dg.instance_for_test() as made:
        yield made
