"""The machine: a home that can be written, space, memory, and a clock that agrees with what was written."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from driftline.doctor.finding import Diagnosis, fault, ok, warning
from feature_repo.table_damage import MARK
from resources.deployment import Deployment
from resources.engine.memory import limit_bytes

LEAST_FREE_BYTES = 200 * 1000**2
"""Free space with which a refresh of the shipped pipelines cannot be relied upon to end."""

FEW_FREE_BYTES = 2 * 1000**3
"""Free space that is as much as the default memory limit: a query that spills may fill it."""

MOST_MEMORY = 0.8
"""Share of the machine's memory for the engine, beside which Python, Arrow and the models have room."""

CLOCK_SKEW_S = 60
"""By how much a file may be newer than the clock says it is now."""


CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files in which Linux says how much memory this container may use."""


def check_home(home: Path) -> Iterator[Diagnosis]:
    """Write a file into the home and take it away; where there is no home yet, see whether it can be made."""
    if not home.exists():
        parent = next(folder for folder in home.parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield ok("home", f"{home} does not exist yet, and can be made")
        else:
            yield fault(
                "home",
                f"{home} cannot be made: {parent} cannot be written.",
                "Name another with DRIFTLINE_HOME, or give this user the folder.",
            )
        return
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"driftline")
            os.fsync(file.fileno())
    except OSError as error:
        yield fault(
            "home",
            f"{home} cannot be written: {error.strerror}.",
            f"Give this user the folder: chown -R {_user()} {home}",
        )
        return
    foreign = [path for path in _kept(home) if not os.access(path, os.W_OK)]
    for path in foreign:
        yield fault(
            "home", f"{path} cannot be written.", f"Give this user the folder: chown -R {_user()} {home}"
        )
    if not foreign:
        yield ok("home", f"{home} can be written")


def _kept(home: Path) -> list[Path]:
    """List the folders and databases of a home."""
    return [
        path for path in sorted([*home.glob("*"), *home.glob("*/*")]) if path.is_dir() or path.suffix == ".db"
    ]


def _user() -> str:
    return str(os.getuid())


def check_disk(home: Path) -> Iterator[Diagnosis]:
    """Compare the free space of the home's disk with what a run may need."""
    place = home if home.exists() else next(folder for folder in home.parents if folder.exists())
    usage = shutil.disk_usage(place)
    text = f"{_size(usage.free)} free of {_size(usage.total)} at {place}"
    repair = "Free some, or move the home: DRIFTLINE_HOME."
    if usage.free < LEAST_FREE_BYTES:
        yield fault("disk", f"{text}.", repair)
    elif usage.free < FEW_FREE_BYTES:
        yield warning("disk", f"{text}: a query that spills may fill it.", repair)
    else:
        yield ok("disk", text)


def check_memory(installed: Deployment) -> Iterator[Diagnosis]:
    """Compare the engine's memory limit with the memory of the machine, or of its container."""
    limit, memory = limit_bytes(installed.memory_limit), memory_bytes()
    text = f"DRIFTLINE_MEMORY_LIMIT is {installed.memory_limit}, of {_size(memory)} that there are"
    if limit > memory * MOST_MEMORY:
        most = max(int(memory * MOST_MEMORY / 1000**2), 1)
        yield warning(
            "memory", f"{text}: the system may kill a run.", f"Set DRIFTLINE_MEMORY_LIMIT={most}MB, or less."
        )
    else:
        yield ok("memory", text)


def memory_bytes() -> int:
    """Return the memory of the machine, or of the container where that is less."""
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in CGROUPS:
        with suppress(OSError, ValueError):
            n_bytes = min(n_bytes, int(file.read_text()))
    return n_bytes


def check_clock(home: Path) -> Iterator[Diagnosis]:
    """Compare the clock with the newest commit of the lake: what is written next must be newer."""
    newest = max((path.stat().st_mtime for path in home.glob(f"lake/*/*/{MARK}")), default=0.0)
    now = time.time()
    if newest > now + CLOCK_SKEW_S:
        written_at = datetime.fromtimestamp(newest, tz=UTC)
        yield warning(
            "clock",
            f"it is {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, but the lake was written at {written_at:%Y-%m-%d %H:%M} UTC.",
            "Set the clock: schedules and cooldowns follow it.",
        )
    else:
        yield ok("clock", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, not before the newest commit of the lake")


def check_zones(names: set[str]) -> Iterator[Diagnosis]:
    """Open the zones of all declared partitions, and compare Python's offsets with the engine's.

    Parameters
    ----------
    names
        Zones that declarations name.
    """
    import duckdb

    year = datetime.now(UTC).year
    instants = [datetime(year, month, 15, 12, tzinfo=UTC) for month in (1, 7)]
    wrong = []
    for name in sorted(names):
        try:
            zone = ZoneInfo(name)
        except ZoneInfoNotFoundError:
            yield fault("zones", f"zone {name} is not known here.", "pip install tzdata")
            wrong.append(name)
            continue
        with duckdb.connect() as connection:
            for instant in instants:
                wall_time = connection.execute(
                    "SELECT timezone(?, ?::TIMESTAMPTZ)", [name, instant]
                ).fetchall()[0][0]
                if wall_time != instant.astimezone(zone).replace(tzinfo=None):
                    yield fault(
                        "zones",
                        f"Python and DuckDB differ about {name} at {instant:%Y-%m-%d}.",
                        "pip install --upgrade tzdata duckdb",
                    )
                    wrong.append(name)
    if not wrong:
        yield ok("zones", f"{', '.join(sorted(names)) or 'none declared'}; Python and the engine agree")


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1000**3:.1f} GB"
