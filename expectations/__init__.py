"""Expectations: declared rules, checked when they load, evaluated in one scan, and turned into routes for rows.

`check_expectation` and `expectation_names` know no vendor and are for the declaration;
`evaluate` speaks Great Expectations and imports it on its first call; `RowRules` is SQL.
"""

from expectations.declared import check_expectation
from expectations.evaluate import evaluate
from expectations.names import expectation_names
from expectations.results import ExpectationError, ExpectationResult
from expectations.rows import RowRules

__all__ = [
    "ExpectationError",
    "ExpectationResult",
    "RowRules",
    "check_expectation",
    "evaluate",
    "expectation_names",
]
