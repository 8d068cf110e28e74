"""Feast's Redis online store, ordered by time and loaded in bulk.

Usable in any Feast repository, in place of `type: redis`::

    online_store:
      type: feature_repo.online_redis.OrderedRedisOnlineStore
      connection_string: localhost:6379

Feast's own readers read it. Feast's writer first reads what is there and then writes, so that of two
writers the older may win, and it drops corrections, which have the instant of what they correct.
Here the server itself compares and writes, some hundred entities in one call of a script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ByteString, Literal

import numpy as np
from feast.feature_view import FeatureView
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import (
    RedisOnlineStore,
    RedisOnlineStoreConfig,
    RedisType,
    _versioned_fv_name,
)
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray
from redis.exceptions import RedisError

from feature_repo.online_batch import (
    NO_INSTANT,
    FeastRow,
    OnlineBatch,
    OnlineStoreError,
    OrderedStore,
    not_taken,
)
from feature_repo.value_bytes import varint_bytes

MAX_ARGUMENTS = 10_000
"""Values of one call: the server does nothing else while the script runs, some milliseconds."""

MICROSECONDS_PER_SECOND = 1_000_000

SCRIPT = """
-- KEYS: entities. ARGV: field of the event, field of the creation, seconds to live or 0, number of
-- features, their fields; then for each entity its event (google.protobuf.Timestamp), its creation
-- (microseconds since 1970, or nothing) and its values.
local N_FIRST, FIELDS_AT_ONCE = 4, 1000

-- Seconds and nanoseconds of a Timestamp. Numbers are doubles here: of a negative varint, which has
-- ten bytes, 49 bits are enough.
local function instant(message)
  local seconds, nanos, at = 0, 0, 1
  while at <= #message do
    local tag, value, scale, length = message:byte(at), 0, 1, 0
    repeat
      at, length = at + 1, length + 1
      local byte = message:byte(at)
      if length <= 7 then value, scale = value + byte % 128 * scale, scale * 128 end
    until byte < 128
    at = at + 1
    if length == 10 then value = value - scale end
    if tag == 8 then seconds = value else nanos = value end
  end
  return seconds, nanos
end

local function is_older(event, created, stored_event, stored_created)
  if not stored_event then return false end
  if event == stored_event then
    return stored_created and (created == '' or tonumber(created) < tonumber(stored_created))
  end
  local seconds, nanos = instant(event)
  local stored_seconds, stored_nanos = instant(stored_event)
  return seconds < stored_seconds or (seconds == stored_seconds and nanos < stored_nanos)
end

local event_field, created_field, seconds_to_live = ARGV[1], ARGV[2], tonumber(ARGV[3])
local n, n_written = tonumber(ARGV[N_FIRST]), 0
local features = {unpack(ARGV, N_FIRST + 1, N_FIRST + math.min(n, FIELDS_AT_ONCE))}

-- Whether an entity has these values: most of a partition that is loaded again are there, and to compare
-- them costs the server less than to write them and its log.
local function has_values(key, at)
  if n > FIELDS_AT_ONCE then return false end
  local values = redis.call('HMGET', key, unpack(features))
  for feature = 1, n do
    if values[feature] ~= ARGV[at + feature] then return false end
  end
  return true
end

