"""Fixtures of the lake's tests: an empty one."""

from pathlib import Path

import pytest

from resources.lake.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a lake without tables."""
    return Lake(root=str(tmp_path / "lake"))
