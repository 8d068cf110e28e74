"""Formats of times in texts, as strptime writes them: their parts, faults, and pairs that one text fits in two ways."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TWO_DIGITS = "[0-9]{1,2}"

PARTS: Mapping[str, str] = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": TWO_DIGITS,
    "d": TWO_DIGITS,
    "H": TWO_DIGITS,
    "I": TWO_DIGITS,
    "M": TWO_DIGITS,
    "S": TWO_DIGITS,
    "f": "[0-9]{1,6}",
    "p": "[AaPp][Mm]",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]{3,9}",
    "a": "[A-Za-z]{3}",
    "A": "[A-Za-z]{6,9}",
    "z": r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)",
}
"""Parts that a format may have, each with the pattern of its texts; names are English."""

_NUMBERS = frozenset("YymdHIMSf")
_PAIRS = frozenset("ymdHIMS")
"""Parts of two digits, which nothing but their place tells apart."""

_NEEDS: Mapping[str, str] = {
    "I": "p",
    "p": "I",
    "M": "HI",
    "S": "M",
    "f": "S",
    "d": "mbB",
    "H": "d",
    "z": "HI",
}
"""Parts without which another says nothing: any of those named."""


@dataclass(frozen=True)
class TimeFormat:
    """One format.

    Attributes
    ----------
    text
        As it is declared: `%d.%m.%Y`.
    """

    text: str

    @property
    def tokens(self) -> Sequence[str]:
        """Parts with their sign (`%d`), and what stands between them."""
        return re.findall(r"%.|[^%]+|%", self.text, re.DOTALL)

    @property
    def parts(self) -> Sequence[str]:
        """Letters of the parts, in order."""
        return [token[1:] for token in self.tokens if token[0] == "%" and token != "%%"]

    @property
    def has_zone(self) -> bool:
        """Whether it ends with an offset."""
        return self.text.endswith("%z")

    @property
    def weekday(self) -> str | None:
        """The part that names the day of the week, which must be that of the date."""
        return next((f"%{part}" for part in self.parts if part in "aA"), None)

    @property
    def clock(self) -> str:
        """The format without the offset at its end."""
        return self.text.removesuffix("%z").rstrip(" ")

    @property
    def pattern(self) -> str:
        r"""Regular expression of the texts that have the format.

        Examples
        --------
        >>> TimeFormat("%d.%m.%Y").pattern
        '[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{4}'
        >>> TimeFormat("%y%m%d").pattern
        '[0-9]{2}[0-9]{2}[0-9]{2}'
        """
        tokens, written = self.tokens, []
        for place, token in enumerate(tokens):
            part = token[1:]
            if token[0] != "%" or token == "%%":
                written.append(re.escape(token.replace("%%", "%")))
            elif part in _PAIRS and (_is_number(tokens, place - 1) or _is_number(tokens, place + 1)):
                # Without a sign between them only the number of digits tells where a part ends.
                written.append("[0-9]{2}")
            else:
                written.append(PARTS[part])
        return "".join(written)

    @property
    def shape(self) -> Sequence[str]:
        """The format with all parts of two digits alike."""
        return ["%#" if token[0] == "%" and token[1:] in _PAIRS else token for token in self.tokens]

    def faults(self) -> Iterator[str]:
        """Return what is wrong with the format."""
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or "%" in self.tokens:
            yield (
                f"has %{unknown[0] if unknown else ''}, which is none of its parts. "
                f"A format is made of {', '.join(f'%{part}' for part in PARTS)}, and %% for the sign itself."
            )
            return
        twice = sorted({part for part in self.parts if self.parts.count(part) > 1})
        if twice:
            yield f"names %{twice[0]} twice. Name each part once."
        if len({*self.parts} & {"Y", "y"}) != 1:
            yield "names no year, or two. A time needs %Y, of four digits, or %y, of two."
        if len({*self.parts} & {"m", "b", "B"}) > 1 or len({*self.parts} & {"H", "I"}) > 1:
            yield "names the month or the hour twice. Name each part once."
        for part, others in _NEEDS.items():
            if part in self.parts and not {*others} & {*self.parts}:
                needed = " or ".join(f"%{other}" for other in others)
                yield f"has %{part}, which says nothing without {needed}."
        if "z" in self.parts and not self.has_zone:
            yield "has %z amid other parts. An offset stands at the end."


def _is_number(tokens: Sequence[str], place: int) -> bool:
    return 0 <= place < len(tokens) and tokens[place][0] == "%" and tokens[place][1:] in _NUMBERS


def format_faults(formats: Sequence[str]) -> Iterator[str]:
    """Return what is wrong with formats of one list, also with two that one text fits in two ways.

    Examples
    --------
    >>> list(format_faults(["%d.%m.%Y", "%Y-%m-%d %H:%M"]))
    []
    >>> next(format_faults(["%d/%m/%Y", "%m/%d/%Y"]))[:58]
    "has '%d/%m/%Y' and '%m/%d/%Y', and nothing tells which of "
    """
    for text in formats:
        for fault in TimeFormat(text).faults():
            yield f"has {text!r}: it {fault}"
    for place, text in enumerate(formats):
        for other in formats[place + 1 :]:
            if TimeFormat(text).shape == TimeFormat(other).shape:
                yield (
                    f"has {text!r} and {other!r}, and nothing tells which of both a value such as 01/02 is written in. "
                    "Keep one of them; where rows differ, compute the column with `sql`."
                )
