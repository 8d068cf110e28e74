"""Finding about one limit, and the test of a limit that is surely exceeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from declaration.limits import LimitRule
from learning.blocks import Blocks, time_blocks
from learning.metrics import Floats
from learning.paired_tests import holm

Side = Literal["at least", "at most"]
"""Side of a limit on which values are allowed."""


@dataclass(frozen=True)
class LimitFinding:
    """Measurement held against one limit.

    Attributes
    ----------
    key
        The limit's place in the declaration.
    about
        What was measured, in words.
    side, limit
        The values that are allowed.
    n
        Rows, or calls, that it was measured on.
    value
        What was measured; None where it cannot be.
    low, high
        Its two-sided interval at 1 - 2 alpha by blocks of time; None where chance has no part in it.
    p_value
        One-sided, of a limit that is kept; None where nothing was tested.
    is_broken
        The limit stops the challenger.
    note
        Why it was not judged; empty where it was.
    """

    key: str
    about: str
    side: Side
    limit: float
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    is_broken: bool = False
    note: str = ""

    @property
    def is_beyond(self) -> bool:
        """The value by itself is not an allowed one."""
        if self.value is None:
            return False
        return self.value < self.limit if self.side == "at least" else self.value > self.limit

    @property
    def text(self) -> str:
        """The finding in words.

        Examples
        --------
        >>> LimitFinding("model.gate.max_size_mb", "size of the model file in MB", "at most", 1, 1, 2.5).text
        'size of the model file in MB is 2.5, model.gate.max_size_mb asks for at most 1'
        """
        if self.value is None:
            return f"{self.about} is not judged: {self.note}"
        between = "" if self.low is None or self.high is None else f" ({self.low:.4g} to {self.high:.4g})"
        return f"{self.about} is {self.value:.4g}{between}, {self.key} asks for {self.side} {self.limit:g}"


def blocks_or_rows(event_time_us: NDArray[np.int64]) -> Blocks:
    """Cut rows into blocks of time; too few rows for these are taken to be independent."""
    n = event_time_us.size
    return time_blocks(event_time_us) or Blocks(np.arange(n), n, "run")


def tested(
    finding: LimitFinding, drawn: Floats, *, n_blocks: int, alpha: float, within: tuple[float, float]
) -> LimitFinding:
    """Add interval and p-value to a finding, by Student's t over blocks with the bootstrap's standard error.

    Parameters
    ----------
    finding
        With its value.
    drawn
        The value in each resample of whole blocks; NaN where it has none.
    n_blocks
        Blocks that were drawn from.
    alpha
        Level of either end.
    within
        Least and greatest value that there can be.
    """
    assert finding.value is not None
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < 2 or n_blocks < 2:
        return finding
    # A variance of n blocks by the bootstrap divides by n.
    error = float(drawn.std() * np.sqrt(n_blocks / (n_blocks - 1)))
    reach = quantile_of_t(1 - alpha, n_blocks) * error
    low, high = (float(np.clip(end, *within)) for end in (finding.value - reach, finding.value + reach))
    distance = finding.value - finding.limit
    beyond = distance if finding.side == "at most" else -distance
    return replace(finding, low=low, high=high, p_value=p_value_of(beyond, error, n_blocks))


def quantile_of_t(level: float, n_blocks: int) -> float:
    """Return a quantile of Student's t over blocks."""
    from scipy.special import stdtrit

    return float(stdtrit(n_blocks - 1, level))


def p_value_of(beyond: float, error: float, n_blocks: int) -> float:
    """Return the one-sided p-value of a limit that is kept, given by how much a value is beyond it."""
    from scipy.special import stdtr

    return float(stdtr(n_blocks - 1, -beyond / error)) if error else float(beyond <= 0)


def judged_together(
    findings: Sequence[LimitFinding], *, rule: LimitRule, alpha: float
) -> tuple[LimitFinding, ...]:
    """Tell which limits of one kind stop a challenger.

    Parameters
    ----------
    findings
        Of one kind: of many slices one lies beyond a limit by chance, so Holm's correction is made over them.
    rule
        By the test, or by the value itself.
    alpha
        Level over all of them.
    """
    if rule == "by_estimate":
        return tuple(replace(finding, is_broken=finding.is_beyond) for finding in findings)
    places = [place for place, finding in enumerate(findings) if finding.p_value is not None]
    adjusted = holm([findings[place].p_value or 0.0 for place in places])
    judged = list(findings)
    for place, p_value in zip(places, adjusted, strict=True):
        judged[place] = replace(
            judged[place], p_value=p_value, is_broken=p_value < alpha and judged[place].is_beyond
        )
    return tuple(judged)
