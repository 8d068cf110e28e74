"""One tiny installation for all tests of this folder."""

from pathlib import Path

import pytest

from tests.verify.world import Home, copied, make_home


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that is whole: three days, one model."""
    home = tmp_path_factory.mktemp("made") / "home"
    make_home(home)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Home:
    """A copy of it, to be damaged."""
    return copied(made, tmp_path / "home")
