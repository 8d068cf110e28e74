"""One tiny installation for all tests of this folder."""

from pathlib import Path

import pytest

from tests.driftline.verify.world import Home, copied, make_home


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that is whole: three days, one model."""
    home = tmp_path_factory.mktemp("made") / "home"
    make_home(home)
    return home


@pytest.fixture(scope="module")
def home(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A copy of it for tests that leave it whole: opening MLflow's and Feast's databases takes its time."""
    return copied(made, tmp_path_factory.mktemp("home") / "home")


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Home:
    """A copy of it that stays damaged."""
    return copied(made, tmp_path / "home")
