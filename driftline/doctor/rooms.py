"""Folders of the user's that hide ours: a top-level `assets` beside a project is imported in place of our own.

Imports nothing of the rooms that may be hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from driftline.doctor.finding import Diagnosis, fault, ok

ROOMS = (
    "assets", "charts", "declaration", "drift", "driftline", "expectations", "feature_repo", "learning", "pipelines",
    "resources", "serving", "sources",
)  # fmt: skip
"""Our top-level packages."""

OURS = Path(__file__).resolve().parents[2]
"""Folder that holds them."""

_CHECK = "packages"


def check_rooms(places: Sequence[Path]) -> Iterator[Diagnosis]:
    """Look for packages that are, or will be, imported in place of ours.

    Parameters
    ----------
    places
        Folders that Dagster puts on the path before the installed packages: the project, and the working directory.
    """
    hidden = dict(_imported_from_elsewhere())
    for place in places:
        hidden |= {room: package for room in ROOMS if (package := _hiding(place, room)) is not None}
    for room, package in sorted(hidden.items()):
        yield fault(
            _CHECK,
            f"{package} is imported in place of Driftline's package '{room}'.",
            f"Rename it, or move it below the project's own module: a top-level package cannot be called '{room}'.",
        )
    if not hidden:
        yield ok(_CHECK, f"none of {len(ROOMS)} is hidden; they lie in {OURS}")


def _imported_from_elsewhere() -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        spec = find_spec(room)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is not None and not origin.is_relative_to(OURS / room):
            yield room, origin


def _hiding(place: Path, room: str) -> Path | None:
    """Return what hides a room in a folder; a folder without `__init__.py` does not hide an installed package."""
    if place.resolve() == OURS:
        return None
    for candidate in (place / room / "__init__.py", place / f"{room}.py"):
        if candidate.is_file():
            return candidate
    return None
