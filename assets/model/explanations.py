"""Table of explanations in the lake: importances, effects, slices and learning curve of each version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from declaration.lake_table import LakeTable
from learning.explain.effects import FeatureEffect
from learning.explain.explanation import Explanation
from learning.explain.learning_curve import CurvePoint, LearningCurve
from learning.explain.worst_slices import SliceError, SliceSearch
from learning.importance import Importance
from learning.metrics import Floats

if TYPE_CHECKING:
    from resources.lake.lake import Lake

EXPLANATIONS = LakeTable(
    "explanations",
    pa.schema(
        [
            ("version", pa.int32()),
            ("training_partition", pa.string()),
            ("place", pa.int32()),
            ("kind", pa.string()),
            ("name", pa.string()),
            ("label", pa.string()),
            ("series", pa.int32()),
            ("x", pa.float64()),
            ("y", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("n", pa.int64()),
            ("p_value", pa.float64()),
            ("note", pa.string()),
        ]
    ),
)
"""A row per figure, in order of `place`. `kind` says what it is:
`importance`: `name` a feature, `x` its share, `y` what the metric loses without it, `low` and `high` one standard error off;
`effect`: mean score `y` as the feature is `x` (or the category `label`), `series` the number of the class;
`line`: the same of one row, `series` its number;
`slice` and `worst`: mean loss `y` of the `n` rows where `name` (and `label`) holds, `x` that of all others, interval of the
difference, `p_value` by Holm over all slices tried;
`slices`: how many were tried, or why none was;
`learning`: the metric `y` of a model that learned from `n` rows; `curve`: why there are no such rows;
`threshold`: least probability `y` that is called positive, where one is declared;
`centre`: mean part `y` of a feature in an additive model's raw score, `series` the number of the class;
`background`: value `y` in column `x` of the encoded row number `series` that answers are compared with, NULL where missing."""


def explanations_table(explanation: Explanation, version: int, partition: str) -> pa.Table:
    """Lay out an explanation."""
    of_version = {"version": version, "training_partition": partition}
    return EXPLANATIONS.rows(
        {**of_version, "place": place, **row} for place, row in enumerate(_rows(explanation))
    )


def _rows(explanation: Explanation) -> Iterator[Mapping[str, Any]]:
    for name, one in explanation.importances.items():
        low, high = one.loss - one.standard_error, one.loss + one.standard_error
        yield {"kind": "importance", "name": name, "x": one.share, "y": one.loss, "low": low, "high": high}
    for effect in explanation.effects:
        yield from _effect_rows(effect)
    search = explanation.slices
    yield {"kind": "slices", "n": search.n_tried, "note": search.obstacle}
    for kind, found in (("worst", search.worst), ("slice", search.singles)):
        yield from ({"kind": kind, **_slice_row(one)} for one in found)
    curve = explanation.curve
    yield {"kind": "curve", "note": curve.obstacle}
    for point in curve.points:
        yield {"kind": "learning", "n": point.n_rows, "y": point.value, "low": point.low, "high": point.high}
    if explanation.threshold is not None:
        yield {"kind": "threshold", "y": explanation.threshold}
    if explanation.centres is not None:
        for name, means in zip(explanation.importances, explanation.centres, strict=True):
            for series, mean in enumerate(means):
                yield {"kind": "centre", "name": name, "series": series, "y": mean}
    if explanation.background is not None:
        for series, row in enumerate(explanation.background):
            for column, value in enumerate(row):
                known = None if np.isnan(value) else value
                yield {"kind": "background", "series": series, "x": column, "y": known}


def _effect_rows(effect: FeatureEffect) -> Iterator[Mapping[str, Any]]:
    labels = effect.labels or [None] * effect.values.size
    for kind, by_series in (("effect", effect.mean.T), ("line", effect.lines)):
        for series, scores in enumerate(by_series):
            for value, label, score in zip(effect.values, labels, scores, strict=True):
                yield {
                    "kind": kind,
                    "name": effect.feature,
                    "label": label,
                    "series": series,
                    "x": value,
                    "y": score,
                }


def _slice_row(found: SliceError) -> Mapping[str, Any]:
    first, second = (*found.slice, None)[:2]
    return {
        "name": first,
        "label": second,
        "n": found.n,
        "y": found.loss,
        "x": found.rest,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
    }


def read_explanation(table: pa.Table) -> Explanation:
    """Read a version's explanation from its rows."""
    rows = table.sort_by("place").to_pylist()
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    importances = {
        row["name"]: Importance(row["x"], row["y"], row["high"] - row["y"])
        for row in by_kind.get("importance", ())
    }
    sought, curve = by_kind["slices"][0], by_kind["curve"][0]
    return Explanation(
        importances,
        tuple(_effects(by_kind.get("effect", ()), by_kind.get("line", ()))),
        SliceSearch(
            sought["n"],
            tuple(_slice(row) for row in by_kind.get("worst", ())),
            tuple(_slice(row) for row in by_kind.get("slice", ())),
            sought["note"],
        ),
        LearningCurve(
            tuple(
                CurvePoint(row["n"], row["y"], row["low"], row["high"]) for row in by_kind.get("learning", ())
            ),
            curve["note"],
        ),
        _centres(by_kind.get("centre", ()), list(importances)),
        _background(by_kind.get("background", ())),
        next((row["y"] for row in by_kind.get("threshold", ())), None),
    )


def read_version(lake: Lake, pipeline: str, version: int) -> Explanation | None:
    """Read the explanation of a version; None where none was kept."""
    table = EXPLANATIONS.of(pipeline)
    if not lake.has(table) or str(version) not in lake.snapshot(table).partitions:
        return None
    return read_explanation(lake.read(table, partitions=[str(version)]))


def _slice(row: Mapping[str, Any]) -> SliceError:
    words = tuple(word for word in (row["name"], row["label"]) if word is not None)
    return SliceError(words, row["n"], row["y"], row["x"], row["low"], row["high"], row["p_value"])


def _effects(
    means: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]
) -> Iterator[FeatureEffect]:
    for feature in dict.fromkeys(row["name"] for row in means):
        of_it = [row for row in means if row["name"] == feature]
        first = [row for row in of_it if row["series"] == 0]
        labels = tuple(row["label"] for row in first if row["label"] is not None)
        values = np.array([row["x"] for row in first])
        mean = np.array([row["y"] for row in of_it]).reshape(-1, values.size).T
        single = np.array([row["y"] for row in lines if row["name"] == feature]).reshape(-1, values.size)
        yield FeatureEffect(feature, values, labels, mean, single)


def _centres(rows: Sequence[Mapping[str, Any]], features: Sequence[str]) -> Floats | None:
    if not rows:
        return None
    return np.array([row["y"] for row in rows]).reshape(len(features), -1)


def _background(rows: Sequence[Mapping[str, Any]]) -> Floats | None:
    if not rows:
        return None
    values = [np.nan if row["y"] is None else row["y"] for row in rows]
    return np.array(values).reshape(rows[-1]["series"] + 1, -1)
