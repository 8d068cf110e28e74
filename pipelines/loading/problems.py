"""Problems of a declaration: the place of each, and the nearest thing that would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]
"""Way from the top of a declaration's attributes to one value: keys, and positions in lists."""


NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Names of pipelines: they become asset keys, paths and tables."""


MAX_MESSAGE = 1_000
"""Characters of a message that are shown."""

KEPT_END = 300
"""Characters at its end that stay when it is shortened."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, at one place of a declaration.

    Attributes
    ----------
    path
        The place. Its line is looked up when the message is written.
    text
        What is wrong, what is allowed, and how to repair it.
    file, line
        Set where the fault stands in another file, such as a query.
    """

    path: KeyPath
    text: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Check:
    """One question about a declaration, and the places that its answer depends on.

    Attributes
    ----------
    reads
        Places whose whole content matters.
    faults
        The answer.
    names
        Blocks of which only the keys matter, not what stands below them.
    """

    reads: Sequence[KeyPath]
    faults: Callable[[], Iterator[Fault]]
    names: Sequence[KeyPath] = ()


def label(path: KeyPath) -> str:
    """Write a path as a person would.

    Examples
    --------
    >>> label(("datasets", "flights", "key", 0))
    'datasets.flights.key[0]'
    >>> label(())
    'attributes'
    >>> label(("attributes", "drift"))
    'drift'
    """
    path = path[1:] if path[:1] == ("attributes",) else path
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "attributes"


def tidy(text: str) -> str:
    r"""Write a message in one printable line: what it quotes comes from outside, and may be long or hold anything.

    Examples
    --------
    >>> tidy("label is 'a\n\x1b[31mb', but")
    "label is 'a \\x1b[31mb', but"
    """
    line = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in " ".join(text.split())
    )
    left_out = len(line) - MAX_MESSAGE
    if left_out <= 0:
        return line
    # Its beginning says where and what, its end how to repair it.
    return f"{line[: MAX_MESSAGE - KEPT_END]} … ({left_out:,} characters left out) … {line[-KEPT_END:]}"


def choices(value: object, allowed: Iterable[str], *, intro: str = "Allowed") -> str:
    """List what is allowed, and name the nearest to what was written.

    Examples
    --------
    >>> choices("treshold", ["threshold", "method"])
    "Allowed: threshold, method. Did you mean 'threshold'?"
    """
    options = list(dict.fromkeys(allowed))
    if not options:
        return f"{intro}: nothing."
    return f"{intro}: {', '.join(options)}.{hint(value, options)}"


def hint(value: object, allowed: Iterable[str]) -> str:
    """Name the nearest to what was written, if any is near.

    Examples
    --------
    >>> hint("Europe/Berln", ["Europe/Berlin", "UTC"])
    " Did you mean 'Europe/Berlin'?"
    """
    by_spelling = {option.lower(): option for option in allowed}
    near = get_close_matches(str(value).lower(), by_spelling, n=1, cutoff=0.6)
    return f" Did you mean '{by_spelling[near[0]]}'?" if near and by_spelling[near[0]] != value else ""


def repeats(path: KeyPath, values: Sequence[str]) -> Iterator[Fault]:
    """Find values that a list names twice."""
    for position, value in enumerate(values):
        if value in values[:position]:
            yield Fault((*path, position), f"{label(path)} names '{value}' twice.")


def unknown_columns(path: KeyPath, names: Sequence[str], columns: Collection[str]) -> Iterator[Fault]:
    """Find names that are not among some columns."""
    for position, name in enumerate(names):
        if name not in columns:
            text = (
                f"{label(path)} names the unknown column '{name}'. {choices(name, columns, intro='Columns')}"
            )
            yield Fault((*path, position), text)
