"""The Redis store alone: it writes only what differs, and its keys live on."""

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.online_servers import RedisServer
from tests.fixtures.online_case import OURS, START, TYPES, heat_rows, key, open_case


@pytest.mark.parametrize("n_features", [2, 1_200])
def test_redis_is_written_only_what_differs_and_lives_on(
    tmp_path: Path, redis: RedisServer, n_features: int
) -> None:
    from redis import Redis

    names = [f"f{number}" for number in range(n_features)]
    online = {"type": OURS["redis"], "key_ttl_seconds": 1_000, **redis.settings}
    case = open_case(
        tmp_path, online, project=f"again{n_features}", types=dict.fromkeys(names, TYPES["heat"])
    )

    def load(value: float) -> None:
        rows = heat_rows({1: 0.0, 2: 0.0}, START, START).drop_columns(["heat"])
        for name in names:
            rows = rows.append_column(name, pa.array([0.0, value if name == names[-1] else 0.0]))
        case.load(rows)

    with Redis(port=redis.port) as client:

        def n_writes() -> int:
            return int(client.info("commandstats")["cmdstat_hset"]["calls"])

        load(1.0)
        keys = [
            found for found in client.scan_iter(count=1_000) if found.endswith(f"again{n_features}".encode())
        ]
        assert len(keys) == 2
        for found in keys:
            client.expire(found, 5)
        before = n_writes()
        load(1.0)
        # More features than one command takes are not compared but written: three commands an entity.
        assert n_writes() - before == (0 if n_features == 2 else 6)
        assert min(client.ttl(found) for found in keys) > 900
        before = n_writes()
        load(2.0)
        assert n_writes() - before == (1 if n_features == 2 else 6)
    assert case.read([key(1), key(2)], names[-1:]) == {
        "machine": [1, 2], "site": ["north", "north"], names[-1]: [0.0, 2.0],
    }  # fmt: skip
