"""Style that all HTML pages share: light and dark, wide and narrow, screen and paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from charts.colours import dark_rules
from charts.drawing import environment


def page_style(colours: Mapping[str, str] | None = None) -> Markup:
    """Return the style rules of a page, its pictures included.

    Parameters
    ----------
    colours
        Dark colour by colour, of what the page adds to the pictures' own.
    """
    rules = Markup(dark_rules(colours))
    template = environment(Path(__file__).parent / "templates").get_template("page.css.j2")
    return Markup(template.render(dark_rules=rules))
