"""Rules of others, which train when they hold data or errors to have changed. None has a gate: what is trained serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.policy.adwin import Adwin
from drift.backtesting.course import Answer, Look, Rules, Way
from drift.backtesting.history import known_rows

Floats = NDArray[np.float64]

P_VALUE = 0.05
"""Level of the raw tests and of Evidently's small-sample tests, per column."""

SMALL_REFERENCE = 1_000
"""Evidently tests up to so many reference rows, and measures distances above."""

EVIDENTLY_DISTANCE = 0.1
"""Evidently's threshold of the normed Wasserstein distance and the Jensen-Shannon distance."""

EVIDENTLY_SHARE = 0.5
"""Share of drifted columns from which Evidently calls the data set drifted."""

LEAST_D, LEAST_V = 0.2, 0.1
"""Cohen's small effects: of a difference of means in standard deviations, of a contingency table."""


DatasetRule = Callable[[pa.Table, pa.Table, Sequence[str]], bool]
"""From reference rows, current rows and columns to: drifted?"""


@dataclass(frozen=True)
class OnDrift:
    """Train whenever a rule calls the window drifted against the rows that the model learned from."""

    rule: DatasetRule
    span: int | None = None
    way: Way = "plain"
    rules: Rules = field(default_factory=Rules)

    def look(self, look: Look) -> Answer:
        """Apply the rule."""
        now = look.history.windows[look.window]
        is_drifted = self.rule(look.champion.learned(look.history), now, look.history.features)
        return Answer(is_requested=is_drifted, is_alarm=is_drifted, any_column=is_drifted)


def raw_ks(reference: pa.Table, current: pa.Table, columns: Sequence[str]) -> bool:
    """Any column with p < 0.05: Kolmogorov-Smirnov for numbers, chi-square for categories; no correction."""
    return any(_p_value(reference[name], current[name]) < P_VALUE for name in columns)


def evidently_default(reference: pa.Table, current: pa.Table, columns: Sequence[str]) -> bool:
    """Half of the columns drifted by Evidently's default choice of methods.

    References
    ----------
    https://docs.evidentlyai.com/reference/data-drift-algorithm: up to 1,000 reference rows KS and chi-square at
    0.05, above them the Wasserstein distance in standard deviations and the Jensen-Shannon distance, both
    at 0.1. Own implementation of the documented rule.
    """
    drifted = [_evidently_column(reference[name], current[name]) for name in columns]
    return float(np.mean(drifted)) >= EVIDENTLY_SHARE


def _evidently_column(reference: pa.ChunkedArray, current: pa.ChunkedArray) -> bool:
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    if len(reference) <= SMALL_REFERENCE:
        return _p_value(reference, current) < P_VALUE
    if pa.types.is_string(reference.type):
        first, second = _contingency(reference, current)
        return float(jensenshannon(first, second)) >= EVIDENTLY_DISTANCE
    before, now = _values(reference), _values(current)
    return bool(wasserstein_distance(before, now) / max(before.std(), 0.001) >= EVIDENTLY_DISTANCE)


def p_and_effect(reference: pa.Table, current: pa.Table, columns: Sequence[str]) -> bool:
    """Any column with p < 0.05 and a small effect in Cohen's words (d of means at least 0.2, V at least 0.1)."""
    return any(
        _p_value(reference[name], current[name]) < P_VALUE and _has_effect(reference[name], current[name])
        for name in columns
    )


def _has_effect(reference: pa.ChunkedArray, current: pa.ChunkedArray) -> bool:
    if pa.types.is_string(reference.type):
        first, second = _contingency(reference, current)
        both = first / first.sum() + second / second.sum()
        gap = (first / first.sum() - second / second.sum()) ** 2
        # Cramér's V of a two-row table at equal sample sizes.
        return float(np.sqrt((gap / both).sum() / 2)) >= LEAST_V
    before, now = _values(reference), _values(current)
    pooled = np.sqrt((before.var() + now.var()) / 2)
    return bool(abs(before.mean() - now.mean()) >= LEAST_D * max(pooled, 1e-12))


def _p_value(reference: pa.ChunkedArray, current: pa.ChunkedArray) -> float:
    from scipy.stats import chi2_contingency, ks_2samp

    if pa.types.is_string(reference.type):
        return float(chi2_contingency(np.array(_contingency(reference, current))).pvalue)
    return float(ks_2samp(_values(reference), _values(current), method="asymp").pvalue)


def _values(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.drop_null().to_numpy(), dtype=np.float64)


def _contingency(reference: pa.ChunkedArray, current: pa.ChunkedArray) -> tuple[Floats, Floats]:
    names, codes = np.unique(
        np.concatenate([reference.to_numpy(), current.to_numpy()]).astype(str), return_inverse=True
    )
    n = len(reference)
    counted = (np.bincount(part, minlength=len(names)) for part in (codes[:n], codes[n:]))
    first, second = (part.astype(np.float64) for part in counted)
    return first, second


@dataclass(frozen=True)
class AdwinOnErrors:
    """Train when ADWIN finds that the error rate rose; errors come as their labels do."""

    _adwin: Adwin = field(default_factory=Adwin)
    span: int | None = None
    way: Way = "plain"
    rules: Rules = field(default_factory=Rules)

    def look(self, look: Look) -> Answer:
        """Feed the errors whose labels arrived in this window."""
        has_risen = self._adwin.add(_arrived_errors(look))
        return Answer(is_requested=has_risen, is_alarm=has_risen)


def _arrived_errors(look: Look) -> Floats:
    history = look.history
    start, end = history.starts_us[look.window], history.end_us(look.window)
    errors = [np.empty(0)]
    for window, version in zip(history.live, look.served, strict=False):
        rows = history.windows[window].append_column("score", pa.array(version.score_window(history, window)))
        labelled = known_rows(rows, until_us=end, since_us=start)
        errors.append((labelled["score"].to_numpy() >= 0.5) != labelled["label"].to_numpy())
    return np.concatenate(errors).astype(np.float64)
