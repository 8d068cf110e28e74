"""Faults that show only later: labels that cannot be learned from, keys, and values that pages must escape."""

from pathlib import Path

import pytest

from declaration.errors import DriftlineError
from tests.inputs.case import Refused
from tests.inputs.downstream import ROWS_PER_DAY, Journey, Strange

NAMED = "target of 'strange', partition 2024-01-01"

REFUSED = [
    (
        "model",
        Strange(
            "NaN for labels",
            "y",
            lambda n, y: "nan" if n % 7 == 0 else y,
            {"label": "y", "problem": "regression"},
        ),
        Refused("TrainingError", "NaN or infinite", "pipeline 'strange'", "Make target.label NULL"),
    ),
    (
        "model",
        Strange(
            "infinite labels",
            "y",
            lambda n, y: "inf" if n % 7 == 0 else y,
            {"label": "y", "problem": "regression"},
        ),
        Refused("TrainingError", "NaN or infinite", "pipeline 'strange'", "Make target.label NULL"),
    ),
    (
        "model",
        Strange("two classes that are not 0 and 1", target={"label": "CASE WHEN y > 0 THEN 2 ELSE 1 END"}),
        Refused(
            "TrainingError",
            "binary labels are 0 and 1",
            "pipeline 'strange'",
            "Make target.label a condition",
        ),
    ),
    (
        "labels",
        Strange("labels known before the prediction", target={"label_time": "t - INTERVAL 1 HOUR"}),
        Refused("LabelError", "200 labels are known before", NAMED, "Correct `prediction_time`"),
    ),
    (
        "labels",
        Strange(
            "labels without a time", target={"label_time": "CASE WHEN x > 0 THEN t + INTERVAL 1 HOUR END"}
        ),
        Refused("LabelError", "have a label and no label_time", NAMED, "correct `label_time`"),
    ),
    (
        "labels",
        Strange("predictions without a time", target={"prediction_time": "CASE WHEN x > 0 THEN t END"}),
        Refused("LabelError", "have no prediction_time", NAMED, "Exclude them with `where`"),
    ),
    (
        "labels",
        Strange("keys that stand twice", "id", lambda n, _: n // 2),
        Refused("LabelError", r"100 keys \(id\) stand for more than one row", NAMED, "Add columns to `key`"),
    ),
    (
        "labels",
        Strange("two rows without a key", "id", lambda n, _: "" if n < 2 else n),
        Refused("LabelError", r"1 keys \(id\)", NAMED, "Add columns to `key`"),
    ),
]


@pytest.mark.parametrize(
    ("stage", "strange", "expected"), REFUSED, ids=[str(strange) for _, strange, _ in REFUSED]
)
def test_what_cannot_be_learned_from_is_refused(
    stage: str, strange: Strange, expected: Refused, tmp_path: Path
) -> None:
    journey = Journey.of(strange, tmp_path)
    with pytest.raises(DriftlineError, match=expected.what) as raised:
        journey.run(stage)
    raised.match(expected.where)
    raised.match(expected.how)
    assert type(raised.value).__name__ == expected.error
    assert stage not in journey.reached
    assert not journey.has(stage)


WAITS = [
    (Strange("no label at all", "y", lambda *_: ""), "no labelled rows"),
    (
        Strange(
            "labels known in a thousand years", target={"label_time": "TIMESTAMPTZ '9999-12-31 00:00+00'"}
        ),
        "no labelled rows",
    ),
    (Strange("a condition that no row meets", target={"where": "x > 1000"}), "no labelled rows"),
    (Strange("one class", "y", lambda *_: 5), "all 392 labelled rows have the label 1"),
    (
        Strange("one value to predict", "y", lambda *_: 5, {"label": "y", "problem": "regression"}),
        "all 392 labelled rows have the label 5",
    ),
    (
        Strange("a class for every row", target={"label": "concat('k', id)", "problem": "multiclass"}),
        "392 labelled rows have 392 labels: most come once",
    ),
]


@pytest.mark.parametrize(("strange", "needed"), WAITS, ids=[str(strange) for strange, _ in WAITS])
def test_what_more_labels_would_repair_is_waited_for(strange: Strange, needed: str, tmp_path: Path) -> None:
    journey = Journey.of(strange, tmp_path)
    journey.run("model")
    said = str(journey.reached["model"].metadata["gate_explanation"])
    assert said.startswith("waits for labels: ")
    assert needed in said
    assert not journey.has("model")


WORKS = [
    Strange("keys that come again the next day", "id", lambda n, _: n % ROWS_PER_DAY),
    Strange("a class of two rows", "y", lambda n, _: 5 if n in (3, 310) else -5),
    Strange("a row without a key", "id", lambda n, _: "" if n == 5 else n),
    Strange("entities without a key", "who", lambda n, who: "" if n % 5 == 0 else who),
    Strange("no entity at all", "who", lambda *_: ""),
    Strange("HTML for entities", "who", lambda n, _: f"<script>alert({n % 5})</script>"),
    Strange("infinities and NaN", "x", lambda n, x: ["inf", "-inf", "nan", x][n % 4]),
    Strange("the largest numbers", "x", lambda n, _: 1.7e308 * (-1) ** n),
    Strange("the smallest numbers", "x", lambda n, _: 5e-324 * (n % 3)),
    Strange("nothing but NULL", "x", lambda *_: ""),
    Strange("one value", "x", lambda *_: 3),
    Strange("categories of 10,000 letters", "kind", lambda n, _: "é" * 10_000 + str(n % 3)),
    Strange("a category for every row", "kind", lambda n, _: f"u{n}"),
    Strange("a category that is new on the second day", "kind", lambda n, _: "" if n < ROWS_PER_DAY else "z"),
    Strange("control characters", "kind", lambda n, _: ["a\nb", "a\x00b", "\u202e"][n % 3]),
]


@pytest.mark.parametrize("strange", WORKS, ids=str)
def test_what_is_only_strange_is_learned_from(strange: Strange, tmp_path: Path) -> None:
    journey = Journey.of(strange, tmp_path)
    journey.run("training_set")
    assert journey.reached["training_set"].metadata["n_rows"] == 2 * ROWS_PER_DAY - 8  # known an hour later


def test_markup_in_values_stays_text_on_every_page(tmp_path: Path) -> None:
    texts = ["<img src=x onerror=alert(1)>", "a|b", "`x` **b** [l](javascript:x)"]
    journey = Journey.of(Strange("markup", "kind", lambda n, _: texts[n % 3]), tmp_path)
    journey.run("model")
    pages = [page for outcome in journey.reached.values() for page in outcome.markdown.values()]
    assert len(pages) > 5
    for page in pages:
        assert "<img" not in page
        assert "](javascript:" not in page
    profile = journey.reached["profiled"].markdown["profile"]
    assert "&lt;img src=x onerror=alert(1)&gt;" in profile
    assert "a&#124;b" in profile
