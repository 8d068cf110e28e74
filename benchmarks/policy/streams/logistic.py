"""Binary streams of a logistic model: eight numbers and a category; what changes is a function of the window."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.policy.streams.stream import (
    DAY_US,
    MINUTE_US,
    N_HISTORY,
    N_LIVE,
    N_ROWS,
    Floats,
    Stream,
    window_table,
)

WEIGHTS = np.array([1.6, 1.2, -1.0, 0.8, 0.5, -0.4, 0.0, 0.0, 0.0])
"""The concept: log odds per feature, the last two of which are irrelevant, and the intercept."""

CHANGED = np.array([-1.6, 1.2, -1.0, 0.8, 0.5, -0.4, 0.0, 0.0, 0.0])
"""The other concept: the strongest feature says the opposite."""

REGIONS = {"north": 0.6, "south": -0.6, "east": 0.2, "west": -0.2, "centre": 0.0}
REGION_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)

FIRST_ONSET, LATER = 8, 3
"""Live window of the first change in the first draw, and by how much it comes later in every second one: no
schedule is to fall upon it by luck."""

OVERSAMPLED = 6
"""Rows drawn for each that is kept, where the share of the positives is fixed."""

Concept = Callable[[int, int, np.random.Generator], Floats]
"""From the changed window, the number of windows and chance to weights, shape (n_windows, n_features + 1)."""

ByWindow = Callable[[int], float]
"""From the windows since the change (negative before it) to a share."""


def steady(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Give the first concept throughout."""
    del onset, generator
    return np.tile(WEIGHTS, (n_windows, 1))


@dataclass(frozen=True)
class Logistic:
    """Parameters that a stream is drawn from.

    Attributes
    ----------
    concept
        Weights by window.
    mixed
        Share of the rows that follow the other concept.
    moved
        Shift and factor of the numbers by the windows since the change; None leaves them.
    positives
        Share of the positives; None leaves what the concept gives.
    flipped, coins
        Share of the labels that is known wrongly; that is a coin's.
    noise
        Share of the labels that truly is a coin's.
    delay, longest_delay
        Windows until a label is known, by live window (None for never), and the most of them.
    hidden_rows
        Rows over which a state that no feature shows stays alike; 0 for none.
    stuck
        Windows from the change in which the first number is stuck.
    correlation
        Of neighbouring rows' numbers.
    first_onset
        Live window of the first change, in the first draw.
    onsets
        Windows of all changes, from the first one on.
    n_rows, n_live, is_minutes, candidate, is_watched
        As in `Stream`; `is_minutes` gives a row a minute, and time is only an order.
    """

    concept: Concept = steady
    mixed: ByWindow | None = None
    moved: Callable[[int], tuple[Floats, Floats]] | None = None
    positives: ByWindow | None = None
    flipped: ByWindow | None = None
    coins: ByWindow | None = None
    noise: ByWindow | None = None
    delay: Callable[[int], int | None] | None = None
    longest_delay: int = 0
    hidden_rows: int = 0
    stuck: int = 0
    correlation: float = 0.0
    first_onset: int = FIRST_ONSET
    onsets: tuple[int, ...] = (0,)
    n_rows: int = N_ROWS
    n_live: int = N_LIVE
    is_minutes: bool = False
    candidate: str = "logistic_regression"
    is_watched: bool = False


