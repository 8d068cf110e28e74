"""Colours on dark pages: every colour that a picture can have is exchanged there, and stays legible."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import charts
from assets.drift_report.pages.history_pictures import DARK_COLOURS, DECISION_COLOURS, VERSION_COLOURS
from charts.colours import DARK, DARK_DEEP, DARK_PALE, DEEP, INK_ON_DEEP, N_COLOURS, PALE, dark_rules, mixed
from charts.heatmaps import DARK_FROM, colour_of

COLOUR = re.compile(r"#[0-9a-f]{6}\b")


def luminance(colour: str) -> float:
    """Return the relative luminance, WCAG 2.1."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, WCAG 2.1."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_colour_of_the_pictures_has_its_dark_one() -> None:
    folder = Path(charts.__file__).parent
    sources = [*folder.glob("*.py"), *folder.glob("templates/*.svg.j2")]
    used = {
        colour for path in sources if path.name != "colours.py" for colour in COLOUR.findall(path.read_text())
    }
    steps = {mixed(index / N_COLOURS) for index in range(N_COLOURS + 1)}
    assert used <= set(DARK) | steps
    assert {*DECISION_COLOURS.values(), *VERSION_COLOURS} == set(DARK_COLOURS)


def test_every_value_of_a_scale_has_its_dark_colour() -> None:
    rules = dark_rules()
    assert all(f'[fill="{colour_of(value)}"]' in rules for value in np.linspace(0, 1, 333).tolist())


def test_text_is_legible_on_both_grounds() -> None:
    for ink in ("#1a202c", "#4a5568"):
        assert contrast(ink, "#ffffff") > 4.5
        assert contrast(DARK[ink], DARK["#ffffff"]) > 4.5
    for colour in DARK_COLOURS:
        assert contrast("#1a202c", colour) > 4.5
        assert contrast(DARK["#1a202c"], DARK_COLOURS[colour]) > 3
    for index in range(N_COLOURS + 1):
        share = index / N_COLOURS
        ink = INK_ON_DEEP if share > DARK_FROM else "#1a202c"
        assert contrast(ink, mixed(share, PALE, DEEP)) > 3
        assert contrast(DARK[ink], mixed(share, DARK_PALE, DARK_DEEP)) > 3
