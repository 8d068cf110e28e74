"""Streams whose labels are late, wrong or never come, and one whose sensor is stuck."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.policy.streams.concepts import abrupt
from benchmarks.policy.streams.logistic import Logistic

LONGEST = 8
"""Windows that the growing delay ends at, one more with every three windows."""

LABELS: Mapping[str, Logistic] = {
    "labels 1 late": Logistic(abrupt, delay=lambda _: 1, longest_delay=1),
    "labels 10 late": Logistic(abrupt, delay=lambda _: 10, longest_delay=10),
    "labels ever later": Logistic(abrupt, delay=lambda live: min(LONGEST, live // 3), longest_delay=LONGEST),
    "labels never": Logistic(abrupt, delay=lambda _: None),
    "flipped window": Logistic(flipped=lambda since: 0.2 * (since == 0)),
    "three poisoned windows": Logistic(coins=lambda since: 0.5 * (0 <= since < 3)),
    "broken sensor": Logistic(stuck=2),
}
