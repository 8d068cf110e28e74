"""The templates of the HTML pages: self-contained, and every value escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from charts.drawing import environment

if TYPE_CHECKING:
    import jinja2

HISTORY_PAGE = "index.html"
"""File name of the page of a life, beside the pages of its windows."""


def page_template(name: str) -> jinja2.Template:
    """Return a template of this folder; names it does not know are errors."""
    return environment(Path(__file__).parent).get_template(name)
