"""The `features:` block: feature views."""

from __future__ import annotations

from datetime import timedelta

from pydantic import (
    Field,
)

from declaration.types import Block, Duration, Identifier


class FeatureViewSpec(Block):
    """A Feast feature view, computed by one SQL file over the profiled datasets."""

    entity: Identifier | None = None
    """Name of an entry of `entities`. Without one the view is of the whole: a row an instant, joined by time alone."""
    sql: str = Field(min_length=1)
    """SQL file beside the declaration. Gives the entity's keys, if it has one, `event_timestamp`, features and, optionally, `created_timestamp`."""
    lookback: Duration = timedelta(0)
    """History before a partition that the query needs."""
    ttl: Duration | None = None
    """Greatest age at which a value is still used; absent means for ever."""
    freshness: Duration | None = Field(default=None, ge=timedelta(minutes=1))
    """Longest time that the view's newest event may lie behind, and that it may stay without a new partition; absent means as long as it likes."""
    description: str = ""
    """Meaning of the view for its entity."""

    @property
    def about(self) -> str:
        """Name the entity for people, or say that there is none."""
        return self.entity or "the whole"
