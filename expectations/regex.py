"""Regular expressions that mean the same in Great Expectations (Python's `re`) and in the engine (RE2)."""

from __future__ import annotations

import re
import warnings

_WHITESPACE = r"\t-\r\x1c-\x20\x85\p{Z}"
_CLASSES = {"d": r"\p{Nd}", "w": r"\p{L}\p{N}_", "s": _WHITESPACE}
"""Python's classes know all of Unicode, RE2's only ASCII: spell them out."""

_SAME_ESCAPES = set("tnrfv.^$*+?{}[]|()/\\-&~# '\"@%,:;=<>!`_")
_UNSHARED = re.compile(
    r"\(\?(?![:)]|P<[A-Za-z_]\w*>|i\))"  # lookaround, atomic groups, conditionals, other flags
    r"|[*+?}]\+"  # possessive quantifiers
    r"|\{,"  # {,n} is a literal in RE2
    r"|\[:"  # [:alpha:] is a class in RE2 only
    r"|\[\]|\[\^\]"  # a leading ] is a literal in both, but our reader would end the class
)
MOST_REPEATS = 1000
"""RE2 refuses larger counts."""


def portable_regex(pattern: str) -> str | None:
    r"""Translate a Python regular expression to RE2, or None where RE2 cannot mean the same.

    Such rules are evaluated by Great Expectations on pandas, and cannot route rows.

    Examples
    --------
    >>> print(portable_regex(r"^N\d+$"))
    ^N[\p{Nd}]+(?:\n?\z)
    >>> portable_regex(r"a(?=b)") is None
    True
    """
    if not is_regex(pattern) or _UNSHARED.search(re.sub(r"\\.", "  ", pattern, flags=re.DOTALL)):
        return None
    if any(int(count) > MOST_REPEATS for count in re.findall(r"\{(?:\d+,)?(\d+)", pattern)):
        return None
    return _translate(pattern)


def is_regex(pattern: str) -> bool:
    """Tell whether Python can compile the expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarning: 'possible nested set'
            re.compile(pattern)
    except re.error:
        return False
    return True


def _translate(pattern: str) -> str | None:
    translated: list[str] = []
    in_class = False
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            escape = _escape(pattern[position + 1], in_class=in_class)
            if escape is None:
                return None
            translated.append(escape)
            position += 2
            continue
        if character == "$" and not in_class:
            translated.append(r"(?:\n?\z)")  # Python's $ also matches before a last newline
        else:
            translated.append(character)
        in_class = (in_class and character != "]") or (not in_class and character == "[")
        position += 1
    return "".join(translated)


def _escape(letter: str, *, in_class: bool) -> str | None:
    if letter in _CLASSES:
        return _CLASSES[letter] if in_class else f"[{_CLASSES[letter]}]"
    if letter.lower() in _CLASSES:
        return None if in_class else f"[^{_CLASSES[letter.lower()]}]"
    if in_class:
        return "\\" + letter if letter in _SAME_ESCAPES else None
    anchors = {"A": r"\A", "Z": r"\z"}
    return anchors.get(letter) or ("\\" + letter if letter in _SAME_ESCAPES else None)
