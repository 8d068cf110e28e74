"""Great Expectations is imported once, by the product's own function, before tests name its modules."""

from __future__ import annotations

import pytest

from expectations.evaluate import import_great_expectations


@pytest.fixture(scope="session", autouse=True)
def _great_expectations() -> None:
    import_great_expectations()
