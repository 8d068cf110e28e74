"""Seasonal tables: a generator, and real series of packages that are installed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

HOURS_A_DAY, HOURS_A_WEEK, HOURS_A_YEAR = 24, 168, 8_766
START = datetime(2021, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Series:
    """Columns over time.

    Attributes
    ----------
    name
        Of the data.
    instants
        Seconds since 1970, increasing. Shape (n_rows,).
    columns
        Values by column; NaN where missing.
    """

    name: str
    instants: Vector
    columns: dict[str, Vector]


@dataclass(frozen=True)
class Nature:
    """Nature of a generated table.

    Attributes
    ----------
    year_to_year
        Deviation by which a column's mean differs from one year to the next, in its standard deviations: most of
        it years that come and go, the rest a trend.
    has_season, has_factors
        Whether there are cycles, and factors that columns share.
    """

    name: str = "seasonal"
    year_to_year: float = 0.1
    has_season: bool = True
    has_factors: bool = True


def generated(nature: Nature, seed: int, *, n_columns: int = 20, n_years: int = 3) -> Series:
    """Draw hourly columns with yearly, daily and weekly cycles, shared and own noise, and five shapes."""
    draw = np.random.default_rng(seed)
    n = n_years * HOURS_A_YEAR
    hours = np.arange(n, dtype=np.float64)
    factors = np.stack([_autoregressive(draw, n, memory) for memory in (12, 48, 120)])
    columns: dict[str, Vector] = {}
    for index in range(n_columns):
        latent = _latent(draw, nature, hours, factors)
        yearly = draw.normal(0, 0.61 * nature.year_to_year, n_years)[(hours // HOURS_A_YEAR).astype(np.intp)]
        trend = draw.normal(0, 0.5 * nature.year_to_year) * hours / HOURS_A_YEAR
        shaped = _shape(index % 5, latent + latent.std() * (yearly + trend))
        offset = draw.uniform(0, 3) * draw.integers(0, 2) * shaped.std()
        columns[f"c{index:02d}"] = np.asarray((offset + shaped) * float(np.exp(draw.uniform(0, 1.5))))
    return Series(nature.name, START.timestamp() + hours * 3600.0, columns)


def _autoregressive(draw: np.random.Generator, n: int, memory: float) -> Vector:
    """Draw an AR(1) of variance 1 that forgets within so many hours."""
    from scipy.signal import lfilter

    keep = float(np.exp(-1 / memory))
    steps = draw.normal(0, np.sqrt(1 - keep**2), n)
    steps[0] = draw.normal()
    return np.asarray(lfilter([1.0], [1.0, -keep], steps))


def _latent(draw: np.random.Generator, nature: Nature, hours: Vector, factors: Vector) -> Vector:
    own = _autoregressive(draw, len(hours), draw.uniform(2, 24)) * draw.uniform(0.3, 0.7)
    latent = own
    if nature.has_factors:
        latent = latent + draw.normal(0, 0.45, len(factors)) @ factors
    if nature.has_season:
        for period, low, high in (
            (HOURS_A_YEAR, 0.3, 1.3),
            (HOURS_A_DAY, 0.1, 0.7),
            (HOURS_A_WEEK, 0.0, 0.3),
        ):
            angle = 2 * np.pi * hours / period + draw.uniform(0, 2 * np.pi)
            latent = latent + draw.uniform(low, high) * np.cos(angle)
    return np.asarray(latent)


def _shape(kind: int, latent: Vector) -> Vector:
    """Give a latent series the shape of a normal, skewed, zero-inflated, bounded or counted column."""
    if kind == 0:
        return latent
    if kind == 1:
        return np.exp(0.7 * latent)
    if kind == 2:
        return np.maximum(latent - 0.3, 0.0)
    if kind == 3:
        return 1 / (1 + np.exp(-1.5 * latent))
    return np.round(4 * np.exp(0.5 * latent))
