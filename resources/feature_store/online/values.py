"""Online values of an entity, and how much of them can be relied on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

FeatureStatus = Literal["present", "null", "expired", "not_found"]
"""A value is there; is null; was withheld for its age; or nothing is stored (Feast's words, in small letters)."""


@dataclass(frozen=True)
class OnlineValues:
    """Values that are served for one entity.

    Attributes
    ----------
    values
        Feature values; None where unknown, or older than the view's ttl.
    status
        What each of them is.
    event_timestamp
        Instant of the stored values; None when the entity is unknown.
    age
        How old they are.
    is_expired
        Whether the ttl has passed, so that the values are withheld.
    """

    values: Mapping[str, Any]
    status: Mapping[str, FeatureStatus]
    event_timestamp: datetime | None
    age: timedelta | None
    is_expired: bool


def served(
    at: datetime | None,
    stored: Mapping[str, Any] | None,
    features: Sequence[str],
    *,
    ttl: timedelta | None,
    now: datetime,
) -> OnlineValues:
    """Judge what Feast's reader found for one entity.

    Parameters
    ----------
    at
        Instant of the stored values; without a zone it is UTC.
    stored
        Feast's values by feature; None where there is no such entity.
    features
        Which to serve.
    ttl
        Largest age that is served; None or zero for every age.
    now
        The instant of the question.
    """
    if at is None or not stored:
        return OnlineValues(dict.fromkeys(features), dict.fromkeys(features, "not_found"), None, None, False)
    instant = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    age = now - instant
    if ttl and age > ttl:
        return OnlineValues(dict.fromkeys(features), dict.fromkeys(features, "expired"), instant, age, True)
    values: dict[str, Any] = {}
    status: dict[str, FeatureStatus] = {}
    for name in features:  # one pass: these lines are most of what a read costs
        value = values[name] = _plain(stored.get(name))
        status[name] = "present" if value is not None else "null" if name in stored else "not_found"
    return OnlineValues(values, status, instant, age, False)


_SCALARS = frozenset(
    ("double_val", "float_val", "int64_val", "int32_val", "string_val", "bytes_val", "bool_val")
)
"""Fields of Feast's `Value` that are Python values as they are."""


def _plain(value: Any) -> Any:
    field = value.WhichOneof("val") if value is not None else None
    if field is None:
        return None
    if field in _SCALARS:
        return getattr(value, field)
    from feast.type_map import feast_value_type_to_python_type

    return feast_value_type_to_python_type(value)
