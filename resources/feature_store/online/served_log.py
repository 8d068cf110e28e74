"""The log of what was served online: one row an answer, kept in the lake for comparing later."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import pyarrow as pa

from declaration.lake_table import LakeTable
from resources.feature_store.online.values import OnlineValues
from resources.lake.lake import Lake

_TEXTS = pa.list_(pa.string())
_INSTANT = pa.timestamp("us", tz="UTC")

SERVED_FEATURES = LakeTable(
    "served_features",
    pa.schema(
        [
            ("view", pa.string()),
            ("served_at", _INSTANT),
            ("value_at", _INSTANT),
            ("key_names", _TEXTS),
            ("key_values", _TEXTS),
            ("features", _TEXTS),
            ("values", _TEXTS),
            ("status", _TEXTS),
        ]
    ),
)
"""A row per answer: values are texts, so that a view can change and its log stays readable."""

ROWS_AT_ONCE = 10_000
"""Answers of one commit: a commit for each would cost more than serving."""


@dataclass
class ServedLog:
    """Collects answers and appends them to the lake, `rows_at_once` in one commit and the rest at its end.

    Used with `with`, by any number of threads. What a killed process had not appended is lost: the log is for
    comparing, not for accounting.
    """

    lake: Lake
    pipeline: str
    rows_at_once: int = ROWS_AT_ONCE
    _rows: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False)
    _adding: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Append what was collected, also after an error."""
        self.flush()

    def add(
        self, view: str, keys: Sequence[Mapping[str, Any]], now: datetime, answers: Sequence[OnlineValues]
    ) -> None:
        """Collect the answers for some entities of a view at an instant."""
        rows = [_row(view, key, now, answer) for key, answer in zip(keys, answers, strict=True)]
        with self._adding:
            self._rows += rows
            is_full = len(self._rows) >= self.rows_at_once
        if is_full:
            self.flush()

    def flush(self) -> None:
        """Append what was collected."""
        with self._adding:
            rows, self._rows = self._rows, []
        if rows:
            self.lake.append(SERVED_FEATURES.of(self.pipeline), SERVED_FEATURES.rows(rows))


def _row(view: str, key: Mapping[str, Any], now: datetime, answer: OnlineValues) -> dict[str, Any]:
    names, features = sorted(key), sorted(answer.values)
    return {
        "view": view,
        "served_at": now,
        "value_at": answer.event_timestamp,
        "key_names": names,
        "key_values": [_text(key[name]) for name in names],
        "features": features,
        "values": [_text(answer.values[name]) for name in features],
        "status": [answer.status[name] for name in features],
    }


def _text(value: Any) -> str | None:
    """Write a value so that the engine's cast to its type gives it back exactly."""
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, datetime) else json.dumps(value)
