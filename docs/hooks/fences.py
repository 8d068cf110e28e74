"""What the site's builder changes of the pages: it knows no `skip`, and shows a block that has one as running text."""

from __future__ import annotations

import re

_SKIP = re.compile(r'^(```\w+[^\n]*?) skip="[^"\n]*"', re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Take from fenced blocks the note for the tests that says why they do not run it.

    Examples
    --------
    >>> on_page_markdown('```bash title="terminal" skip="needs a server"')
    '```bash title="terminal"'
    """
    return _SKIP.sub(r"\1", markdown)
