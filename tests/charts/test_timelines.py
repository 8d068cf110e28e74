"""Timelines."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from charts import ChartError, Course, Event, Lane, State, columns_of, timeline

SVG = "{http://www.w3.org/2000/svg}"
MONTHS = columns_of(["May", "June", "July"], ["auc"], links=["./may.html", "", "./july.html"])
NAN = math.nan


def drawn(**parts: object) -> ElementTree.Element:
    return ElementTree.fromstring(timeline(MONTHS, title="auc", **parts))  # type: ignore[arg-type]


def tooltips(picture: ElementTree.Element) -> list[str | None]:
    return [title.text for title in picture.iter(f"{SVG}title")]


def outlines(picture: ElementTree.Element) -> list[str]:
    return [path.get("d", "") for path in picture.iter(f"{SVG}path")]


def test_a_measured_value_alone_keeps_its_whisker_and_an_expected_one_its_band() -> None:
    values, lows, highs = [NAN, 0.7, NAN], [NAN, 0.6, NAN], [NAN, 0.8, NAN]
    measured = drawn(courses=[Course("realised", values, lows, highs)])
    assert tooltips(measured) == ["June: realised 0.7 (0.6 to 0.8)"]
    x = MONTHS.edge(1.5)
    assert any(path.startswith(f"M{x} ") and "V" in path for path in outlines(measured))
    expected = drawn(courses=[Course("estimated", values, lows, highs, is_expected=True)])
    assert any(path.startswith(f"M{x - 3} ") and path.endswith("Z") for path in outlines(expected))
    assert "nan" not in ElementTree.tostring(measured, encoding="unicode")


def test_an_unknown_value_interrupts_the_line() -> None:
    picture = drawn(courses=[Course("realised", [0.7, NAN, 0.8], [NAN] * 3, [NAN] * 3)])
    assert any(path.count("M") == 2 for path in outlines(picture))


def test_a_wide_interval_does_not_flatten_the_values() -> None:
    """Values span 0.1; with 8 % on either side the axis is 0.116 high, and at most as much again is added below."""
    picture = drawn(courses=[Course("mae", [0.5, 0.6, 0.5], [-1_000, 0.5, 0.4], [0.7, 0.7, 0.6])])
    marks = [
        float(text.text or "") for text in picture.iter(f"{SVG}text") if text.get("text-anchor") == "end"
    ]
    assert min(marks) > 0.37


def test_the_guide_is_level_within_equal_columns() -> None:
    course = Course("auc", [0.7] * 3, [NAN] * 3, [NAN] * 3)
    picture = drawn(courses=[course], guide=("holdout", [0.7, 0.7, 0.8]))
    steps = next(
        path for path in outlines(picture) if path.startswith(f"M{MONTHS.edge(0)} ") and path.count("H") == 2
    )
    assert f"H{MONTHS.edge(2)}M{MONTHS.edge(2)} " in steps


def test_events_of_one_position_lie_on_top_of_each_other() -> None:
    picture = drawn(events=[Event(1, "up", "first"), Event(1, "back", "second"), Event(3, "cross", "last")])
    places = [
        path.get("transform") for path in picture.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None
    ]
    assert len(set(places)) == 3
    assert tooltips(picture) == ["first", "second", "last"]
    x = MONTHS.edge(1)
    assert sum(f"translate({x} " in str(place) for place in places) == 2


def test_equal_neighbours_of_a_lane_become_one() -> None:
    first, second = State("v1", "#eee", "version 1"), State("v2", "#ddd", "<version 2>")
    picture = drawn(lanes=[Lane("served by", [first, first, second])])
    assert tooltips(picture) == ["version 1", "<version 2>"]
    widths = [float(rect.get("width", 0)) for rect in picture.iter(f"{SVG}rect")][1:]
    assert widths == [2 * MONTHS.cell - 1, MONTHS.cell - 1]


def test_labels_lead_to_their_pages() -> None:
    picture = drawn()
    assert [link.get("href") for link in picture.iter(f"{SVG}a")] == ["./may.html", "./july.html"]


def test_nothing_measured_says_so() -> None:
    texts = [
        text.text
        for text in drawn(courses=[Course("auc", [NAN] * 3, [NAN] * 3, [NAN] * 3)]).iter(f"{SVG}text")
    ]
    assert "not known in any window" in texts


def test_every_part_has_one_entry_per_column() -> None:
    with pytest.raises(ChartError, match=r"course 'auc' has 2 entries for 3 columns"):
        drawn(courses=[Course("auc", [0.7, 0.7], [NAN] * 3, [NAN] * 3)])
    with pytest.raises(ChartError, match=r"lane 'decision' has 1 entries"):
        drawn(lanes=[Lane("decision", [State("", "#eee")])])
    with pytest.raises(ChartError, match=r"guide 'holdout' has 0 entries"):
        drawn(guide=("holdout", []))
