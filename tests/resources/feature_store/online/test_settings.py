"""A URL becomes the settings of Feast's online store, and no message shows its password."""

import pytest
from feast.infra.online_stores.redis import RedisOnlineStore

from resources.deployment import deployment
from resources.feature_store.online.settings import OnlineSettingsError, online_settings


def test_a_file_is_sqlite() -> None:
    found = online_settings("sqlite:////srv/feast/online.db")
    assert found == {
        "type": "feature_repo.online_sqlite.OrderedSqliteOnlineStore",
        "path": "/srv/feast/online.db",
    }


def test_feast_reads_redis_settings_as_they_were_given() -> None:
    found = online_settings("rediss://me:12%3D3%2Ftrue@cache:6380/2")
    nodes, options = RedisOnlineStore._parse_connection_string(found["connection_string"])
    assert nodes == [{"host": "cache", "port": "6380"}]
    assert options == {"db": 2, "ssl": True, "username": "me", "password": "12=3/true"}


def test_a_password_of_digits_stays_a_text() -> None:
    found = online_settings("redis://:0123@cache")
    assert RedisOnlineStore._parse_connection_string(found["connection_string"])[1] == {"password": "0123"}


def test_postgres_is_encrypted_unless_it_is_here() -> None:
    far = online_settings("postgresql+psycopg2://u:p%40ss@db.internal/features")
    assert (far["host"], far["port"], far["user"], far["password"]) == ("db.internal", 5432, "u", "p@ss")
    assert (far["database"], far["db_schema"], far["sslmode"]) == ("features", "driftline_online", "require")
    assert online_settings("postgresql://u:p@127.0.0.1:6/d")["sslmode"] == "prefer"
    assert online_settings("postgresql://u:p@far/d?sslmode=verify-full")["sslmode"] == "verify-full"
    assert online_settings("postgresql://postgres:@/d?host=/run/pg")["host"] == "/run/pg"


@pytest.mark.parametrize(
    "url",
    ["", "secret", "mysql://u:secret@h/d", "redis://:secret@/1", "postgresql://u:secret@h", "redis://:sec%2Cret@h"],
)  # fmt: skip
def test_other_urls_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(OnlineSettingsError) as refused:
        online_settings(url)
    assert "secret" not in str(refused.value)
    assert "sec,ret" not in str(refused.value)


POSTGRES = "postgresql+psycopg2://driftline:secret@127.0.0.1:5432/driftline"


def test_the_profile_chooses_the_store() -> None:
    server = {"DRIFTLINE_PROFILE": "server", "DRIFTLINE_POSTGRES_URL": POSTGRES}
    assert deployment({}).online_url_variable == ""
    assert deployment(server).online_url_variable == "DRIFTLINE_POSTGRES_URL"
    redis = {"DRIFTLINE_ONLINE_URL": "redis://cache"}
    assert deployment(redis).online_url_variable == "DRIFTLINE_ONLINE_URL"
    assert deployment({**server, **redis}).online_url_variable == "DRIFTLINE_ONLINE_URL"
    with pytest.raises(OnlineSettingsError, match="redis://"):
        deployment({"DRIFTLINE_ONLINE_URL": "rediz://cache"})
