"""Arrival of files: one that is still being written, or whose marker is not there yet, is not read."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from declaration.errors import DriftlineError
from declaration.text import one_line

MarkerWritten = Callable[[str], tuple[bool, datetime | None]]
"""Tells of a marker whether it is there, and when it was written last; None where its store does not tell."""

MOST_SHOWN = 3


class ArrivalError(DriftlineError):
    """A file of a source is still being written."""


@dataclass(frozen=True)
class Arrived:
    """Files of a source, told apart by whether all of them is there.

    Attributes
    ----------
    whole
        Names of those that are read, in order.
    unmarked
        Names of those without their marker: they count as not there yet, and are left out.
    unsettled
        Those that are being written, as far as can be told, with the reason: without them, and with them, rows would be missing.
    """

    whole: tuple[str, ...]
    unmarked: tuple[str, ...] = ()
    unsettled: Mapping[str, str] = field(default_factory=dict)

    def require_settled(self, where: str) -> None:
        """Refuse to read where a file is being written, or where every file lacks its marker.

        Raises
        ------
        ArrivalError
            With the files, and what is to be done.
        """
        if self.unsettled:
            name, reason = next(iter(self.unsettled.items()))
            more = f", and {len(self.unsettled) - 1:,} more" if len(self.unsettled) > 1 else ""
            raise ArrivalError(
                f"source '{where}': {one_line(PurePosixPath(name).name)} is not whole yet: {reason}{more}. Nothing was read: run "
                "it again when its writer has finished."
            )
        if self.unmarked and not self.whole:
            raise ArrivalError(
                f"source '{where}': of {shown(self.unmarked)} no marker is there, as `marker` declares. Nothing was read: run it "
                "again when the writer has finished, or correct `marker`."
            )

    @property
    def waiting(self) -> Mapping[str, str]:
        """What is not read, with the reason."""
        return {**dict.fromkeys(self.unmarked, "its marker is not there"), **self.unsettled}


def shown(names: Sequence[str]) -> str:
    """Return names as messages show them: the first ones, and how many more there are."""
    some = ", ".join(one_line(PurePosixPath(name).name) for name in names[:MOST_SHOWN])
    return some if len(names) <= MOST_SHOWN else f"{some} and {len(names) - MOST_SHOWN:,} more"


def arrived(
    written: Mapping[str, datetime | None],
    *,
    marker: str | None,
    settle: timedelta | None,
    clock: datetime | None,
    marker_written: MarkerWritten,
) -> Arrived:
    """Tell which files are whole.

    Parameters
    ----------
    written
        Instant of the last write of each file, by its path; None where it is not told.
    marker
        Name of the file beside it that says so; `{name}` and `{stem}` are those of the file. None for none.
    settle
        Time without a write after which a file counts as whole; None for any.
    clock
        The present instant; None where files are read however young they are.
    marker_written
        Tells of a marker.
    """
    names = list(written) if marker is None else [name for name in written if not _is_marker(name, marker)]
    whole, unmarked, unsettled = [], [], {}
    known: dict[str, tuple[bool, datetime | None]] = {}
    for name in names:
        reason = None
        if marker is not None:
            place = marker_of(name, marker)
            if place not in known:
                known[place] = marker_written(place)
            is_there, since = known[place]
            if not is_there:
                unmarked.append(name)
                continue
            reason = _changed_after(written[name], since, place)
        if reason is None and settle is not None and clock is not None:
            reason = _is_young(written[name], settle, clock)
        if reason is None:
            whole.append(name)
        else:
            unsettled[name] = reason
    return Arrived(tuple(whole), tuple(unmarked), unsettled)


def marker_of(name: str, marker: str) -> str:
    """Return the path of a file's marker.

    Examples
    --------
    >>> (
    ...     marker_of("in/a.csv", "{name}.done"),
    ...     marker_of("in/a.csv", "{stem}.ok"),
    ...     marker_of("in/a.csv", "_SUCCESS"),
    ... )
    ('in/a.csv.done', 'in/a.ok', 'in/_SUCCESS')
    """
    path = PurePosixPath(name)
    # One after the other would fill in a name that is written as a slot is.
    own = {"{name}": path.name, "{stem}": path.name.partition(".")[0] or path.name}
    slot = next((slot for slot in own if slot in marker), None)
    called = marker if slot is None else marker.replace(slot, own[slot])
    # Not through a path: of a URL it would take away a slash.
    folder, found, _ = name.rpartition("/")
    return f"{folder}{found}{called}"


def _is_marker(name: str, marker: str) -> bool:
    pattern = "".join(
        "*"
        if part in ("{name}", "{stem}")
        else "".join(f"[{sign}]" if sign in "*?[" else sign for sign in part)
        for part in _parts(marker)
    )
    return fnmatch.fnmatchcase(name.rpartition("/")[2], pattern)


def _parts(marker: str) -> list[str]:
    for slot in ("{name}", "{stem}"):
        if slot in marker:
            before, _, after = marker.partition(slot)
            return [before, slot, after]
    return [marker]


def _changed_after(written: datetime | None, since: datetime | None, place: str) -> str | None:
    """Say that a file is newer than its marker, which vouched for another one then."""
    if written is None or since is None or written <= since:
        return None
    return (
        f"it was written at {written.isoformat(timespec='seconds')}, after its marker {one_line(PurePosixPath(place).name)} "
        f"({since.isoformat(timespec='seconds')}), which is to be written anew"
    )


def _is_young(written: datetime | None, settle: timedelta, clock: datetime) -> str | None:
    if written is None:
        return None
    age = clock - written
    if age >= settle:
        return None
    if age < timedelta(0):
        return f"it was written at {written.isoformat(timespec='seconds')}, which is still to come by this machine's clock"
    return (
        f"it was written {age.total_seconds():.0f} s ago, and counts as whole {settle.total_seconds():.0f} s after its last "
        "write (`settle`)"
    )
