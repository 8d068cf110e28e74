"""Lines."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from charts import lines

SVG = "{http://www.w3.org/2000/svg}"


def test_an_unknown_value_interrupts_the_line() -> None:
    svg = lines({"auc": [(0, 0.7), (1, 0.7), (2, math.nan), (3, 0.7)]}, title="t", x_label="x", y_label="y")
    paths = [path.get("d", "") for path in ElementTree.fromstring(svg).iter(f"{SVG}path")]
    curve = next(path for path in paths if "L" in path)
    assert curve.count("M") == 2
    assert "nan" not in svg


def test_a_roc_curve_has_its_diagonal() -> None:
    svg = lines({"roc": [(0, 0), (1, 1)]}, title="t", x_label="x", y_label="y", diagonal=True)
    assert "stroke-dasharray" in svg


def test_nothing_to_draw_says_so() -> None:
    assert "nothing to draw yet" in lines({"auc": []}, title="t", x_label="x", y_label="y")
