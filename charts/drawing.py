"""Fill a template: the one place where values become SVG or HTML, always escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2


@cache
def environment(folder: Path) -> jinja2.Environment:
    """Return the templates of a folder: every value is escaped, and a name that is not given is an error.

    It is the same object each time: a filter that one page adds is known to the other pages of its folder.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def draw(template: str, *, title: str, width: float, height: float, **values: object) -> str:
    """Render one SVG picture; all values are escaped."""
    return (
        environment(Path(__file__).parent / "templates")
        .get_template(template)
        .render(title=title, width=round(width), height=round(height), **values)
    )
