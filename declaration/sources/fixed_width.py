"""Source that is text whose values stand at fixed places of each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from declaration.sources.blocks import FileSourceBlock, TextTable
from declaration.sources.text import Encoding
from declaration.sources.value_forms import FormedTexts
from declaration.types import ColumnName

Place = Annotated[int, Field(ge=1, le=1_000_000)]


class FixedWidthSourceSpec(FormedTexts, FileSourceBlock):
    """Text files of one row a line, whose values stand at fixed places."""

    has_texts: ClassVar[bool] = True

    type: Literal["fixed_width"]
    """Text files whose values stand at fixed places of each line."""
    fields: Mapping[ColumnName, Place | tuple[Place, Place]] = Field(min_length=1)
    """By column the first and the last character, counted from 1 (`city: [11, 30]`), or, for all, the width (`city: 20`) in the order of the line."""
    short_lines: Literal["reject", "empty"] = "reject"
    """A line that ends before a field begins: a reject, or one whose fields beyond its end are empty."""
    skip_lines: int = Field(default=0, ge=0, le=100_000)
    """Lines before the first row, such as a header."""
    encoding: Encoding = "utf-8"
    """Encoding of a file without a byte order mark; places are those of characters, not of bytes."""
    null_values: tuple[str, ...] = ("",)
    """Texts that mean NULL, without the blanks that fill a field at its end."""

    @property
    def text_table(self) -> TextTable:
        """The form of the CSV that the lines are written out as."""
        return TextTable(",", self.null_values, skip_lines=self.skip_lines, names=tuple(self.fields))

    @property
    def spans(self) -> tuple[slice, ...]:
        """Places of each field's characters in a line, from 0."""
        spans, at = [], 0
        for place in self.fields.values():
            first, last = (at + 1, at + place) if isinstance(place, int) else place
            spans.append(slice(first - 1, last))
            at = last
        return tuple(spans)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, the places, and the texts that mean NULL."""
        yield from super().contradictions()
        if len({isinstance(place, int) for place in self.fields.values()}) > 1:
            yield (
                "fields",
                "gives widths and places. Give each field its width, or each its first and last character.",
            )
        for name, place in self.fields.items():
            if not isinstance(place, int) and place[0] > place[1]:
                yield (
                    "fields",
                    f"ends {name!r} at {place[1]}, before it begins at {place[0]}. Count both from 1.",
                )
        yield from self.value_forms.faults()
        yield from self.text_table.null_faults()
