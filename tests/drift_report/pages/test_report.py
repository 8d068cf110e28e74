"""The page: self-contained, small, and safe with hostile names."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from assets.drift_report.pages.content import PerformancePoint, ReportContent
from assets.drift_report.pages.report import render_html, render_markdown
from declaration.drift import DriftSpec
from drift.columns.verdict import decide_drift
from drift.performance.realised import Measurement
from drift.performance.slices import SlicePerformance
from drift.retraining.policy import RetrainDecision
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

EVIL = '<img src=x onerror="alert(1)">'
PIPE = "a|b\n# not a heading"
VOID = {"meta", "img", "br", "wbr", "col"}


def content(n_features: int = 20, n: int = 4_000) -> ReportContent:
    """Build a report on many drifted columns, some of them with hostile names."""
    draw = np.random.default_rng(0)
    before = {f"feature_{i}": draw.normal(size=n) for i in range(n_features - 2)}
    before |= {EVIL: draw.exponential(size=n), PIPE: draw.choice(np.array(["x", EVIL]), n)}
    now = {name: values + 1 if values.dtype.kind == "f" else values for name, values in before.items()}
    now[PIPE] = np.where(draw.random(n) < 0.2, "</script><script>", now[PIPE])
    with duckdb.connect() as connection:
        connection.register("before", pa.table(before))
        connection.register("now", pa.table(now))
        reference = sketch_reference(connection, "before", list(before))
        current = sketch_window(connection, "now", bins_of(reference))
    importances = {name: 1 / (i + 1) for i, name in enumerate(before)}
    verdict = decide_drift(reference, current, n_current=n, importances=importances, spec=DriftSpec())
    measured = Measurement("roc_auc", n, 0.7, 0.68, 0.72)
    return ReportContent(
        pipeline="flights", partition="2013-07-01", start=datetime(2013, 7, 1, tzinfo=UTC),
        end=datetime(2013, 8, 1, tzinfo=UTC), decided_at=datetime(2013, 8, 1, tzinfo=UTC), model="version 1",
        verdict=verdict, reference=reference, current=current,
        decision=RetrainDecision(True, "drift", f"{EVIL} drifted", "warning"), metric="roc_auc",
        reference_metric=0.72, realised=measured, estimated=Measurement("roc_auc", n, reason="not estimated: why"),
        n_labelled=n, min_rows=500, quality_score=0.98,
        history=[PerformancePoint("2013-06-01", measured, measured)],
    )  # fmt: skip


class Tags(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attrs)
        self.names.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_hostile_names_and_categories_stay_text() -> None:
    page = render_html(content())
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "img", "iframe", "link"} & set(tags.names)
    assert "&lt;img src=x onerror=" in page


def test_the_page_loads_nothing_and_is_small() -> None:
    page = render_html(content())
    outside = set(re.findall(r"https?://[^\s\"'<]+", page)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()
    assert len(page.encode()) < 500_000
    assert len(render_html(content(n_features=60, n=500)).encode()) < 500_000


def test_the_page_says_the_verdict_the_figures_and_what_is_not_known() -> None:
    page = render_html(content())
    assert "Retrain: the inputs have surely drifted" in page
    assert "0.6800 to 0.7200, on 4000 labelled rows" in page
    assert "not estimated: why" in page
    assert "KS distance 0." in page


def test_every_column_has_its_row_by_importance_times_strength() -> None:
    made = content()
    page = render_html(made)
    assert made.verdict is not None
    assert page.count('class="tag') == len(made.verdict.columns) == 20
    shown = re.findall(r'class="name">feature_<wbr>(\d+)<', page)
    assert shown[:3] == ["0", "1", "2"]


def test_what_likely_drifted_and_what_cannot_be_judged_has_its_word_and_colour() -> None:
    made = content()
    assert made.verdict is not None
    first, second, *others = made.verdict.columns
    finding = replace(first.findings[0], effect=0.12, lower_bound=0.01, is_likely=True)
    likely = replace(first, status="likely", findings=(finding,))
    unjudged = replace(second, status="cannot be judged", reason="the reference's partitions differ by 0.90")
    verdict = replace(made.verdict, columns=(likely, unjudged, *others))
    page = render_html(replace(made, verdict=verdict))
    assert '<tr class="likely">' in page
    assert '<span class="tag wait">likely</span>' in page
    assert '<span class="tag mute">cannot be judged</span>' in page
    assert "KS distance 0.12, surely at least 0.01" in page
    assert "cannot be judged: the reference&#39;s partitions differ by 0.90" in page
    assert "1 more likely did; 1 cannot be judged" in page
    drawn = [one.column for one in replace(made, verdict=verdict).moved]
    assert drawn == [*(one.column for one in others if one.status == "drifted"), likely.column]
    rows = [
        line for line in render_markdown(replace(made, verdict=verdict)).splitlines() if line.startswith("|")
    ]
    assert "| likely |" in rows[-1]


def test_without_a_champion_the_page_says_so() -> None:
    unknown = Measurement("roc_auc", 0, reason="no model has scored this partition")
    page = render_html(
        replace(
            content(), model="", verdict=None, reference={}, current={}, realised=unknown, estimated=unknown, history=[],
            reference_metric=None, quality_score=None, decision=RetrainDecision(True, "no_champion", "x", "warning"),
        )
    )  # fmt: skip
    assert "Train the first model" in page
    assert "no model has scored this partition" in page
    assert "no champion yet" in page


def test_markdown_cells_hold_hostile_names() -> None:
    text = render_markdown(content())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 22
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 8 for row in rows)
    assert "<img" not in text
    assert "data:image/svg+xml;base64," in text


@pytest.mark.parametrize("n", [1, 2, 40])
def test_tiny_windows_are_drawn(n: int) -> None:
    draw = np.random.default_rng(0)
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"x": draw.normal(size=n), "c": ["a"] * n, "k": np.full(n, 3.0)}))
        reference = sketch_reference(connection, "t", ["x", "c", "k"])
    from assets.drift_report.pages.pictures import mini_picture, picture

    for name, entry in reference.items():
        assert picture(name, entry, entry.total, width=420).startswith("<svg")
        assert mini_picture(entry, entry.total).startswith("<svg")


def test_the_share_of_classes_never_seen_stands_beside_the_metric_and_its_slices() -> None:
    measured = Measurement("accuracy", 400, 0.6, 0.5, 0.7, n_unseen=150)
    few = Measurement("accuracy", 4, reason="4 labelled rows", n_unseen=1)
    slices = [SlicePerformance("kind", "a", measured), SlicePerformance("kind", "b", few)]
    page = render_html(replace(content(), realised=measured, slices=slices))
    assert "0.5000 to 0.7000, on 4000 labelled rows; 37.5 % of classes never seen" in page
    assert ">0.5000 to 0.7000; 37.5 % of classes never seen</td>" in page
    assert ">4 labelled rows; 25.0 % of classes never seen</td>" in page
