"""Source that is XML, of which each occurrence of one element is a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from declaration.sources.blocks import FileSourceBlock
from declaration.sources.value_forms import FormedTexts

ElementPath = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class XmlSourceSpec(FormedTexts, FileSourceBlock):
    """XML files, of which each occurrence of one element is a row."""

    has_texts: ClassVar[bool] = True

    type: Literal["xml"]
    """XML files, of which each occurrence of one element is a row."""
    rows: ElementPath
    """Path of the element that is a row, from the root: `orders/order`. Columns are named by paths inside it: `customer/@id`, `total`, `.` for
    its own text, `../@day` for an attribute of the element around it."""
    namespaces: Mapping[str, str] = Field(default_factory=dict)
    """Prefixes of namespaces in paths, `""` for names without one. Absent, names are read as the file writes them."""

    @property
    def row_path(self) -> tuple[str, ...]:
        """Names of the elements from the root to a row."""
        return tuple(self.rows.strip("/").split("/"))

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with the path of files, that of rows, and the prefixes."""
        yield from super().contradictions()
        if any(not step or step.startswith(("@", ".", "*")) or "[" in step for step in self.row_path):
            yield "rows", f"is {self.rows!r}, but a path is the elements' names from the root: orders/order."
        for step in self.row_path if self.namespaces else ():
            prefix = step.rpartition(":")[0]
            if not step.startswith("{") and prefix and prefix not in self.namespaces:
                yield "rows", f"uses the prefix {prefix!r}, which `namespaces` does not name."
        if len(set(self.namespaces.values())) < len(self.namespaces):
            yield "namespaces", "names one namespace with two prefixes. Keep one."
        yield from self.value_forms.faults()
