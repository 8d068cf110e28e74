"""Streams with known changes: windows of rows, their labels and when these became known.

One window is one day of 1,000 rows. The label follows a logistic model of six features and a
category; two more features are irrelevant. What changes, and from which window, is the stream's name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.model import Candidate

Floats = NDArray[np.float64]

DAY_US = 86_400_000_000
FIRST_DAY = 20_000
"""Windows are the days after 2024-10-04."""

N_ROWS, N_HISTORY, N_LIVE = 1_000, 6, 30
"""Rows of a window; windows that the first model learns from; windows that are lived through."""

ONSET = N_HISTORY + 10
"""First changed window of the streams that change once, in the first draw."""

LATER = 3
"""Windows by which it comes later in every second draw: no schedule is to fall upon it by luck."""

WEIGHTS = (1.6, 1.2, -1.0, 0.8, 0.5, -0.4, 0.0, 0.0)
"""The concept: log odds per feature; the last two features are irrelevant."""

CHANGED_WEIGHTS = (-1.6, 1.2, -1.0, 0.8, 0.5, -0.4, 0.0, 0.0)
"""The other concept: the strongest feature says the opposite."""

REGIONS = {"north": 0.6, "south": -0.6, "east": 0.2, "west": -0.2, "centre": 0.0}
REGION_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)
AUTOCORRELATION = 0.9
"""Of neighbouring rows' features: 1,000 rows then tell as much of a mean as 53 independent ones."""

RECURRENCE = 8
"""Windows after which the recurring stream takes the other concept."""

STUCK_VALUE = -999.0
SENSOR = "x0"
FLIPPED_SHARE = 0.2
NEVER = None


@dataclass(frozen=True)
class Stream:
    """What happens, window by window.

    Attributes
    ----------
    name, seed
        Which stream, and its draw.
    windows
        Rows of each window, in order of time: row_id, event_timestamp, features, `label` as it will be
        known (NULL for never), `label_time`, and `truth`.
    features
        Feature columns.
    onsets
        Windows in which something changes.
    is_change_of_concept
        What changes is what a model should learn anew.
    broken
        Windows whose data is broken; their declared range expectation fails.
    train_window
        Newest windows that a training reads.
    candidate
        Algorithm that every policy trains.
    """

    name: str
    seed: int
    windows: tuple[pa.Table, ...]
    features: tuple[str, ...]
    onsets: tuple[int, ...] = ()
    is_change_of_concept: bool = False
    broken: frozenset[int] = frozenset()
    train_window: int = N_HISTORY
    candidate: Candidate = "logistic_regression"
    n_history: int = N_HISTORY
    first_day: int = FIRST_DAY
    days: int = 1
    """Days that a window spans."""

    def start_us(self, window: int) -> int:
        """Return the first instant of a window."""
        return (self.first_day + window * self.days) * DAY_US

    @property
    def live(self) -> range:
        """The windows that are lived through."""
        return range(self.n_history, len(self.windows))


@dataclass(frozen=True)
class _Draw:
    """Raw material of one window, before labels."""

    numbers: Floats
    regions: NDArray[np.int64]
    weights: Floats
    """Log odds per feature and row. Shape (n, 8)."""


Change = Callable[[_Draw, int, np.random.Generator], _Draw]
"""Changes a window's rows or concept from the number of windows since the onset, negative before it."""


def onset_of(seed: int) -> int:
    """Return the first changed window of a draw."""
    return ONSET + LATER * (seed % 2)


