"""The templates of the HTML pages: self-contained, and every value escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

LIFE_PAGE = "index.html"
"""File name of the page of a life, beside the pages of its windows."""


@cache
def page_template(name: str) -> jinja2.Template:
    """Return a template of this folder; names it does not know are errors."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
