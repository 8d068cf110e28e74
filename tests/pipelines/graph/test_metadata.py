"""The metadata of a materialization begins with the verdict, has no empty rows, and is rounded for people."""

import pytest

from assets.materialization import Outcome
from pipelines.graph.metadata import EXACT, event_metadata, verdict_of
from resources.reports import Reports

OUTCOME = Outcome(
    "v1",
    metadata={
        "retrain_requested": False,
        "headline": "Nothing asks for training.",
        "explanation": "No feature drifted.",
        "quality_score": 0.97309206,
        "unknown": None,
        "note": "",
        "n_rows": 28135,
        "writes": "p/drift_report@3",
        "report": "/srv/reports/p/2013-12-01.html",
    },
    markdown={"summary": "# Nothing", "empty": ""},
    tables={"none": [], "some": [{"mean": 0.123456789, "at": object}]},
)


def test_metadata_begins_with_the_verdict_and_ends_with_what_programs_read() -> None:
    address = Reports(folder="/srv/reports").address
    shown = event_metadata("drift_report", OUTCOME, cpu_s=0.12345, columns={}, address=address)
    assert list(shown) == [
        "verdict", "report", "summary", "quality_score", "n_rows", "cpu_s", "some",
        "retrain_requested", "writes", EXACT,
    ]  # fmt: skip
    assert shown["verdict"] == "Nothing asks for training. No feature drifted."
    assert shown["report"].value == "/reports/p/2013-12-01.html"  # type: ignore[union-attr]
    assert (shown["quality_score"], shown["cpu_s"], shown["retrain_requested"]) == (0.9731, 0.123, False)
    assert shown[EXACT].value == {  # type: ignore[union-attr]
        "quality_score": 0.97309206,
        "report": "/srv/reports/p/2013-12-01.html",
    }
    (row,) = shown["some"].records  # type: ignore[union-attr]
    assert row.data["mean"] == 0.1235


def test_a_wide_table_opens_in_a_window_and_a_narrow_one_is_seen_at_once() -> None:
    cells = " | ".join(["a long cell of a table"] * 4)
    pages = {
        "wide": f"| a | b | c | d |\n|---|---|---|---|\n| {cells} |",
        "narrow": "| a |\n|---|\n| 1 |",
        "text": cells,
    }
    shown = event_metadata("model", Outcome("v1", markdown=pages), cpu_s=0.1, columns={}, address=str)
    texts = {name: str(shown[name].value) for name in pages}  # type: ignore[union-attr]
    # Dagster's web UI shows what is shorter than a thousand letters within its table, which cuts it off.
    assert {name: len(text) >= 1_000 for name, text in texts.items()} == {
        "wide": True,
        "narrow": False,
        "text": False,
    }
    assert {name: text.rstrip() for name, text in texts.items()} == pages


@pytest.mark.parametrize(
    ("stage", "facts", "expected"),
    [
        ("labels", {}, ""),
        ("elsewhere", {"n_rows": 1}, ""),
        ("training_set", {"n_rows": 0, "n_features": 0, "n_partitions": 0, "note": "No labels yet."},
         "0 rows × 0 features of 0 partitions; No labels yet."),
        ("model", {"gate_explanation": "roc_auc higher by 0.01.", "champion_version": 3, "model_version": 4},
         "Version 4 trained; version 3 serves; roc_auc higher by 0.01."),
    ],
)  # fmt: skip
def test_a_verdict_says_what_is_known(stage: str, facts: dict[str, object], expected: str) -> None:
    assert verdict_of(stage, facts) == expected