def _unchanged(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    del since, generator
    return draw


def _concept(draw: _Draw, share: float, generator: np.random.Generator) -> _Draw:
    """Give a share of the rows the other concept."""
    is_new = generator.random(len(draw.numbers)) < share
    return replace(draw, weights=np.where(is_new[:, None], np.asarray(CHANGED_WEIGHTS), draw.weights))


def _abrupt(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    return _concept(draw, float(since >= 0), generator)


def _gradual(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    return _concept(draw, min(1.0, max(0.0, (since + 1) / 10)), generator)


def _recurring(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    return _concept(draw, float(max(0, since + RECURRENCE) // RECURRENCE % 2), generator)


def _incremental(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    del generator
    progress = min(1.0, max(0.0, (since + 1) / 16))
    weights = (1 - progress) * np.asarray(WEIGHTS) + progress * np.asarray(CHANGED_WEIGHTS)
    return replace(draw, weights=np.tile(weights, (len(draw.numbers), 1)))


def _virtual(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    del generator
    return replace(draw, numbers=draw.numbers + (since >= 0) * np.array([0, 0, 0, 0, 0, 0, 1.0, -1.0]))


def _covariate(draw: _Draw, since: int, generator: np.random.Generator) -> _Draw:
    del generator
    if since < 0:
        return draw
    shift, scale = np.zeros(8), np.ones(8)
    shift[0], scale[1] = 1.0, 1.5
    return replace(draw, numbers=draw.numbers * scale + shift)


_CHANGES: Mapping[str, Change] = {
    "abrupt": _abrupt,
    "gradual": _gradual,
    "recurring": _recurring,
    "incremental": _incremental,
    "virtual": _virtual,
    "covariate": _covariate,
    "delay 1": _abrupt,
    "delay 10": _abrupt,
    "labels never": _abrupt,
}

CHANGING = frozenset({*_CHANGES, "flipped labels", "broken sensor"})
"""Streams in which something changes."""

_DELAYS: Mapping[str, int | None] = {"delay 1": 1, "delay 10": 10, "labels never": NEVER}

CONCEPT_STREAMS = frozenset(
    {"abrupt", "gradual", "recurring", "incremental", "delay 1", "delay 10", "labels never"}
)

SYNTHETIC = (
    "stationary", "autocorrelated", "abrupt", "gradual", "recurring", "incremental", "virtual", "covariate",
    "delay 1", "delay 10", "labels never", "flipped labels", "broken sensor",
)  # fmt: skip
"""Streams by name; `abrupt` is also the one whose labels have no delay."""


def synthetic(name: str, seed: int) -> Stream:
    """Draw a stream.

    Parameters
    ----------
    name
        One of `SYNTHETIC`.
    seed
        Of the draw; streams of different names and one seed are independent.
    """
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    n_windows = N_HISTORY + N_LIVE
    numbers = _numbers(generator, n_windows * N_ROWS, AUTOCORRELATION if name == "autocorrelated" else 0.0)
    change, delay = _CHANGES.get(name, _unchanged), _DELAYS.get(name, 0)
    onset = onset_of(seed)
    broken = frozenset({onset, onset + 1}) if name == "broken sensor" else frozenset()
    windows = []
    for window in range(n_windows):
        rows = numbers[window * N_ROWS : (window + 1) * N_ROWS]
        regions = generator.choice(len(REGIONS), N_ROWS, p=REGION_SHARES)
        draw = change(_Draw(rows, regions, np.tile(WEIGHTS, (N_ROWS, 1))), window - onset, generator)
        truth = _labels(draw, generator)
        known = truth
        if name == "flipped labels" and window == onset:
            known = np.where(generator.random(N_ROWS) < FLIPPED_SHARE, 1 - truth, truth)
        if window in broken:
            draw = replace(draw, numbers=_stuck(draw.numbers))
        windows.append(_table(window, draw, truth, known, delay if window >= N_HISTORY else 0))
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(windows),
        features=(*(f"x{i}" for i in range(8)), "region"),
        onsets=onsets_of(name, seed),
        is_change_of_concept=name in CONCEPT_STREAMS,
        broken=broken,
        # The split leaves out rows whose label came after the holdout's start: with the delay alone added,
        # nothing would be left to fit on.
        train_window=N_HISTORY + 2 * (delay or 0),
    )


def onsets_of(name: str, seed: int) -> tuple[int, ...]:
    """Return the first windows of a draw's changes."""
    if name == "recurring":
        return tuple(range(onset_of(seed), N_HISTORY + N_LIVE, RECURRENCE))
    return (onset_of(seed),) if name in CHANGING else ()


def _numbers(generator: np.random.Generator, n_rows: int, correlation: float) -> Floats:
    """Draw standard normal features; neighbouring rows correlate (first-order autoregression)."""
    noise = generator.normal(size=(n_rows, len(WEIGHTS)))
    if not correlation:
        return noise
    from scipy.signal import lfilter

    noise[1:] *= np.sqrt(1 - correlation**2)
    return np.asarray(lfilter([1.0], [1.0, -correlation], noise, axis=0), dtype=np.float64)


def _labels(draw: _Draw, generator: np.random.Generator) -> NDArray[np.int64]:
    odds = (draw.numbers * draw.weights).sum(axis=1) + np.asarray(list(REGIONS.values()))[draw.regions]
    return np.asarray(generator.random(len(odds)) < 1 / (1 + np.exp(-odds)), dtype=np.int64)


def _stuck(numbers: Floats) -> Floats:
    stuck = numbers.copy()
    stuck[:, 0] = STUCK_VALUE
    return stuck


def _table(
    window: int, draw: _Draw, truth: NDArray[np.int64], known: NDArray[np.int64], delay: int | None
) -> pa.Table:
    n = len(truth)
    instants = (FIRST_DAY + window) * DAY_US + np.arange(n) * (DAY_US // n)
    is_known = np.full(n, delay is not None)
    names = pa.array(list(REGIONS))
    return pa.table(
        {
            "row_id": pa.array([f"{window:03}-{row:05}" for row in range(n)]),
            "event_timestamp": pa.array(instants, pa.timestamp("us", "UTC")),
            **{f"x{i}": draw.numbers[:, i] for i in range(draw.numbers.shape[1])},
            "region": names.take(pa.array(draw.regions)),
            "label": pa.array(known, mask=~is_known),
            "label_time": pa.array(
                instants + (delay or 0) * DAY_US, pa.timestamp("us", "UTC"), mask=~is_known
            ),
            "truth": truth,
        }
    )
