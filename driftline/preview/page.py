"""A preview as a page: self-contained HTML, every value escaped."""

from __future__ import annotations

from pathlib import Path

from charts import page_style
from charts.drawing import environment
from driftline.preview.findings import Preview


def page(preview: Preview) -> str:
    """Write a preview as one HTML file that needs no other."""
    templates = environment(Path(__file__).parent)
    templates.filters["share"] = lambda share: "" if share is None else f"{share:.1%}"
    return templates.get_template("page.html.j2").render(preview=preview, style=page_style())
