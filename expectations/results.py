"""Results of expectations, and the error of this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from declaration.datasets import ExpectationSpec
from declaration.errors import DriftlineError


class ExpectationError(DriftlineError):
    """Expectations cannot be evaluated, or rows cannot be routed, as declared."""


@dataclass(frozen=True)
class ExpectationResult:
    """The verdict of Great Expectations on one expectation, and how it was reached.

    Attributes
    ----------
    name
        Name of the asset check, from `expectation_names`.
    spec
        The expectation as declared.
    is_passed
        Great Expectations' verdict; false when the expectation could not be evaluated.
    error
        Why it could not be evaluated; None where it was. An error is not a failure of the data.
    way
        How the metrics were computed: `one scan`, or `great expectations on pandas` with the reason.
    n_evaluated
        Rows judged by a row rule, without those that the rule ignores (missing values); None for other rules.
    n_unexpected
        Rows that broke a row rule; None for other rules.
    result
        Great Expectations' result, as JSON.
    """

    name: str
    spec: ExpectationSpec
    is_passed: bool
    error: str | None
    way: str
    n_evaluated: int | None = None
    n_unexpected: int | None = None
    result: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_blocking_failure(self) -> bool:
        """Tell whether nothing downstream may see these rows."""
        return self.spec.on_failure == "block" and not self.is_passed
