"""The table of source types holds every type that a declaration may name."""

from typing import get_args

from declaration.datasets import SourceSpec
from sources.types import SOURCE_TYPES


def test_every_declared_type_has_its_files_prepared_and_read() -> None:
    assert set(SOURCE_TYPES) == set(get_args(SourceSpec.model_fields["type"].annotation))
