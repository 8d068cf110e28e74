"""Windows of a series judged by the product: reference sketched once, one column changed by each fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.season.series import Series
from declaration.drift import DriftSpec
from drift.columns.verdict import DriftVerdict, decide_drift
from drift.season.verdict import judge_season, relate_reference, relate_window
from drift.sketch.counts import WindowSketch
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

Vector = NDArray[np.float64]
Cadence = Literal["month", "week", "day"]

DAY_S = 86_400.0


def partitions_of(series: Series, cadence: Cadence) -> NDArray[np.int64]:
    """Return the number of each row's partition."""
    if cadence == "month":
        months = series.instants.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        return np.asarray(months - months[0])
    length = DAY_S if cadence == "day" else 7 * DAY_S
    return np.asarray(np.floor((series.instants - series.instants[0]) / length), dtype=np.int64)


@dataclass(frozen=True)
class Judged:
    """A verdict on one window by the two rules: with the relations of its columns, and each column by itself."""

    alone: DriftVerdict
    related: DriftVerdict


class Bench:
    """A reference of some partitions, and windows that are held against it."""

    def __init__(
        self, series: Series, partitions: NDArray[np.int64], reference: Sequence[int], spec: DriftSpec
    ) -> None:
        self.series, self.partitions, self.spec = series, partitions, spec
        self.connection = duckdb.connect(config={"threads": 1})
        is_reference = np.isin(partitions, reference)
        # Names sort as partitions follow each other.
        parts = pa.array([f"{part:04d}" for part in partitions[is_reference]])
        self._register("reference", is_reference, {}, parts)
        names = list(series.columns)
        self.sketch = sketch_reference(self.connection, "reference", names, part_column="part")
        self.relations = relate_reference(
            self.connection, "reference", self.sketch, names, time_column="instant", part_column="part"
        )
        self.spreads = {
            name: float(np.nanstd(values[is_reference])) for name, values in series.columns.items()
        }
        self._clean: dict[int, WindowSketch] = {}

    def judge(self, partition: int, changed: dict[str, Vector]) -> Judged:
        """Judge a window with some columns changed."""
        is_window = self.partitions == partition
        self._register("clean", is_window, {})
        self._register("changed", is_window, changed)
        bins = bins_of(self.sketch)
        if partition not in self._clean:
            self._clean[partition] = dict(sketch_window(self.connection, "clean", bins))
        own = sketch_window(self.connection, "changed", {name: bins[name] for name in changed})
        counts = {**self._clean[partition], **own}
        alone = decide_drift(
            self.sketch,
            counts,
            n_current=int(is_window.sum()),
            importances={},
            spec=self.spec,
            has_model=False,
        )
        related = judge_season(
            alone,
            self.sketch,
            counts,
            relate_window(self.connection, "changed", self.relations, time_column="instant"),
            self.spec,
        )
        return Judged(alone, related)

    def window(self, partition: int, column: str) -> Vector:
        """Return a column's values in a window."""
        return np.asarray(self.series.columns[column][self.partitions == partition])

    def _register(
        self, name: str, is_own: NDArray[np.bool_], changed: dict[str, Vector], parts: pa.Array | None = None
    ) -> None:
        instants = pa.array(
            (self.series.instants[is_own] * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")
        )
        columns = {
            column: pa.array(changed.get(column, values[is_own]), from_pandas=True)
            for column, values in self.series.columns.items()
        }
        table = pa.table({"instant": instants, **columns, **({} if parts is None else {"part": parts})})
        self.connection.register(name, table)
