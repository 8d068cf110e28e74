"""Routes for rows: one expression names the `quarantine` rules that a row broke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from declaration.datasets import ExpectationSpec
from declaration.sql import quote_identifier, quote_literal
from expectations.catalogue import RULES
from expectations.conditions import Kinds, row_condition
from expectations.declared import with_defaults
from expectations.names import expectation_names
from expectations.results import ExpectationError

BROKEN_RULES = "broken_rules"
"""Column of the quarantine table: names of the checks that a row broke."""

_MASK = "_driftline_broken"
MOST_RULES = 62
"""Bits of one mask that stay clear of the sign."""


@dataclass(frozen=True)
class RowRules:
    """The `quarantine` rules of a dataset, ready to route rows.

    Attributes
    ----------
    columns
        The table's columns, in order.
    is_broken
        SQL by name of the check: true for rows that broke it, false or NULL for others.
    """

    columns: tuple[str, ...]
    is_broken: Mapping[str, str]

    @classmethod
    def of(cls, expectations: Sequence[ExpectationSpec], kinds: Kinds) -> RowRules:
        """Write the rules of `quarantine` expectations as SQL.

        Raises
        ------
        ExpectationError
            If a rule cannot route rows, or there are more than a mask can hold.
        """
        broken: dict[str, str] = {}
        for name, spec in zip(expectation_names(expectations), expectations, strict=True):
            if spec.on_failure == "quarantine":
                broken[name] = _is_broken(name, spec, kinds)
        if len(broken) > MOST_RULES:
            raise ExpectationError(
                f"{len(broken)} expectations with 'on_failure: quarantine'; a dataset may have {MOST_RULES}. "
                "Join sets and bounds of one column in one rule."
            )
        return cls(tuple(kinds), broken)

    def passing(self, relation: str) -> str:
        """Write the query of the rows that broke no rule, in the table's columns."""
        if not self.is_broken:
            return f"SELECT {self._listed} FROM {relation}"
        return f"SELECT {self._listed} FROM {self._masked(relation)} WHERE {_MASK} = 0"

    def quarantined(self, relation: str) -> str:
        """Write the query of the rows that broke a rule, with the names of the rules they broke."""
        names = ", ".join(
            f"CASE WHEN ({_MASK} >> {bit}) & 1 = 1 THEN {quote_literal(name)} END"
            for bit, name in enumerate(self.is_broken)
        )
        broken = f"list_filter([{names}]::VARCHAR[], lambda name: name IS NOT NULL) AS {BROKEN_RULES}"
        return f"SELECT {self._listed}, {broken} FROM {self._masked(relation)} WHERE {_MASK} <> 0"

    @property
    def _listed(self) -> str:
        return ", ".join(quote_identifier(name) for name in self.columns)

    def _masked(self, relation: str) -> str:
        bits = [
            f"CASE WHEN {broken} THEN {1 << bit} ELSE 0 END"
            for bit, broken in enumerate(self.is_broken.values())
        ]
        mask = " | ".join(f"({text})::BIGINT" for text in bits) or "0"
        return f"(SELECT *, {mask} AS {_MASK} FROM {relation})"


def _is_broken(name: str, spec: ExpectationSpec, kinds: Kinds) -> str:
    rule = RULES.get(spec.expect)
    condition = (
        row_condition(rule.condition, with_defaults(spec, rule), kinds) if rule and rule.condition else None
    )
    if condition is None:
        raise ExpectationError(
            f"expectation '{name}' cannot route rows to quarantine. Use 'on_failure: report' or 'block'."
        )
    return condition.is_bad_row
