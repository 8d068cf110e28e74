"""One tiny installation for all tests of commands, and a project that declares its pipeline."""

from pathlib import Path

import pytest
import yaml

from tests.driftline.verify.world import N_DAYS, Home, copied, make_home
from tests.fixtures.tiny import DECLARATION, READINGS_SQL, write_sources


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


@pytest.fixture(scope="session")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose one pipeline is that of the installation."""
    root = tmp_path_factory.mktemp("declared")
    folder = root / "shop" / "defs" / "tiny"
    folder.mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n')
    text = yaml.safe_dump({"type": "driftline.MLPipeline", "attributes": DECLARATION}, sort_keys=False)
    (folder / "defs.yaml").write_text(text)
    (folder / "recent.sql").write_text(READINGS_SQL)
    write_sources(folder, n_days=N_DAYS)
    return root


@pytest.fixture
def project(declared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the project, without a home."""
    # What commands set is taken back with these.
    for name in (
        "DRIFTLINE_PROFILE",
        "DAGSTER_HOME",
        "OMP_WAIT_POLICY",
        "DRIFTLINE_HOME",
        "DRIFTLINE_PROJECT",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("DRIFTLINE_THREADS", "1")
    monkeypatch.chdir(declared)
    return declared


@pytest.fixture
def installed(project: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Stand in the project, with the installation as its home."""
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_HOME", str(home.path))
    return home
