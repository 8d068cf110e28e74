"""Sources that are files of texts: CSV, Excel workbooks, JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from declaration.sources.blocks import FileSourceBlock, TextTable

Encoding = Literal["utf-8", "utf-16", "latin-1", "windows-1252"]


class CsvSourceSpec(FileSourceBlock):
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

    @property
    def text_table(self) -> TextTable:
        """The form that the CSV reader reads."""
        return TextTable(self.delimiter, self.null_values)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, the separator, and the texts that mean NULL."""
        yield from super().contradictions()
        if self.delimiter in '"\r\n':
            yield (
                "delimiter",
                f"is {self.delimiter!r}, which quotes values or ends lines. Name the character between two columns.",
            )
        yield from self.text_table.null_faults()


class ExcelSourceSpec(FileSourceBlock):
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

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path, and the texts that mean NULL."""
        yield from super().contradictions()
        yield from self.text_table.null_faults()


class JsonSourceSpec(FileSourceBlock):
    """JSON files: one object a line, or one array of objects."""

    has_texts: ClassVar[bool] = True

    type: Literal["json"]
    """One object a line, or one array of objects."""
    encoding: Encoding = "utf-8"
    """Encoding of a file without a byte order mark."""
