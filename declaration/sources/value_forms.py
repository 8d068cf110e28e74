"""Forms in which texts write numbers and times, where they are not the engine's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from declaration.time_formats import format_faults
from declaration.types import Block

TimeFormats = tuple[str, ...]


@dataclass(frozen=True)
class ValueForms:
    """Forms of numbers and times in a source's texts.

    Attributes
    ----------
    decimal
        Sign between a number's whole part and its fraction.
    thousands
        Sign between groups of three digits; None where there is none.
    formats
        Formats of times, of which the first that fits is read; none for ISO's.
    has_cells
        Whether some values are typed in the source, and so written by us in ISO's form.
    """

    decimal: str = "."
    thousands: str | None = None
    formats: TimeFormats = ()
    has_cells: bool = False

    @property
    def is_plain_number(self) -> bool:
        """Whether numbers are written as the engine reads them."""
        return self.decimal == "." and self.thousands is None

    def faults(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong: a key, and the sentence about it."""
        for key, sign in (("decimal", self.decimal), ("thousands", self.thousands)):
            if sign is not None and (sign.isalnum() or sign in '+-"\r\n'):
                yield key, f"is {sign!r}, which numbers or values are written with. Name the sign itself."
        if self.decimal == self.thousands:
            yield (
                "thousands",
                f"is {self.thousands!r} as `decimal` is: nothing tells 1{self.decimal}234 from a fraction. Name two signs.",
            )
        for fault in format_faults(self.formats):
            yield "formats", fault


PLAIN_FORMS = ValueForms()
"""Points before fractions, no sign between thousands, times of ISO 8601."""


class FormedTexts(Block):
    """Keys of sources whose values are texts: how they write numbers and times."""

    decimal: str = Field(default=".", min_length=1, max_length=1)
    """Sign before the fraction of a number. A number that is written with another is a reject."""
    thousands: str | None = Field(default=None, min_length=1, max_length=1)
    """Sign between groups of three digits, where numbers have one; those without it are read as well."""
    formats: TimeFormats = ()
    """Formats of dates and times (`%d.%m.%Y`), of which the first that fits is read; ISO 8601 when absent. A column may have its own."""

    @property
    def value_forms(self) -> ValueForms:
        """How the source's texts write numbers and times."""
        return ValueForms(self.decimal, self.thousands, self.formats)
