"""Calibration curves: axes that end where the bins do, dots by rows."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from charts import Calibrated, calibration

SVG = "{http://www.w3.org/2000/svg}"


def test_a_point_on_the_diagonal_is_drawn_there_and_the_axes_fit_rare_events() -> None:
    bins = [Calibrated(0.01, 0.01, 0.005, 0.02, 900), Calibrated(0.1, 0.1, 0.05, 0.15, 100)]
    picture = ElementTree.fromstring(calibration([], bins, title="<b>"))
    first, second = picture.iter(f"{SVG}circle")
    diagonal = next(p.get("d") for p in picture.iter(f"{SVG}path") if p.get("stroke-dasharray"))
    assert diagonal is not None
    left, bottom, right, top = (float(part) for part in re.findall(r"[\d.]+", diagonal))
    for dot, share in ((first, 0.01 / 0.11), (second, 0.1 / 0.11)):
        assert abs(float(dot.get("cx") or 0) - (left + share * (right - left))) < 0.1
        assert abs(float(dot.get("cy") or 0) - (bottom + share * (top - bottom))) < 0.1
    assert (first.get("r"), second.get("r")) == ("6.0", "2.0")
    assert picture.get("aria-label") == "<b>"


def test_nothing_to_draw_is_a_picture_without_curves() -> None:
    picture = ElementTree.fromstring(calibration([], [], title="nothing"))
    assert not list(picture.iter(f"{SVG}circle"))
