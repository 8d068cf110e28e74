"""The templates of the HTML pages: self-contained, and every value escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.pages.glossary import TERMS, anchor_of
from assets.drift_report.pages.wording import TAGS
from charts.drawing import environment

if TYPE_CHECKING:
    import jinja2


def page_template(name: str) -> jinja2.Template:
    """Return a template of this folder; names it does not know are errors."""
    templates = environment(Path(__file__).parent)
    templates.globals |= {"terms": TERMS, "tags": TAGS}
    templates.filters["anchor"] = anchor_of
    return templates.get_template(name)
