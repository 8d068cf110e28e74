"""Sources that are files of texts: CSV, Excel workbooks, JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from declaration.sources.blocks import FileSourceBlock, TextTable
from declaration.sources.value_forms import FormedTexts, TimeFormats, ValueForms
from declaration.types import ColumnName

Encoding = Literal["utf-8", "utf-16", "latin-1", "windows-1252"]


class CsvSourceSpec(FormedTexts, FileSourceBlock):
    """Text files of one row a line, whose first line names the columns."""

    has_texts: ClassVar[bool] = True

    type: Literal["csv"]
    """Text files of one row a line."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Separator of columns."""
    encoding: Encoding = "utf-8"
    """Encoding of a file without a byte order mark."""
    null_values: tuple[str, ...] = ("",)
    """Texts that mean NULL."""
    quote: str = Field(default='"', pattern=r"^(none|[!-/:-@\[-`{-~])$")
    """Sign around values that hold a delimiter or a line break; `none` where a quote is a letter like any other."""
    escape: Literal["double", "backslash"] = "double"
    """How a quote inside quotes is written: twice, or (also delimiters and line breaks outside quotes) after a backslash."""
    comment: str | None = Field(default=None, min_length=1, max_length=8)
    """Beginning of whole lines that are remarks. Inside a line and inside quotes it is text."""
    skip_lines: int = Field(default=0, ge=0, le=100_000)
    """Lines before the header, or before the first row of a file without one."""
    header: tuple[ColumnName, ...] | None = Field(default=None, min_length=1)
    """Names of all columns in their order, where the file has no header; absent where its first line names them."""

    @property
    def quote_sign(self) -> str | None:
        """The sign around values; None where there is none."""
        return None if self.quote == "none" else self.quote

    @property
    def text_table(self) -> TextTable:
        """The form that the CSV reader reads; what backslashes escape has been put in quotes before."""
        quote = self.quote_sign or ('"' if self.escape == "backslash" else None)
        return TextTable(self.delimiter, self.null_values, quote, self.skip_lines, self.header, self.comment)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, the signs, and the texts that mean NULL."""
        yield from super().contradictions()
        quote = self.text_table.quote
        if self.delimiter in "\r\n" or self.delimiter == quote:
            yield (
                "delimiter",
                f"is {self.delimiter!r}, which quotes values or ends lines. Name the character between two columns.",
            )
        if self.escape == "backslash" and "\\" in (self.delimiter, quote):
            yield "escape", "is 'backslash', which is also the quote or the delimiter. Name another."
        if self.comment is not None and self.comment[0] in (self.delimiter, quote, "\r", "\n", " ", "\\"):
            yield (
                "comment",
                f"is {self.comment!r}, which begins as a value may: with a quote, delimiter, space or backslash. "
                "Remove those lines from the file.",
            )
        yield from self.value_forms.faults()
        yield from self.text_table.null_faults()


class ExcelSourceSpec(FormedTexts, FileSourceBlock):
    """Workbooks: xlsx, xls, xlsb and ods, of which one sheet is read."""

    has_texts: ClassVar[bool] = True

    type: Literal["excel"]
    """Workbooks: xlsx, xls, xlsb and ods."""
    sheet: str | None = Field(default=None, min_length=1)
    """Sheet that is read; the first one when absent. Its first row names the columns."""
    null_values: tuple[str, ...] = ("",)
    """Texts that mean NULL."""

    @property
    def text_table(self) -> TextTable:
        """The form of the CSV that a sheet is written out as."""
        return TextTable(",", self.null_values)

    @property
    def value_forms(self) -> ValueForms:
        """How texts in cells write numbers and times; cells that are numbers or times are read beside them."""
        return replace(super().value_forms, has_cells=True)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, the forms, and the texts that mean NULL."""
        yield from super().contradictions()
        yield from self.value_forms.faults()
        yield from self.text_table.null_faults()


class JsonSourceSpec(FileSourceBlock):
    """JSON files: one object a line, or one array of objects."""

    has_texts: ClassVar[bool] = True

    type: Literal["json"]
    """One object a line, or one array of objects."""
    encoding: Encoding = "utf-8"
    """Encoding of a file without a byte order mark."""
    formats: TimeFormats = ()
    """Formats of texts that are dates or times (`%d.%m.%Y`), of which the first that fits is read; ISO 8601 when absent. A column may have its own."""

    @property
    def value_forms(self) -> ValueForms:
        """How texts write times."""
        return ValueForms(formats=self.formats)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, and the formats of times."""
        yield from super().contradictions()
        yield from self.value_forms.faults()
