"""Fill a template: the one place where values become SVG text, always escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

PALETTE = ("#2b6cb0", "#d1603d", "#3a7d44", "#8e5572", "#b7791f", "#4a5568")
"""Line colours: distinct in hue and in lightness, so that they survive colour blindness and printing."""

REFERENCE_COLOUR = "#9aa5b1"
CURRENT_COLOUR = "#2b6cb0"
HIGHLIGHT_COLOUR = "#d1603d"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def draw(template: str, *, title: str, width: float, height: float, **values: object) -> str:
    """Render one SVG picture; all values are escaped."""
    return (
        _environment()
        .get_template(template)
        .render(title=title, width=round(width), height=round(height), **values)
    )
