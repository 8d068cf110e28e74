"""Names that every room agrees on: the columns of instants, and the mark of a path that names an object."""

from __future__ import annotations

EVENT_TIMESTAMP = "event_timestamp"
"""Column of the instant at which a row of features or labels holds."""

CREATED_TIMESTAMP = "created_timestamp"
"""Optional column of a feature view: the instant at which a row became known."""

SOURCE_PARTITION = "_source_partition"
"""Column of a training set: the partition that a row came from."""


def is_url(path: str) -> bool:
    """Tell whether a path names an object rather than a file.

    Examples
    --------
    >>> is_url("s3://bucket/orders.csv"), is_url("data/orders.csv")
    (True, False)
    """
    return "://" in path
