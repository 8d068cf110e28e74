"""Pictures and tables of an explanation and of the judged rows, for a stage's pages and for model cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from charts import bars, lines
from declaration.target import ProblemType
from declaration.target_sql import REQUEST_PREFIX
from learning.explain.curves import confusion, precision_recall_points, residual_groups
from learning.explain.effects import FeatureEffect
from learning.explain.learning_curve import LearningCurve
from learning.explain.worst_slices import MAX_FINDINGS, SliceError, SliceSearch
from learning.importance import Importance
from learning.metrics import Scored
from learning.proper_score import SCORE_NAMES

N_SHOWN_FEATURES = 20
N_SHOWN_SLICES = 12
N_SHOWN_CLASSES = 12
MAX_BARS = 24
THRESHOLD = 0.5
"""Probability that is called positive where nothing is declared."""

SCORES: Mapping[ProblemType, str] = {
    "binary": "predicted probability",
    "multiclass": "predicted probability",
    "regression": "predicted value",
}


def shown_name(feature: str) -> str:
    """Return a feature's name as it was declared."""
    return feature.removeprefix(REQUEST_PREFIX)


def importances_picture(importances: Mapping[str, Importance], metric: str) -> str:
    """Draw what the metric loses without each of the most important features, with a standard error to either side."""
    ordered = sorted(importances.items(), key=lambda item: (-item[1].loss, item[0]))[:N_SHOWN_FEATURES]
    return bars(
        [(shown_name(name), one.loss) for name, one in ordered],
        title=f"{metric} lost without the feature, and its standard error",
        spread={
            shown_name(name): (one.loss - one.standard_error, one.loss + one.standard_error)
            for name, one in ordered
        },
    )


def effect_pictures(
    effects: Sequence[FeatureEffect], problem: ProblemType, classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Draw how the score moves with each feature: name and picture."""
    for effect in effects:
        name, is_single = shown_name(effect.feature), effect.mean.shape[1] == 1
        names = ["mean"] if is_single else list(classes)
        if effect.labels:
            values = [
                (label if is_single else f"{label}: {one}", score)
                for label, scores in zip(effect.labels, effect.mean.tolist(), strict=True)
                for one, score in zip(names, scores, strict=True)
            ]
            yield name, bars(values[:MAX_BARS], title=name, unit=f"mean {SCORES[problem]}")
            continue
        at = effect.values.tolist()
        curves = zip(names, effect.mean.T.tolist(), strict=True)
        yield (
            name,
            lines(
                {one: list(zip(at, scores, strict=True)) for one, scores in curves},
                title=name,
                x_label=name,
                y_label=SCORES[problem],
                faint=[list(zip(at, line, strict=True)) for line in effect.lines.tolist()],
            ),
        )


def precision_recall_picture(models: Mapping[str, Scored]) -> str:
    """Draw precision over recall; the lowest line anyone gets is the share of positives."""
    curves = {name: precision_recall_points(scored) for name, scored in models.items()}
    first = next(iter(models.values()))
    share = float(first.labels.mean())
    return lines(
        {**curves, f"by chance ({share:.3g})": [(0.0, share), (1.0, share)]},
        title="Precision and recall out of fold",
        x_label="recall: share of positives found",
        y_label="precision",
    )


def residuals_picture(scored: Scored) -> str:
    """Draw the residuals' tenth, fiftieth and ninetieth percentile over the prediction."""
    groups = residual_groups(scored)
    named = {"90 % below": "high", "median": "middle", "10 % below": "low"}
    return lines(
        {name: [(one.predicted, getattr(one, field)) for one in groups] for name, field in named.items()},
        title="Residuals out of fold",
        x_label="predicted value",
        y_label="label less prediction",
    )


def learning_picture(curve: LearningCurve, metric: str) -> str:
    """Draw the metric over the number of learned rows."""
    ends = {"95 % interval, low": "low", "high": "high"}
    return lines(
        {
            metric: [(float(point.n_rows), point.value) for point in curve.points],
            **{
                name: [(float(point.n_rows), getattr(point, end)) for point in curve.points]
                for name, end in ends.items()
            },
        },
        title=f"{metric} on the newest judged rows",
        x_label="rows learned from",
        y_label=metric,
    )


def learning_text(curve: LearningCurve) -> str:
    """Say whether more rows surely helped; why there is no curve where there is none."""
    if curve.obstacle:
        return f"Learning curve {curve.obstacle}."
    before, after = curve.points[-2:]
    return (
        f"From {before.n_rows:,} to {after.n_rows:,} rows: {before.value:.4f} to {after.value:.4f} "
        f"(95 % interval of the last {after.low:.4f} to {after.high:.4f})."
    )


def decided_from(threshold: float | None) -> float:
    """Return the probability from which a row is called positive: the declared one, or one half."""
    return THRESHOLD if threshold is None else threshold


def confusion_rows(
    scored: Scored, problem: ProblemType, classes: Sequence[str], threshold: float | None
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Count labels by predicted class: header and rows, the most frequent classes alone where there are many."""
    if problem == "binary":
        names, predicted = ["0", "1"], (scored.scores >= decided_from(threshold)).astype(np.float64)
    else:
        names, predicted = list(classes), scored.scores.argmax(axis=1).astype(np.float64)
    known = scored.labels < len(names)
    counts = confusion(scored.labels[known], predicted[known], len(names))
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:N_SHOWN_CLASSES])
    header = ["label", *(f"called {names[place]}" for place in shown), "right"]
    rows = [
        [
            names[place],
            *(f"{counts[place, other]:,}" for other in shown),
            f"{counts[place, place] / counts[place].sum():.1%}" if counts[place].sum() else "–",
        ]
        for place in shown
    ]
    return header, rows


SLICE_HEADER = ("slice", "rows", "loss", "all others", "above them (95 % interval)", "p by Holm")


def slice_rows(found: Sequence[SliceError]) -> Sequence[Sequence[str]]:
    """Lay slices out in cells."""
    return [
        [
            " and ".join(shown_name(part) for part in one.slice),
            f"{one.n:,}",
            f"{one.loss:.4g}",
            f"{one.rest:.4g}",
            f"{one.excess:+.4g} ({one.low:.4g} to {one.high:.4g})",
            f"{one.p_value:.2g}",
        ]
        for one in found[:N_SHOWN_SLICES]
    ]


def slices_text(search: SliceSearch, problem: ProblemType) -> str:
    """Say what was sought, and how much was found."""
    if search.obstacle:
        return f"Slices were not sought: {search.obstacle}."
    least = "at least " if len(search.worst) == MAX_FINDINGS else ""
    found = (
        f"{least}{len(search.worst)} surely worse than all other rows"
        if search.worst
        else "none surely worse than all other rows"
    )
    return (
        f"{search.n_tried:,} slices by one column or two were held against all other rows, by their {SCORE_NAMES[problem]}: "
        f"{found} (one-sided, by blocks of time, Holm over all that were tried)."
    )
