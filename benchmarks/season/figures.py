"""Figures over many windows: false alarms, and what became of each fault's column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.season.faults import FAULTS, planted
from benchmarks.season.windows import Bench
from drift.columns.verdict import DriftVerdict

RULES = ("alone", "related")


@dataclass
class Figures:
    """Counts of windows by rule.

    Attributes
    ----------
    n_clean
        Windows without a fault.
    alarms
        Those in which any column drifted, by rule.
    unjudged
        Share of columns that could not be judged, of each window without a fault.
    outcomes
        Status of the faulty column by rule and fault.
    calm
        Windows without a fault that were called stable, by rule.
    moved
        Columns that drifted in windows without a fault, with the kinds of their findings.
    by_bench
        Whether each fault's column was named, by reference and rule.
    """

    n_clean: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    unjudged: list[float] = field(default_factory=list)
    calm: Counter[str] = field(default_factory=Counter)
    outcomes: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    moved: Counter[str] = field(default_factory=Counter)
    by_bench: list[dict[str, list[bool]]] = field(default_factory=list)

    @property
    def n_faulty(self) -> int:
        """Count the windows with a fault."""
        return sum(counts.total() for (rule, _), counts in self.outcomes.items() if rule == "related")

    def spread(self, rule: str) -> float:
        """Return the deviation of the share of named columns over the references."""
        shares = [float(np.mean(bench[rule])) for bench in self.by_bench if bench[rule]]
        return float(np.std(shares, ddof=1)) if len(shares) > 1 else 0.0

    def named(self, rule: str, fault: str) -> float:
        """Return the share of windows in which the fault's column was named."""
        counts = self.outcomes.get((rule, fault), Counter())
        return counts["drifted"] / max(1, counts.total())

    def mean_named(self, rule: str) -> float:
        """Return the mean share over the faults."""
        return float(np.mean([self.named(rule, fault) for fault in FAULTS]))

    def left_stable(self, rule: str) -> float:
        """Return the share of faults whose column was called stable, of those that were not named."""
        counts = Counter[str]()
        for fault in FAULTS:
            counts += self.outcomes.get((rule, fault), Counter())
        missed = counts.total() - counts["drifted"]
        return counts["stable"] / missed if missed else 0.0

    def false_alarms(self, rule: str) -> float:
        """Return the share of windows without a fault in which a column drifted."""
        return self.alarms[rule] / max(1, self.n_clean)


def measure(
    benches: Iterable[tuple[Bench, Sequence[int], Sequence[int]]], seed: int, faults: Sequence[str] = FAULTS
) -> Figures:
    """Judge windows without a fault, and with each fault in one column.

    Parameters
    ----------
    benches
        References, the windows that are judged without a fault, and those in which faults are planted.
    seed
        Of the columns chosen, and of what is drawn.
    faults
        Which are planted.
    """
    figures, draw = Figures(), np.random.default_rng(seed)
    for bench, clean, faulty in benches:
        figures.by_bench.append({rule: [] for rule in RULES})
        for partition in clean:
            _clean(figures, bench, partition)
        names = list(bench.series.columns)
        # One column has no neighbour to be swapped with.
        planted_here = [fault for fault in faults if fault != "swap" or len(names) > 1]
        for partition in faulty:
            for fault in planted_here:
                column, neighbour = (
                    names[place % len(names)] for place in draw.permutation(max(2, len(names)))[:2]
                )
                own, other = bench.window(partition, column), bench.window(partition, neighbour)
                changed = {column: planted(fault, own, bench.spreads[column], other, draw)}
                if fault == "swap":
                    changed[neighbour] = own
                _faulty(figures, bench, partition, fault, changed)
    return figures


def _clean(figures: Figures, bench: Bench, partition: int) -> None:
    judged = bench.judge(partition, {})
    figures.n_clean += 1
    for rule, verdict in _verdicts(judged).items():
        figures.alarms[rule] += bool(verdict.drifted())
        figures.calm[rule] += verdict.status == "stable"
    columns = judged.related.columns
    figures.unjudged.append(sum(column.status == "cannot be judged" for column in columns) / len(columns))
    for column in judged.related.drifted():
        figures.moved[f"{column.column} by {', '.join(sign.kind for sign in column.certain)}"] += 1


def _faulty(
    figures: Figures, bench: Bench, partition: int, fault: str, changed: Mapping[str, np.ndarray]
) -> None:
    judged = bench.judge(partition, dict(changed))
    for rule, verdict in _verdicts(judged).items():
        statuses = [column.status for column in verdict.columns if column.column in changed]
        loudest = next(
            (status for status in ("drifted", "likely", "cannot be judged") if status in statuses),
            statuses[0],
        )
        figures.outcomes.setdefault((rule, fault), Counter())[loudest] += 1
        figures.by_bench[-1][rule].append(loudest == "drifted")


def _verdicts(judged: object) -> dict[str, DriftVerdict]:
    return {rule: getattr(judged, rule) for rule in RULES}
