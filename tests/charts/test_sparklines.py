"""Sparklines: gaps where nothing is known, the newest value with a dot."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from charts import sparkline

SVG = "{http://www.w3.org/2000/svg}"


def test_unknown_values_are_gaps_and_the_newest_known_one_has_the_dot() -> None:
    nan = math.nan
    picture = ElementTree.fromstring(sparkline([0.0, 1.0, nan, 0.5, nan], title="a<b", bounds=(0, 1)))
    paths = [path.get("d") or "" for path in picture.iter(f"{SVG}path")]
    assert [path.count("M") for path in paths] == [2]
    dots = [(dot.get("cx"), dot.get("cy")) for dot in picture.iter(f"{SVG}circle")]
    # 150 wide with margins of 5: five windows are 35 apart; 34 high.
    assert dots == [("110.0", "17.0"), ("110.0", "17.0")]
    assert picture.findtext(f"{SVG}title") == "a<b: 3 windows, last 0.5"


def test_nothing_known_draws_nothing() -> None:
    assert sparkline([math.nan], title="x") == ""
