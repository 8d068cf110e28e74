"""The errors of the lake: what it refuses to do, and what it found broken."""

from pipelines.spec import DriftlineError


class LakeError(DriftlineError):
    """A table of the lake cannot be read or written as asked."""


class LakeDamageError(LakeError):
    """A table's log or files are not as they were written."""


def first_line(error: BaseException) -> str:
    """Return what a vendor's error says, without the trace that delta-rs writes below it."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def way_out(table: str, restore: str) -> str:
    """Say what to do where rows and table do not go together."""
    return (
        f"Nothing was written. {restore}, or build the tables anew: `python -m pipelines.rebuild "
        f"{table.partition('/')[0]}`, see docs/how-to/rebuild.md."
    )