local function write(key, event, created, had_created, at)
  local fields = {event_field, event}
  if created ~= '' then
    fields[3], fields[4] = created_field, created
  elseif had_created then
    redis.call('HDEL', key, created_field)
  end
  for feature = 1, n do
    fields[#fields + 1] = ARGV[N_FIRST + feature]
    fields[#fields + 1] = ARGV[at + feature]
    if #fields >= FIELDS_AT_ONCE then
      redis.call('HSET', key, unpack(fields))
      fields = {}
    end
  end
  if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
end

for number, key in ipairs(KEYS) do
  local at = N_FIRST + n + (number - 1) * (n + 2)
  local event, created = ARGV[at + 1], ARGV[at + 2]
  local stored_event, stored_created = unpack(redis.call('HMGET', key, event_field, created_field))
  if not is_older(event, created, stored_event, stored_created) then
    local is_same = event == stored_event and created == (stored_created or '')
    if not (is_same and has_values(key, at + 2)) then
      write(key, event, created, stored_created, at + 2)
      n_written = n_written + 1
    end
    if seconds_to_live > 0 then redis.call('EXPIRE', key, seconds_to_live) end
  end
end
return n_written
"""


class OrderedRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """Settings of the store: those of Feast's Redis store, for one server or one behind sentinels."""

    type: Literal["feature_repo.online_redis.OrderedRedisOnlineStore"] = (
        "feature_repo.online_redis.OrderedRedisOnlineStore"  # type: ignore[assignment]  # Feast's own idiom
    )


class OrderedRedisOnlineStore(OrderedStore, RedisOnlineStore):
    """Feast's Redis store in which late and repeated loads are harmless, whoever writes at the same time."""

    _script: Any = None

    def write(self, config: RepoConfig, view: FeatureView, batch: OnlineBatch) -> None:
        """Write rows, each unless a newer one is there; those of one call are written together.

        Raises
        ------
        OnlineStoreError
            If the server does not answer; writing again is harmless. Or if it is a cluster: one call
            there may touch one slot only.
        """
        settings = config.online_store
        if settings.redis_type == RedisType.redis_cluster:
            raise OnlineStoreError(
                "this online store writes to one Redis server, or to one behind sentinels. "
                "Set `redis_type: redis`, or `type: redis`, Feast's own store, for a cluster."
            )
        if self._script is None:
            self._script = self._get_client(settings).register_script(SCRIPT)
        name = _versioned_fv_name(view, config)
        head = [
            f"_ts:{name}", f"_created:{name}", settings.key_ttl_seconds or 0,
            len(batch.values), *(_mmh3(f"{name}:{feature}") for feature in batch.values),
        ]  # fmt: skip
        project = config.project.encode()
        for part in batch.parts(max(1, MAX_ARGUMENTS // (len(batch.values) + 2))):
            arguments = head.copy()
            for row in part.rows(_timestamps(part.event), _decimals(part.created)):
                arguments.extend(row)
            try:
                self._script(keys=[key + project for key in part.keys], args=arguments)
            except RedisError as error:
                raise not_taken(view.name, error) from error

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows as Feast's server hands them over, in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def _get_features_for_entity(
        self,
        values: Sequence[ByteString | None],
        feature_view: str,  # noqa: ARG002 (Feast's signature)
        requested_features: list[str],
    ) -> tuple[datetime | None, dict[str, Value] | None]:
        """Read one entity's reply; the last value is the event's instant.

        Feast's own reading gives values of 1970 for an entity that other views have, and nulls for
        features that were never written.
        """
        if values[-1] is None:
            return None, None
        event = Timestamp.FromString(bytes(values[-1]))
        pairs = zip(requested_features[:-1], values[:-1], strict=True)
        return event.ToDatetime(UTC), {name: Value.FromString(bytes(v)) for name, v in pairs if v is not None}


def _timestamps(instants: NDArray[np.int64]) -> list[bytes]:
    """Serialize instants in microseconds as `google.protobuf.Timestamp`, whose zeros are left out."""
    seconds, microseconds = np.divmod(instants, MICROSECONDS_PER_SECOND)
    parts = []
    for tag, numbers in ((b"\x08", seconds), (b"\x10", microseconds * 1_000)):
        written = varint_bytes(numbers, tag)
        written[numbers == 0] = b""
        parts.append(written)
    return [whole + part for whole, part in zip(*parts, strict=True)]


def _decimals(instants: NDArray[np.int64]) -> list[str]:
    return ["" if instant == NO_INSTANT else str(instant) for instant in instants.tolist()]
