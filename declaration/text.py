"""Foreign text in messages: one line, without control characters, of bounded length."""

from __future__ import annotations

import unicodedata

_UNSPOKEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's control characters, lone surrogates, and separators of lines and paragraphs."""


MAX_LENGTH = 300
"""Characters of a foreign text that a message repeats."""


def one_line(text: str, most: int = MAX_LENGTH) -> str:
    r"""Make one line of a text from outside: line breaks and control characters become spaces, and a long one is cut.

    Examples
    --------
    >>> one_line("wind\r\nBcc: someone"), one_line("abcdef", 4)
    ('wind Bcc: someone', 'abc…')
    """
    # What is cut away need not be cleaned: a text may be a whole file.
    spoken = "".join(" " if unicodedata.category(sign) in _UNSPOKEN else sign for sign in text[: 4 * most])
    line = " ".join(spoken.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
