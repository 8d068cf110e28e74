"""An answer as JSON and as tables: every feature with its value, status and age; no value becomes markup."""

import io
import json
import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from rich.console import Console

from driftline.predict.report import MAX_SHOWN, as_plain, show
from serving.predictor import Prediction, ServedFeatures

NOW = datetime(2024, 1, 4, tzinfo=UTC)
ROWS = pa.table({"machine": ["[red]m0", None], "heat": [0.5, 1.5]})


def answer(n_times: int = 1) -> Prediction:
    table = {
        "recent__mean": [math.inf, None],
        "recent__seen": pa.array([NOW, None], pa.timestamp("us", tz="UTC")),
        "request__heat": [0.5, 1.5],
    }
    served = ServedFeatures(
        pa.concat_tables([pa.table(table)] * n_times),
        pa.concat_tables(
            [pa.table({"recent__mean": ["present", "not_found"], "recent__seen": ["present", "not_found"]})]
            * n_times
        ),
        pa.concat_tables(
            [pa.table({"recent": pa.array([timedelta(hours=30), None], pa.duration("us"))})] * n_times
        ),
        NOW,
    )
    scores = pa.table({"scores": [[0.25, 0.75], [1.0, 0.0]], "prediction": ["late", "on [b]time"]})
    return Prediction(pa.concat_tables([scores] * n_times), 3, served)


def test_json_has_every_value_and_no_constant_of_its_own() -> None:
    text = json.dumps(as_plain("tiny", answer(), ROWS), allow_nan=False)
    assert json.loads(text) == {
        "pipeline": "tiny",
        "now": "2024-01-04T00:00:00+00:00",
        "model_version": 3,
        "rows": [
            {
                "given": {"machine": "[red]m0", "heat": 0.5},
                "prediction": {"scores": [0.25, 0.75], "prediction": "late"},
                "features": {
                    "recent__mean": {"value": "inf", "status": "present", "age_seconds": 108_000.0},
                    "recent__seen": {"value": "2024-01-04T00:00:00+00:00", "status": "present", "age_seconds": 108_000.0},
                    "request__heat": {"value": 0.5, "status": "request", "age_seconds": None},
                },
                "explanation": None,
            },
            {
                "given": {"machine": None, "heat": 1.5},
                "prediction": {"scores": [1.0, 0.0], "prediction": "on [b]time"},
                "features": {
                    "recent__mean": {"value": None, "status": "not_found", "age_seconds": None},
                    "recent__seen": {"value": None, "status": "not_found", "age_seconds": None},
                    "request__heat": {"value": 1.5, "status": "request", "age_seconds": None},
                },
                "explanation": None,
            },
        ],
    }  # fmt: skip


def shown(n_times: int = 1) -> str:
    console = Console(file=io.StringIO(), width=120)
    show("tiny", answer(n_times), pa.concat_tables([ROWS] * n_times), ("machine",), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_people_see_values_as_they_are() -> None:
    text = shown()
    assert "machine = [red]m0" in text
    assert "prediction on [b]time" in text
    assert "1 day, 6:00:00" in text
    assert "tiny: 2 rows, model version 3, as of 2024-01-04T00:00:00+00:00" in text


def test_people_see_the_first_rows_and_how_many_more_there_are() -> None:
    assert shown(MAX_SHOWN).count("machine = ") == MAX_SHOWN
    assert f"and {MAX_SHOWN} more rows" in shown(MAX_SHOWN)
