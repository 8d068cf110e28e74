"""An answer for programs, as JSON, and for people, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftline.predict.explained import Explained
from serving.predictor import Prediction

FROM_ROW = "request"
"""Status of a feature that is computed from the row itself."""

MAX_SHOWN = 20
"""Rows that people are shown; programs get all."""


@dataclass(frozen=True)
class FeatureSeen:
    """One feature of one row: its value, what it is, and how old; None where it has no age."""

    name: str
    value: Any
    status: str
    age: timedelta | None


def features_seen(answer: Prediction) -> Iterator[tuple[FeatureSeen, ...]]:
    """Give each row's features, in the order of the training set's columns."""
    served = answer.features
    names = served.table.column_names
    ages = {view: served.ages[view].to_pylist() for view in served.ages.column_names}
    status = {name: served.status[name].to_pylist() for name in served.status.column_names}
    values = {name: served.table[name].to_pylist() for name in names}
    for row in range(answer.scores.num_rows):
        yield tuple(
            FeatureSeen(name, values[name][row], status[name][row], ages[name.partition("__")[0]][row])
            if name in status
            else FeatureSeen(name, values[name][row], FROM_ROW, None)
            for name in names
        )


def as_plain(
    pipeline: str, answer: Prediction, rows: pa.Table, explained: Sequence[Explained] = ()
) -> Mapping[str, Any]:
    """Return an answer as JSON values: for each row what was given, the prediction, each feature, and what moved it."""
    plain_rows, scores = rows.to_pylist(), answer.scores.to_pylist()
    explanations: Sequence[Explained | None] = explained or [None] * len(scores)
    return {
        "pipeline": pipeline,
        "now": answer.features.now.isoformat(),
        "model_version": answer.model_version,
        "rows": [
            {
                "given": {name: _plain(value) for name, value in row.items()},
                "prediction": {name: _plain(value) for name, value in score.items()},
                "features": {
                    feature.name: {
                        "value": _plain(feature.value),
                        "status": feature.status,
                        "age_seconds": None if feature.age is None else feature.age.total_seconds(),
                    }
                    for feature in seen
                },
                "explanation": None if parts is None else parts.as_plain(),
            }
            for row, score, seen, parts in zip(
                plain_rows, scores, features_seen(answer), explanations, strict=True
            )
        ],
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: what it does not know becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        # JSON has no NaN and no infinity.
        return value if value - value == 0 else str(value)
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def show(
    pipeline: str,
    answer: Prediction,
    rows: pa.Table,
    keys: tuple[str, ...],
    console: Console,
    explained: Sequence[Explained] = (),
) -> None:
    """Print one table a row; values are untrusted, and shown as they are."""
    served = f"model version {answer.model_version}, as of {answer.features.now.isoformat()}"
    console.print(Text(f"{pipeline}: {answer.scores.num_rows} rows, {served}", style="bold"))
    explanations: Sequence[Explained | None] = explained or [None] * rows.num_rows
    shown = zip(
        rows.slice(0, MAX_SHOWN).to_pylist(), answer.scores.slice(0, MAX_SHOWN).to_pylist(), features_seen(answer),
        explanations, strict=False,
    )  # fmt: skip
    for row, score, seen, parts in shown:
        title = ", ".join(f"{key} = {row[key]}" for key in keys)
        table = Table("feature", "value", "status", "age", title=Text(title), title_justify="left")
        for feature in seen:
            style = "yellow" if feature.status in ("expired", "not_found") else ""
            table.add_row(*(Text(text) for text in _cells(feature)), style=style)
        console.print(table)
        console.print(
            Text("  ".join(_score_text(name, value) for name, value in score.items()), style="bold")
        )
        if parts is not None:
            console.print(Text(parts.text()))
    if answer.scores.num_rows > MAX_SHOWN:
        console.print(f"… and {answer.scores.num_rows - MAX_SHOWN:,} more rows: --json prints all.")


def _score_text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return f"{name} {', '.join(f'{part:.4f}' for part in value)}"
    return f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"


def _cells(feature: FeatureSeen) -> tuple[str, str, str, str]:
    value = (
        ""
        if feature.value is None
        else f"{feature.value:.6g}"
        if isinstance(feature.value, float)
        else str(feature.value)
    )
    age = "" if feature.age is None else str(timedelta(seconds=round(feature.age.total_seconds())))
    return feature.name, value, feature.status, age
