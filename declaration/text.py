"""Foreign text in messages: one line, without control characters, of bounded length."""

from __future__ import annotations

import re
import unicodedata

_UNSPOKEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode's control characters, lone surrogates, and separators of lines and paragraphs."""


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Colours of terminals, which libraries put into their messages."""

MAX_LENGTH = 300
"""Characters of a foreign text that a message repeats."""


def one_line(text: str, most: int = MAX_LENGTH) -> str:
    r"""Make one line of a text from outside: line breaks and control characters become spaces, and a long one is cut.

    Examples
    --------
    >>> one_line("wind\r\nBcc: someone"), one_line("abcdef", 4), one_line("\x1b[31mred\x1b[0m")
    ('wind Bcc: someone', 'abc…', 'red')
    """
    # What is cut away need not be cleaned: a text may be a whole file.
    plain = _COLOUR.sub("", text[: 4 * most])
    spoken = "".join(" " if unicodedata.category(sign) in _UNSPOKEN else sign for sign in plain)
    line = " ".join(spoken.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
