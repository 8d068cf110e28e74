"""A preview as a page: self-contained HTML, every value escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from pipelines.preview.findings import Preview


def page(preview: Preview) -> str:
    """Write a preview as one HTML file that needs no other."""
    return _template().render(preview=preview)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = lambda share: "" if share is None else f"{share:.1%}"
    return environment.get_template("page.html.j2")