def generator_of(name: str, seed: int) -> np.random.Generator:
    """Return the chance of a draw: independent for every name and seed."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def onset_of(seed: int, first: int = FIRST_ONSET) -> int:
    """Return the first changed window of a draw; `first` is the live one of the first draw."""
    return N_HISTORY + first + LATER * (seed % 2)


def draw_logistic(name: str, seed: int, world: Logistic) -> Stream:
    """Draw a stream."""
    generator = generator_of(name, seed)
    n_windows = N_HISTORY + world.n_live
    onset = onset_of(seed, world.first_onset)
    weights = world.concept(onset, n_windows, generator)
    drawn = _Drawn(world, weights, onset, generator)
    window_us = world.n_rows * MINUTE_US if world.is_minutes else DAY_US
    first_us = Stream("", 0, (), ()).first_us
    windows = []
    for window in range(n_windows):
        late = world.delay(window - N_HISTORY) if world.delay and window >= N_HISTORY else 0
        features, truth, labels = drawn.window(window)
        windows.append(
            window_table(
                window,
                first_us + window * window_us,
                window_us // world.n_rows,
                features,
                truth=truth,
                known=labels,
                delay_us=None if late is None else late * window_us,
            )
        )
    n_features = weights.shape[1] - 1
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(windows),
        features=(*(f"x{i}" for i in range(n_features)), "region"),
        onsets=tuple(onset + later for later in world.onsets if onset + later < n_windows),
        candidate=world.candidate,
        window_us=window_us,
        label_delay=world.longest_delay,
        is_ordered_only=world.is_minutes,
        is_watched=world.is_watched,
        is_bounded=world.stuck > 0,
    )


class _Drawn:
    """Rows of a world, window after window."""

    def __init__(self, world: Logistic, weights: Floats, onset: int, generator: np.random.Generator) -> None:
        self._world, self._weights, self._onset, self._generator = world, weights, onset, generator
        n_windows, n_features = weights.shape[0], weights.shape[1] - 1
        n_drawn = world.n_rows * (OVERSAMPLED if world.positives else 1)
        self._numbers = _correlated(generator, (n_windows * n_drawn, n_features), world.correlation)
        self._hidden = np.zeros((n_windows * n_drawn, 1))
        if world.hidden_rows:
            self._hidden = _correlated(generator, self._hidden.shape, float(np.exp(-1 / world.hidden_rows)))

    def window(
        self, window: int
    ) -> tuple[dict[str, Floats | pa.Array], NDArray[np.int64], NDArray[np.int64]]:
        """Return a window's features, its true labels, and the labels as they will be known."""
        world, generator, since = self._world, self._generator, window - self._onset
        n_drawn = self._numbers.shape[0] // self._weights.shape[0]
        rows = slice(window * n_drawn, (window + 1) * n_drawn)
        numbers, hidden = self._numbers[rows], self._hidden[rows, 0]
        regions = generator.choice(len(REGIONS), n_drawn, p=REGION_SHARES)
        if world.moved is not None:
            shift, factor = world.moved(since)
            numbers = numbers * factor + shift
        weights = np.tile(self._weights[window], (n_drawn, 1))
        if world.mixed is not None:
            weights[generator.random(n_drawn) < world.mixed(since)] = CHANGED
        odds = (numbers * weights[:, :-1]).sum(axis=1) + weights[:, -1] + hidden
        odds += np.asarray(list(REGIONS.values()))[regions]
        truth = np.asarray(generator.random(n_drawn) < 1 / (1 + np.exp(-odds)), dtype=np.int64)
        is_kept = self._kept(truth, since)
        numbers, regions, truth = numbers[is_kept], regions[is_kept], truth[is_kept]
        if world.noise is not None:
            truth = self._tossed(truth, world.noise(since))
        labels = truth
        if world.flipped is not None:
            labels = np.where(generator.random(truth.size) < world.flipped(since), 1 - truth, truth)
        if world.coins is not None:
            labels = self._tossed(labels, world.coins(since))
        if 0 <= since < world.stuck:
            numbers = numbers.copy()
            numbers[:, 0] = -999.0
        features: dict[str, Floats | pa.Array] = {f"x{i}": numbers[:, i] for i in range(numbers.shape[1])}
        features["region"] = pa.array(list(REGIONS)).take(pa.array(regions))
        return features, truth, labels

    def _tossed(self, labels: NDArray[np.int64], share: float) -> NDArray[np.int64]:
        is_hit = self._generator.random(labels.size) < share
        return np.where(is_hit, self._generator.integers(0, 2, labels.size), labels)

    def _kept(self, truth: NDArray[np.int64], since: int) -> NDArray[np.int64]:
        """Choose the rows of a window, in order, so that the positives have their share: P(x | y) stays as it is."""
        n = self._world.n_rows
        if self._world.positives is None:
            return np.arange(n)
        share = self._world.positives(since)
        n_positive = int(self._generator.binomial(n, share))
        chosen = [
            self._generator.choice(np.flatnonzero(truth == label), size, replace=False)
            for label, size in ((1, n_positive), (0, n - n_positive))
        ]
        return np.sort(np.concatenate(chosen))


def _correlated(generator: np.random.Generator, shape: tuple[int, int], correlation: float) -> Floats:
    """Draw standard normal columns; neighbouring rows correlate (first-order autoregression)."""
    noise = generator.normal(size=shape)
    if not correlation:
        return noise
    noise[1:] *= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], noise, axis=0), dtype=np.float64)
