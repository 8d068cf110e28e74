"""The page of a life: self-contained, small, safe with hostile names, and linked with its windows' pages."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from assets.drift_report.pages.history import (
    ColumnState,
    HistoryWindow,
    Judgement,
    ModelHistory,
    ServingVersion,
    courses,
)
from assets.drift_report.pages.history_page import _judgement_entry, render_model_history
from assets.drift_report.pages.history_pictures import _event
from drift.performance.realised import Measurement
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from tests.drift_report.pages.test_report import EVIL, Tags

START = datetime(2013, 1, 1, tzinfo=UTC)


def window(number: int, **changed: object) -> HistoryWindow:
    start = START + timedelta(days=number)
    measured = Measurement("roc_auc", 2_000, 0.7 + 0.001 * number, 0.68, 0.74)
    return replace(
        HistoryWindow(
            partition=f"{start:%Y-%m-%d}", start=start, end=start + timedelta(days=1), model_version=1 + number // 10,
            n_rows=2_000, n_labelled=2_000, drift_status="drifted", drift_score=0.4, n_drifted=3,
            reference_metric=0.72, realised=measured, estimated=measured, quality_score=0.98,
            is_retrain_requested=number % 10 == 9, reason="drift", severity="warning",
            explanation=f"{EVIL} drifted, and so did a dozen other features, strongest and most important first.",
            page=f"{start:%Y-%m-%d}.html",
        ),
        **changed,
    )  # fmt: skip


def history(n_features: int = 20, n_windows: int = 30, n_earlier: int = 0) -> ModelHistory:
    """Build a life in which every cell has a value of its own, with hostile names."""
    draw = np.random.default_rng(0)
    names = [f"feature_{i}" for i in range(n_features - 2)] + [EVIL, "</title></svg>"]
    windows = tuple(window(number) for number in range(n_windows))
    states = [
        ColumnState(one.partition, name, "feature", "stable", 1 / (i + 1), float(draw.random()), 0.1)
        for one in windows
        for i, name in enumerate(names)
    ]
    judgements = tuple(
        Judgement(
            one.end,
            one.partition,
            "gate",
            action,
            2 + i,
            2 if i == 0 else None,
            "drift",
            f"{EVIL} was not surely better",
        )
        for i, (one, action) in enumerate(zip(windows[9::10], ("promoted", "kept", EVIL), strict=False))
    )
    sketched = names[-20:]
    rows = {name: draw.normal(size=500) for name in sketched}
    with duckdb.connect() as connection:
        connection.register("rows", pa.table(rows))
        reference = sketch_reference(connection, "rows", sketched)
        current = sketch_window(connection, "rows", bins_of(reference))
    return ModelHistory(
        pipeline=f"flights {EVIL}",
        written_at=START,
        windows=windows,
        n_earlier=n_earlier,
        judgements=judgements,
        serving=ServingVersion(2, EVIL, windows[0].partition, judgements[0], 20) if judgements else None,
        columns=courses(states, [one.partition for one in windows]),
        reference=reference,
        current=current,
    )


def test_hostile_names_stay_text_and_every_tag_closes() -> None:
    page = render_model_history(history())
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "img", "iframe", "link"} & set(tags.names)
    assert "&lt;img src=x onerror=" in page
    assert page.count("</title>") == page.count("<title>")


def test_the_page_is_small_and_loads_nothing_at_any_age() -> None:
    for made in (
        history(),
        history(n_windows=60, n_earlier=5_000),
        history(n_features=60, n_windows=60),
        history(n_features=200, n_windows=60),
    ):
        page = render_model_history(made)
        assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
        assert len(page.encode()) < 500_000


def test_links_are_relative_and_lead_to_the_windows_pages() -> None:
    page = render_model_history(history(n_windows=12))
    links = {link for link in re.findall(r'href="([^"]*)"', page) if not link.startswith(("#", "data:"))}
    assert links == {"../index.html", *(f"./2013-01-{day:02d}.html" for day in range(1, 13))}


def test_terms_lead_to_the_glossary_of_the_page() -> None:
    page = render_model_history(history(n_windows=12))
    anchors = set(re.findall(r'href="#([^"]*)"', page))
    assert {"champion", "drift-score", "realised"} <= anchors <= set(re.findall(r'<dt id="([^"]*)"', page))


def test_a_narrow_screen_sees_the_newest_windows_and_columns_in_pictures_of_its_width() -> None:
    page = render_model_history(history(n_features=30, n_windows=40))
    narrow = re.findall(r'<div class="scroll narrow">(<svg.*?</svg>)', page, re.DOTALL)
    assert [re.findall(r'viewBox="0 0 (\d+) ', svg)[0] for svg in narrow] == ["354", "354"]
    assert all("2013-01-28" not in svg and "2013-01-29" in svg and "2013-02-09" in svg for svg in narrow)
    assert "wider screen shows 40" in page


def test_downloads_hold_every_window_and_decision() -> None:
    page = render_model_history(history(n_windows=12))
    addresses = re.findall(r'download="([^"]*)" href="data:[^"]*base64,([^"]*)"', page)
    files = {name: base64.b64decode(content).decode() for name, content in addresses}
    assert set(files) == {f"flights-img-src-x-onerror-alert-1-history{end}" for end in
                          (".json", "-windows.csv", "-columns.csv", "-ledger.csv")}  # fmt: skip
    every = json.loads(next(content for name, content in files.items() if name.endswith(".json")))
    assert [one["partition"] for one in every["windows"]] == [f"2013-01-{day:02d}" for day in range(1, 13)]
    assert every["windows"][3]["realised"] == pytest.approx(0.703)
    windows = next(content for name, content in files.items() if name.endswith("windows.csv"))
    assert len(list(csv.DictReader(io.StringIO(windows)))) == 12


def test_a_hostile_page_name_is_no_address() -> None:
    made = history(n_windows=12)
    odd = replace(made, windows=(*made.windows[:-1], replace(made.newest, page='javascript:alert("1")')))
    assert 'href="./javascript%3Aalert%28%221%22%29"' in render_model_history(odd)


def test_the_log_holds_reports_and_judgements_newest_first() -> None:
    page = render_model_history(history(n_windows=12))
    log = page[page.index("Decision log") :]
    assert re.findall(r"after (2013-01-\d\d)|>(2013-01-\d\d)</a>", log)[:3] == [
        ("", "2013-01-12"), ("", "2013-01-11"), ("2013-01-10", ""),
    ]  # fmt: skip
    assert "version 2 was trained and serves from then on" in log
    assert "Asked for: Retrain: the inputs have surely drifted" in log


def test_the_champion_its_age_and_what_is_not_drawn_are_said() -> None:
    page = render_model_history(history(n_windows=60, n_earlier=940))
    assert "version 2 serves" in page
    assert "<b>20 windows</b>" in page
    assert "<b>1,000</b>" in page
    assert "940 earlier ones" in page


def test_the_newest_known_performance_is_shown_with_its_window() -> None:
    made = history(n_windows=12)
    unknown = Measurement("roc_auc", 0, reason="0 labelled rows")
    page = render_model_history(
        replace(made, windows=(*made.windows[:-1], replace(made.newest, realised=unknown)))
    )
    assert "0.68 to 0.74, in 2013-01-11" in page


def test_a_window_of_another_metric_is_a_gap_in_the_course() -> None:
    made = history(n_windows=12)
    other = Measurement("accuracy", 2_000, 0.9, 0.8, 0.95)
    page = render_model_history(
        replace(made, windows=(replace(made.windows[0], realised=other, estimated=other), *made.windows[1:]))
    )
    wide = page[page.index('<div class="scroll wide">') : page.index('<div class="scroll narrow">')]
    assert wide.count("<title>2013-01-02: realised") == 1
    assert "<title>2013-01-01: realised" not in page


def test_without_a_model_yet_the_page_says_so() -> None:
    unknown = Measurement("roc_auc", 0)
    first = window(0, model_version=None, drift_status=None, drift_score=None, realised=unknown, estimated=unknown, reason="no_champion")  # fmt: skip
    page = render_model_history(ModelHistory("flights", START, (first,), 0))
    assert "flights: no model serves yet" in page
    assert "not known in any window" in page
    assert "Columns in" not in page


def test_a_pipeline_without_a_target_shows_drift_and_no_performance() -> None:
    made = history(n_windows=12)
    nothing = Measurement("", 0)
    windows = tuple(
        replace(one, realised=nothing, estimated=nothing, model_version=None, reason="watched_drift")
        for one in made.windows
    )
    page = render_model_history(replace(made, windows=windows, judgements=(), serving=None))
    assert "watched over 12 windows" in page
    assert "Drift: the data has surely moved" in page
    for word in ("served by", "Champion", "importance", "realised", "roc_auc"):
        assert word not in page


def test_features_that_likely_drifted_are_counted_apart() -> None:
    made = history(n_windows=12)
    likely = replace(made.newest, n_drifted=2, n_likely=1)
    page = render_model_history(replace(made, windows=(*made.windows[:-1], likely)))
    assert "2 features drifted, 1 likely in" in page
    assert '<td class="n rest" data-label="drifted">2 + 1 likely</td>' in page


def test_an_explanation_that_begins_with_the_headline_says_it_once() -> None:
    made = history(n_windows=12)
    lead = "9 of 90 labelled rows have a class that the model never saw. No training is asked for."
    told = "9 of 90 labelled rows have a class that the model never saw. No feature drifted."
    calm = replace(made.newest, reason="none", headline=lead, explanation=told)
    page = render_model_history(replace(made, windows=(*made.windows[:-1], calm)))
    assert f'<b>{lead}</b><div class="why">No feature drifted.</div>' in page


def test_a_window_of_an_earlier_release_leads_with_its_reason() -> None:
    made = history(n_windows=12)
    page = render_model_history(
        replace(made, windows=(*made.windows[:-1], replace(made.newest, reason="performance", headline="")))
    )
    assert "<b>Retrain: the champion has surely lost performance.</b>" in page


def test_the_lane_names_each_kind_of_decision_that_occurred() -> None:
    kinds = {
        "none": "nothing asked", "cooldown": "training held back", "schedule": "training asked for",
        "performance": "performance lost, training asked for", "broken_data": "blocked: broken data",
    }  # fmt: skip
    windows = tuple(
        window(number, reason=reason, severity="info", is_retrain_requested=kind.endswith("asked for"))
        for number, (reason, kind) in enumerate(kinds.items())
    )
    page = render_model_history(ModelHistory("flights", START, windows, 0))
    legend = re.findall(r"</svg>([^<]+) <", page[page.index("Decisions:") : page.index("by window")])
    assert set(legend) == set(kinds.values())
    for number, kind in enumerate(kinds.values()):
        assert f"<title>2013-01-{number + 1:02d}: {kind}. " in page


def test_moves_of_a_person_are_no_trainings_and_say_who() -> None:
    life = history(n_features=3, n_windows=4)
    when = life.windows[2]
    moves = tuple(
        Judgement(when.end, when.partition, "Eva", action, 2, 2, "June was wrong", "June was wrong")
        for action in ("promoted", "archived", "reproduced")
    )
    assert not any(move.is_training for move in moves)
    headlines = [_judgement_entry(move).headline for move in moves]
    assert headlines == [
        "version 2 was chosen and serves from then on by Eva",
        "version 2 was archived by Eva",
        "version 2 was rebuilt from its training set by Eva",
    ]
    assert [_event(life, move) is not None for move in moves] == [True, False, False]
