"""The `search:` block of a candidate: which settings are tried, how many, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from declaration.types import Block

ParamName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
"""Name of one parameter of an algorithm, as its library spells it."""

ParamValue = bool | int | float | str | None
"""Value of one parameter of an algorithm."""

Whole: TypeAlias = int
Number: TypeAlias = float
"""Types whose names a field has."""

SearchMethod = Literal["tpe", "random"]


def _read_range(value: object) -> object:
    """Read `[7, 127]` as a range of whole numbers and `[0.01, 0.3]` as one of numbers; other values pass through."""
    if isinstance(value, Mapping):
        # What is validated before it is read strictly knows JSON's lists no more.
        return {key: tuple(part) if isinstance(part, list) else part for key, part in value.items()}
    if not isinstance(value, list | tuple):
        return value
    is_numbers = len(value) == 2 and all(
        isinstance(end, int | float) and not isinstance(end, bool) for end in value
    )
    if not is_numbers:
        raise ValueError("a range is its two ends, such as [7, 127]; write other lists as {choice: [...]}")
    return {"int" if all(isinstance(end, int) for end in value) else "float": tuple(value)}


class RangeSpec(Block):
    """Values of one parameter that a search may try: one of the three, and their scale; two numbers alone are both ends."""

    int: tuple[Whole, Whole] | None = None
    """Least and greatest whole number."""
    float: tuple[Number, Number] | None = None
    """Least and greatest number."""
    choice: tuple[ParamValue, ...] = ()
    """Values without an order."""
    log: bool = False
    """Draw evenly on the scale of the logarithm, as suits a penalty or a rate."""

    @model_validator(mode="after")
    def _is_one_range(self) -> Self:
        ends = self.ends
        if [self.int is not None, self.float is not None, bool(self.choice)].count(True) != 1:
            raise ValueError("a range has one of int, float and choice")
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError(
                f"a range goes from a lesser to a greater number, not from {ends[0]} to {ends[1]}"
            )
        if self.log and (ends is None or ends[0] <= 0):
            raise ValueError("log needs two ends above 0")
        return self

    @property
    def ends(self) -> tuple[Number, Number] | None:
        """Least and greatest value; None of a choice."""
        return self.int or self.float


DeclaredRange = Annotated[
    RangeSpec, BeforeValidator(_read_range, json_schema_input_type=RangeSpec | tuple[Number, Number])
]


class SearchSpec(Block):
    """How settings of a candidate are sought: on rows that do not judge, by folds in time order."""

    trials: int = Field(default=30, ge=1, le=10_000)
    """Settings that are tried at most; the first are the candidate's as they are declared."""
    cpu_seconds: float | None = Field(default=None, gt=0)
    """CPU seconds of one training's search at most; absent means no limit. How many trials fit depends on the machine."""
    method: SearchMethod = "tpe"
    """Each trial learns from those before (`tpe`, Optuna's, needs the extra `tune`), or is drawn blindly (`random`)."""
    space: Mapping[ParamName, DeclaredRange] = Field(default_factory=dict)
    """Ranges by parameter; those that are not named keep the algorithm's own, and what stands in `params` is fixed."""
    max_rows: int = Field(default=50_000, ge=500)
    """Rows that trials learn from and are judged on at most: of more, as many are drawn by the seed. The model learns from all."""
