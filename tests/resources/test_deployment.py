"""One environment variable chooses the profile; what is missing is named."""

import string
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from sqlalchemy import NullPool, create_engine, make_url

from resources.deployment import (
    SETTINGS,
    DeploymentError,
    dagster_environment,
    dagster_settings,
    deployment,
)
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake, scan

POSTGRES = "postgresql+psycopg2://driftline:secret@127.0.0.1:5432/driftline"


def test_the_default_is_embedded(tmp_path: Path) -> None:
    installed = deployment({"DRIFTLINE_HOME": str(tmp_path)})
    assert installed.profile == "local"
    assert installed.feature_registry_url.startswith("sqlite:///")
    assert installed.tracking_url.startswith("sqlite:///")


def test_the_server_keeps_its_models_in_postgres_unless_they_are_in_a_file_already(tmp_path: Path) -> None:
    environment = {
        "DRIFTLINE_HOME": str(tmp_path),
        "DRIFTLINE_PROFILE": "server",
        "DRIFTLINE_POSTGRES_URL": POSTGRES,
    }
    assert deployment(environment).tracking_url == "env:DRIFTLINE_POSTGRES_URL"
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").touch()
    assert deployment(environment).tracking_url == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(DeploymentError, match=r"DRIFTLINE_PROFILE is 'prod'. Known profiles: local, server"):
        deployment({"DRIFTLINE_PROFILE": "prod"})


@pytest.mark.parametrize("url", ["", "postgresql://u:p@h/d"])
def test_the_server_profile_needs_a_url_that_names_its_driver(url: str) -> None:
    # SQLAlchemy 2.1 reads the bare scheme as psycopg 3, which is not installed.
    with pytest.raises(DeploymentError, match=r"postgresql\+psycopg2://"):
        deployment({"DRIFTLINE_PROFILE": "server", "DRIFTLINE_POSTGRES_URL": url})


@pytest.mark.parametrize("threads", ["0", "two", "-1"])
def test_threads_are_a_positive_number(threads: str) -> None:
    with pytest.raises(DeploymentError, match="DRIFTLINE_THREADS"):
        deployment({"DRIFTLINE_THREADS": threads})


@pytest.mark.parametrize(
    "limit", ["lots", "0GB", "2", "-1GB", "2GB; SET x", "2 GB 3", "80%", "٣GB", "1e3MB", "x" * 500]
)
def test_a_memory_limit_that_the_engine_does_not_take_is_refused(limit: str) -> None:
    with pytest.raises(DeploymentError, match=r"DRIFTLINE_MEMORY_LIMIT is .{1,80} number with its unit"):
        deployment({"DRIFTLINE_MEMORY_LIMIT": limit})


@pytest.mark.parametrize("limit", ["512MB", "1.5GiB", " 2 gb ", "0.5GB", "100000000B"])
def test_every_memory_limit_that_is_let_in_is_the_engines(limit: str, tmp_path: Path) -> None:
    taken = deployment({"DRIFTLINE_MEMORY_LIMIT": limit}).memory_limit
    with Engine(spill_directory=str(tmp_path), memory_limit=taken).connect() as connection:
        assert connection.sql("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("sign", [*"?%*^|\\[]", "\n", "\t", "\x01", "\x7f"])
@pytest.mark.parametrize("place", ["{0}", "{0}/below", "a{0}b/c"])
def test_a_home_whose_name_opens_elsewhere_is_refused(tmp_path: Path, sign: str, place: str) -> None:
    home = str(tmp_path / place.format(f"a{sign}"))
    with pytest.raises(DeploymentError, match=r"DRIFTLINE_HOME is '.*' *, whose name holds '.*'") as raised:
        deployment({"DRIFTLINE_HOME": home})
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("sign", [s for s in string.punctuation if s not in "?%*^|\\[]/"] + [" ", "ä", "😀"])
def test_every_other_name_holds_a_lake_and_databases(tmp_path: Path, sign: str) -> None:
    installed = deployment({"DRIFTLINE_HOME": str(tmp_path / f"a{sign}b")})
    lake = Lake(root=str(installed.lake_root))
    lake.write("p/raw/rows", pa.table({"a": [1, 2]}), partition="2024-01-01")
    engine = Engine(spill_directory=str(tmp_path / "spill"), directories=[lake.root])
    with engine.connect() as connection:
        rows = connection.sql(f"SELECT sum(a) FROM {scan(lake.snapshot('p/raw/rows'))}").fetchall()
    assert rows == [(3,)]
    for url in (installed.feature_registry_url, installed.tracking_url):
        database = Path(make_url(url).database or "")
        database.parent.mkdir(parents=True)
        made = create_engine(url, poolclass=NullPool)
        with made.begin() as session:
            session.exec_driver_sql("CREATE TABLE t (a)")
        assert database.is_file()
        assert database.is_relative_to(installed.home)
    assert [path.name for path in tmp_path.iterdir() if path.name != "spill"] == [f"a{sign}b"]


def test_a_home_may_be_below_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert deployment({"DRIFTLINE_HOME": "~/kept"}).home == tmp_path / "kept"
    assert deployment({"DRIFTLINE_HOME": ""}).home == deployment({}).home


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeploymentError, match="which is no folder"):
        deployment({"DRIFTLINE_HOME": str(tmp_path / "file")})


