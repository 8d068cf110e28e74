"""The errors of the lake: what it refuses to do, and what it found broken."""

from declaration.errors import DriftlineError


class LakeError(DriftlineError):
    """A table of the lake cannot be read or written as asked."""


class LakeDamageError(LakeError):
    """A table's log or files are not as they were written."""


def way_out(table: str, restore: str) -> str:
    """Say what to do where rows and table do not go together."""
    return (
        f"Nothing was written. {restore}, or build the tables anew: `driftline rebuild "
        f"{table.partition('/')[0]}`, see docs/how-to/rebuild.md."
    )
