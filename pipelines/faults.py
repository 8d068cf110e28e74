"""What is wrong with a declaration: where it stands, and the nearest thing that would be right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]
"""Way from the top of a declaration's attributes to one value: keys, and positions in lists."""


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
    """One question about a declaration, and the places that its answer depends on."""

    reads: Sequence[KeyPath]
    faults: Callable[[], Iterator[Fault]]


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
    near = get_close_matches(str(value).lower(), options, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near and near[0] != value else ""
    return f"{intro}: {', '.join(options)}.{hint}"


def repeats(path: KeyPath, values: Sequence[str]) -> Iterator[Fault]:
    """Find values that a list names twice."""
    for position, value in enumerate(values):
        if value in values[:position]:
            yield Fault((*path, position), f"{label(path)} names '{value}' twice.")


def unknown_columns(path: KeyPath, names: Sequence[str], columns: Collection[str]) -> Iterator[Fault]:
    """Find names that are not among some columns."""
    for position, name in enumerate(names):
        if name not in columns:
            text = f"{label(path)} names the unknown column '{name}'. {choices(name, columns, intro='Columns')}"
            yield Fault((*path, position), text)
