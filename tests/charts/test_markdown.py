"""Pictures in Markdown."""

from __future__ import annotations

import base64

from charts import as_markdown_image, bars


def test_the_picture_travels_inside_the_text() -> None:
    svg = bars([("é", 1.0)], title="t")
    text = as_markdown_image(svg, "bars")
    encoded = text.removeprefix("![bars](data:image/svg+xml;base64,").removesuffix(")")
    assert base64.b64decode(encoded).decode() == svg


def test_a_description_from_outside_cannot_leave_its_brackets() -> None:
    text = as_markdown_image("<svg/>", "x](http://evil) <img>\n")
    assert text.startswith("![x\\](http://evil) \\<img\\>](data:")