@pytest.mark.parametrize(("profile", "storage"), [("local", None), ("server", "custom")])
def test_dagster_gets_the_profiles_settings(tmp_path: Path, profile: str, storage: str | None) -> None:
    environment = {
        "DRIFTLINE_HOME": str(tmp_path),
        "DRIFTLINE_PROFILE": profile,
        "DRIFTLINE_POSTGRES_URL": POSTGRES,
    }
    variables = dagster_environment(deployment(environment))
    settings = yaml.safe_load((Path(variables["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    assert settings["run_retries"]["enabled"]
    assert settings["run_monitoring"]["enabled"]
    assert settings["telemetry"] == {"enabled": False}
    assert (settings.get("storage") or {}).keys() == ({storage} if storage else set())
    assert "secret" not in (Path(variables["DAGSTER_HOME"]) / "dagster.yaml").read_text()


def in_project(root: Path, settings: str, **variables: str) -> dict[str, str]:
    """Make a project with settings of its own; return the environment that opens it."""
    (root / "deploy").mkdir()
    (root / "deploy" / "local.yaml").write_text(settings)
    (root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n')
    return {"DRIFTLINE_PROJECT": str(root), **variables}


def test_home_is_in_the_project_unless_it_is_named(tmp_path: Path) -> None:
    environment = in_project(tmp_path, "")
    assert deployment(environment).home == tmp_path / ".driftline"
    assert deployment(environment | {"DRIFTLINE_HOME": str(tmp_path / "else")}).home == tmp_path / "else"


def test_a_project_replaces_blocks_of_dagsters_settings(tmp_path: Path) -> None:
    own = "concurrency: {runs: {max_concurrent_runs: 7}}\nretention:\nsensors: {use_threads: true}\n"
    variables = dagster_environment(deployment(in_project(tmp_path, own)))
    settings = yaml.safe_load((Path(variables["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    # A block is replaced whole, an empty one is removed, and others stay.
    assert settings["concurrency"] == {"runs": {"max_concurrent_runs": 7}}
    assert "retention" not in settings
    assert settings["sensors"] == {"use_threads": True}
    assert settings["run_launcher"]["class"] == "WatchedRunLauncher"
    assert variables["DRIFTLINE_PROJECT"] == str(tmp_path)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    installed = deployment(in_project(tmp_path, "# nothing yet\n"))
    assert dagster_settings(installed) == (SETTINGS / "local.yaml").read_text()


@pytest.mark.parametrize("settings", ["- a\n", "text\n", "1: {}\n", "a: [\n"])
def test_settings_of_a_project_that_are_none_are_refused(tmp_path: Path, settings: str) -> None:
    with pytest.raises(
        DeploymentError, match=r"deploy/local.yaml(?s:.*)(Correct or remove it|Correct the file)"
    ):
        dagster_environment(deployment(in_project(tmp_path, settings)))
