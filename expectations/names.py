"""Names of asset checks: one per declared expectation, stable and unique within its dataset."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from declaration.datasets import ExpectationSpec

_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


def expectation_names(expectations: Sequence[ExpectationSpec]) -> tuple[str, ...]:
    """Name the check of every expectation: `<expectation>__<columns>`, then `_2`, `_3` where repeated.

    Dagster allows letters, digits and underscores; other characters become underscores.

    Examples
    --------
    >>> rule = ExpectationSpec(expect="column_values_to_not_be_null", column="tail num")
    >>> expectation_names([rule, rule])
    ('column_values_to_not_be_null__tail_num', 'column_values_to_not_be_null__tail_num_2')
    """
    seen: Counter[str] = Counter()
    taken: set[str] = set()
    return tuple(_unique(_plain_name(expectation), seen, taken) for expectation in expectations)


def _plain_name(expectation: ExpectationSpec) -> str:
    columns: list[str] = []
    for argument in _COLUMN_ARGUMENTS:
        value = expectation.arguments.get(argument)
        if isinstance(value, str):
            columns.append(value)
        elif isinstance(value, list | tuple):
            columns.extend(str(name) for name in value)
    return re.sub(r"[^A-Za-z0-9_]", "_", "__".join([expectation.expect, *columns]))


def _unique(name: str, seen: Counter[str], taken: set[str]) -> str:
    """Add a number to a repeated name, stepping over names that are taken (a column may end in `_2`)."""
    numbered = name
    while numbered in taken or seen[name] == 0:
        seen[name] += 1
        numbered = name if seen[name] == 1 else f"{name}_{seen[name]}"
    taken.add(numbered)
    return numbered
