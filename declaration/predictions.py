"""The `predictions:` block: how the champion's scores are explained, and where else they are written."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from declaration.environment import FromEnvironment
from declaration.types import Block

MOST_PARTS = 20
"""Parts of a score that can be kept: more are read by nobody."""


def check_table(text: str) -> str:
    """Refuse what is no plain name of a table: names as long as Postgres keeps them."""
    if not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}", text):
        raise ValueError(
            "must be a table of letters, digits and underscores, such as scores or analytics.scores"
        )
    return text


class ScoreTargetSpec(Block):
    """A place beside the lake that scores are written to; a partition that is scored again is replaced there."""

    type: Literal["parquet", "delta", "sql"]
    """`parquet` is a folder with a file for each partition, `delta` a Delta table, `sql` a table of a database."""
    path: str | None = Field(default=None, min_length=1, max_length=4_000)
    """Folder of `parquet` and `delta`: absolute, or below the folder `scores` of Driftline's home."""
    url: FromEnvironment | None = None
    """`sql`: the variable with the database's URL, as SQLAlchemy writes it: `postgresql+psycopg2://…`, `sqlite:////…`."""
    table: Annotated[str, AfterValidator(check_table)] | None = None
    """`sql`: the table, as `scores` or `analytics.scores`. It is made where it is not there."""

    @property
    def place(self) -> str:
        """Tell the places of a declaration apart."""
        return f"{self.url.env}, table {self.table}" if self.url is not None else str(self.path)


class PredictionsSpec(Block):
    """Settings of the champion's scores."""

    contributions: int = Field(default=0, ge=0, le=MOST_PARTS)
    """Features of each row that moved its score most, each with by how much; for candidates whose answers can be taken apart exactly."""
    write_to: tuple[ScoreTargetSpec, ...] = ()
    """Places beside the lake that scores are written to, without the features."""
