"""ADWIN: a window over a stream of numbers that drops its past when its mean has changed.

References
----------
Bifet and Gavaldà (2007), Learning from Time-Changing Data with Adaptive Windowing, SIAM SDM:
algorithm ADWIN2 with the exponential histogram of section 4 and the normal approximation of the cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

DELTA = 0.002
"""Confidence of the cut; the value of the paper's experiments and of MOA and river."""

MAX_BUCKETS = 5
"""Buckets of one size before the two oldest become one."""

CLOCK = 32
"""Values between two checks, as in MOA."""

MIN_SIDE = 5
"""Fewest values on either side of a cut."""


@dataclass
class Adwin:
    """The adaptive window, oldest bucket first."""

    _buckets: list[tuple[int, float]] = field(default_factory=list)
    """Number of values and their sum; sizes are powers of two, decreasing."""
    _seen: int = 0

    def add(self, values: Iterable[float]) -> bool:
        """Append values; return whether the mean rose somewhere among them, the past being dropped."""
        has_risen = False
        for value in values:
            self._buckets.append((1, float(value)))
            self._compress()
            self._seen += 1
            if self._seen % CLOCK == 0:
                has_risen |= self._shrink()
        return has_risen

    def _compress(self) -> None:
        size, end = 1, len(self._buckets)
        while True:
            start = end
            while start > 0 and self._buckets[start - 1][0] == size:
                start -= 1
            if end - start <= MAX_BUCKETS:
                return
            older, newer = self._buckets[start], self._buckets[start + 1]
            self._buckets[start : start + 2] = [(size * 2, older[1] + newer[1])]
            size, end = size * 2, start + 1

    def _shrink(self) -> bool:
        has_risen = False
        while (change := self._change()) is not None:
            has_risen |= change > 0
            self._buckets.pop(0)
        return has_risen

    def _change(self) -> float | None:
        """Return newer minus older mean at the first cut that differs surely; None without one."""
        n, total = sum(b[0] for b in self._buckets), sum(b[1] for b in self._buckets)
        if n < 2 * MIN_SIDE:
            return None
        mean = total / n
        # Errors are 0 and 1.
        variance = mean * (1 - mean)
        level = math.log(2 * math.log(n) / DELTA)
        older_n, older_sum = 0, 0.0
        for size, value in self._buckets[:-1]:
            older_n, older_sum = older_n + size, older_sum + value
            newer_n = n - older_n
            if older_n < MIN_SIDE or newer_n < MIN_SIDE:
                continue
            difference = (total - older_sum) / newer_n - older_sum / older_n
            inverse = 1 / (older_n - MIN_SIDE + 1) + 1 / (newer_n - MIN_SIDE + 1)
            if abs(difference) > math.sqrt(2 * inverse * variance * level) + 2 / 3 * inverse * level:
                return difference
        return None
