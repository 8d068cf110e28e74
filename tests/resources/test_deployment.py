"""One environment variable chooses the profile; what is missing is named."""

from pathlib import Path

import pytest
import yaml

from resources.deployment import DeploymentError, dagster_environment, deployment

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
