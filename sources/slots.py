"""Slots of paths: where a partition's key stands in the names of its files."""

from __future__ import annotations

import fnmatch
import re

SLOT = "{partition}"
"""Stands in a path where a partition's key stands in the names of its files."""


def pattern_of_all(pattern: str) -> str:
    """Return the pattern of all partitions' files.

    Examples
    --------
    >>> pattern_of_all("orders/{partition}*.csv")
    'orders/*.csv'
    """
    # Two stars in a row would be another pattern.
    return re.sub(r"\*?\{partition\}\*?", "*", pattern)


_KEY = r"\d{4}-\d{2}-\d{2}(?:-\d{2}:\d{2}(?:[+-]\d{4})?)?"
"""Pattern of the keys of partitions that can have files of their own: those of time."""


def partition_in(path: str, pattern: str) -> str | None:
    """Return what stands for `{partition}` in a file's path; None where it is none of the pattern's.

    Examples
    --------
    >>> partition_in("in/2024-01-02/a.csv", "in/{partition}/*.csv")
    '2024-01-02'
    >>> partition_in("2024-01-02_b.csv", "{partition}*.csv")
    '2024-01-02'
    >>> partition_in("monday.csv", "{partition}.csv")
    'monday'
    """
    parts = [
        fnmatch.translate(part).removeprefix("(?s:").removesuffix(")\\Z") for part in pattern.split(SLOT)
    ]
    for key in (_KEY, ".+?"):
        match = re.fullmatch(f"{parts[0]}({key})" + "(?:\\1)".join(parts[1:]), path, re.DOTALL)
        if match is not None:
            return match[1]
    return None
