"""A picture inside a Markdown text, without any file beside it."""

from __future__ import annotations

import base64


def as_markdown_cell(text: str) -> str:
    """Return a text that stands in a Markdown table as it is.

    Examples
    --------
    >>> as_markdown_cell("a | <b>")
    'a &#124; &lt;b&gt;'
    """
    signs = {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "|": "&#124;",
        "`": "&#96;",
        "*": "&#42;",
        "_": "&#95;",
        "[": "&#91;",
        "]": "&#93;",
        "\\": "&#92;",
        "!": "&#33;",
    }
    return " ".join("".join(signs.get(sign, sign) for sign in text).split())


def as_markdown_image(svg: str, alt: str) -> str:
    r"""Return a Markdown image that carries the SVG itself.

    Examples
    --------
    >>> as_markdown_image("<svg/>", "one [picture]")
    '![one \\[picture\\]](data:image/svg+xml;base64,PHN2Zy8+)'
    """
    encoded = base64.b64encode(svg.encode()).decode("ascii")
    label = " ".join(alt.split())
    for character in "\\[]`<>*_":
        label = label.replace(character, "\\" + character)
    return f"![{label}](data:image/svg+xml;base64,{encoded})"
