"""A URL becomes the settings of Feast's registry, and no message shows its password."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from resources.connections import connect
from resources.deployment import deployment
from resources.feature_store.registry_settings import RegistrySettingsError, registry_settings
from resources.feature_store.store import FeatureStore, FeatureStoreError
from resources.lake.lake import Lake
from resources.locks import DatabaseLockError, database_lock
from tests.fixtures.tiny import tiny_pipeline


def test_a_file_is_sqlite_that_waits_for_other_writers() -> None:
    found = registry_settings("sqlite:////srv/feast/registry.db")
    assert (found["registry_type"], found["path"]) == ("sql", "sqlite:////srv/feast/registry.db")
    assert found["sqlalchemy_config_kwargs"]["connect_args"] == {"timeout": 60}


def test_postgres_is_encrypted_unless_it_is_here_and_has_its_own_schema() -> None:
    far = make_url(registry_settings("postgresql+psycopg2://u:p%40ss@db.internal/features")["path"])
    assert (far.host, far.username, far.password, far.database) == ("db.internal", "u", "p@ss", "features")
    assert far.query == {"options": "-csearch_path=driftline_feast", "sslmode": "require"}
    near = make_url(registry_settings("postgresql+psycopg2://u:p@127.0.0.1:6/d")["path"])
    assert near.query["sslmode"] == "prefer"
    given = "postgresql+psycopg2://u:p@far/d?sslmode=verify-full&options=-cstatement_timeout%3D9"
    kept = make_url(registry_settings(given)["path"]).query
    assert kept["sslmode"] == "verify-full"
    assert kept["options"] == "-cstatement_timeout=9 -csearch_path=driftline_feast"


@pytest.mark.parametrize(
    "url",
    ["", "secret", "sqlite:///", "mysql://u:secret@h/d", "postgresql://u:secret@h/d", "postgresql+psycopg2://u:secret@h"],
)  # fmt: skip
def test_other_urls_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(RegistrySettingsError) as refused:
        registry_settings(url)
    assert "secret" not in str(refused.value)


def test_the_profile_server_keeps_the_registry_in_its_postgres(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://driftline:secret@127.0.0.1:5432/driftline"
    home = {"DRIFTLINE_HOME": str(tmp_path)}
    server = deployment({**home, "DRIFTLINE_PROFILE": "server", "DRIFTLINE_POSTGRES_URL": url})
    store = connect(server).feature_store
    assert (store.registry_url, store.registry_url_variable) == ("", "DRIFTLINE_POSTGRES_URL")
    assert "secret" not in str(store)
    local = connect(deployment(home)).feature_store
    assert (local.registry_url, local.registry_url_variable) == (
        f"sqlite:///{tmp_path / 'feast' / 'registry.db'}",
        "",
    )


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    store = FeatureStore(registry_url_variable="NO_SUCH_URL", online_path=str(tmp_path / "online.db"))
    with pytest.raises(
        FeatureStoreError, match=r"NO_SUCH_URL is not set\. It holds the URL of the feature reg"
    ):
        store.apply(tiny_pipeline(tmp_path), Lake(root=str(tmp_path)))


def test_a_database_that_cannot_be_shared_is_refused_without_its_url() -> None:
    with (
        pytest.raises(DatabaseLockError, match="of the kind 'mysql' cannot be shared"),
        database_lock("mysql://u:secret@h/d", "feast"),
    ):
        pass
