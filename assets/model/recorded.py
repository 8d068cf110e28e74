"""Notes of a training that are kept with its version: what it read beside the table, and on which software."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from learning.environment import Environment

_ENVIRONMENT, _ROWS = "driftline.environment", "driftline.rows_sha256"
_JUDGE, _LOSS = "driftline.judged_against", "driftline.loss_since_us"

OUT_OF_CORE = "driftline.out_of_core"
"""Tag of a version whose training set was more than memory could hold."""


@dataclass(frozen=True)
class Judge:
    """The champion that a training was judged against, and since when it had lost; None where there was none."""

    champion: int | None
    loss_since_us: int | None


@dataclass(frozen=True)
class Recorded:
    """Facts of a version's training, from its tags; None where it was not written down yet.

    Attributes
    ----------
    environment
        Software and machine.
    rows_sha256
        Digest of the labelled rows as they were encoded.
    judge
        Beside which champion it was trained.
    """

    environment: Environment | None
    rows_sha256: str | None
    judge: Judge | None

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Recorded:
        """Read a version's tags, whatever their age."""
        environment = tags.get(_ENVIRONMENT)
        judge = Judge(_number(tags[_JUDGE]), _number(tags[_LOSS])) if _JUDGE in tags else None
        return cls(Environment.from_text(environment) if environment else None, tags.get(_ROWS), judge)


def _number(text: str) -> int | None:
    return int(text) if text else None


def recorded_tags(environment: Environment, rows_sha256: str, judge: Judge) -> Mapping[str, str]:
    """Write the tags that `Recorded.from_tags` reads."""
    return {
        _ENVIRONMENT: environment.to_text(),
        _ROWS: rows_sha256,
        _JUDGE: "" if judge.champion is None else str(judge.champion),
        _LOSS: "" if judge.loss_since_us is None else str(judge.loss_since_us),
    }
