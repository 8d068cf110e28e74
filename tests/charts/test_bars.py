"""Bars."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from charts import ChartError, bar_pairs, bars

SVG = "{http://www.w3.org/2000/svg}"


def rects(svg: str) -> list[ElementTree.Element]:
    """Return the bars of a picture, without its background."""
    root = ElementTree.fromstring(svg)
    return [element for group in root.iter(f"{SVG}g") for element in group.iter(f"{SVG}rect")]


def test_the_longest_bar_is_the_greatest_value() -> None:
    widths = [float(rect.get("width", "nan")) for rect in rects(bars([("a", 1.0), ("b", 4.0)], title="t"))]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)


def test_negative_values_point_to_the_left() -> None:
    left, right = rects(bars([("down", -1.0), ("up", 1.0)], title="t"))
    assert float(left.get("x", "nan")) + float(left.get("width", "nan")) == pytest.approx(
        float(right.get("x", "nan"))
    )


def test_names_from_outside_are_escaped() -> None:
    svg = bars([("<script>alert(1)</script>", 1.0)], title='a "title" & more', unit="<b>")
    assert "<script" not in svg
    assert "<b>" not in svg
    texts = [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "<script>alert(1)</script>" in texts


def test_no_values_give_an_empty_picture() -> None:
    assert rects(bars([], title="nothing")) == []


def test_pairs_of_different_length_are_refused() -> None:
    with pytest.raises(ChartError, match="2 categories, 1 reference and 2 current shares"):
        bar_pairs(["a", "b"], [1.0], [0.5, 0.5], title="t")


def test_pairs_draw_two_bars_per_category() -> None:
    assert len(rects(bar_pairs(["a", "b"], [0.2, 0.8], [0.5, 0.5], title="t"))) == 4
