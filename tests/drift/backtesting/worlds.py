"""Small histories: a logistic world whose weights may turn, with labels that may come late."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from drift.backtesting.history import INSTANT, History

DAY_US = 86_400_000_000
N_FEATURES = 4


def world(
    seed: int,
    *,
    n_windows: int,
    n_rows: int = 200,
    n_history: int = 4,
    angle: Callable[[int], float] = lambda _: 0.0,
    delay_us: int = 0,
    scale: float = 2.0,
) -> History:
    """Draw windows of a day; the weights are turned by an angle in each of them."""
    generator = np.random.default_rng(seed)
    windows = []
    for window in range(n_windows):
        features = generator.normal(size=(n_rows, N_FEATURES))
        turned = np.array([np.cos(angle(window)), np.sin(angle(window)), 0.0, 0.0])
        chances = 1 / (1 + np.exp(-scale * features @ turned))
        instants = window * DAY_US + np.arange(n_rows) * (DAY_US // n_rows)
        windows.append(
            pa.table(
                {
                    "row_id": [f"{window}-{row}" for row in range(n_rows)],
                    "event_timestamp": pa.array(instants, INSTANT),
                    **{f"x{place}": features[:, place] for place in range(N_FEATURES)},
                    "label": (generator.random(n_rows) < chances).astype(np.int8),
                    "label_time": pa.array(instants + delay_us, INSTANT),
                }
            )
        )
    return History(
        windows=tuple(windows),
        starts_us=tuple(window * DAY_US for window in range(n_windows + 1)),
        features=tuple(f"x{place}" for place in range(N_FEATURES)),
        problem="binary",
        n_history=n_history,
    )
