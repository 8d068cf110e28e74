"""Our packages by name, and others of the same names, of which Python imports one alone.

Imports the standard library only, and is run by its path before anything else is imported (`driftline/start.py`).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOMS = (
    "assets", "charts", "declaration", "drift", "driftline", "expectations", "feature_repo", "learning", "pipelines",
    "resources", "serving", "sources",
)  # fmt: skip

HOUSE = Path(__file__).resolve().parent.parent
"""Folder that holds them: a checkout, or `site-packages`."""

REPAIR = (
    "Move it into your project's package, where it has a name of its own (shop/{room}, imported as "
    "shop.{room}), or rename it."
)


def hidden_rooms(house: Path = HOUSE) -> list[str]:
    """Describe what Python imports in the place of our packages, a line each, with the repair."""
    faults = []
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        if spec is None or spec.origin is None:
            place = None if spec is None else next(iter(spec.submodule_search_locations or ()), None)
        else:
            origin = Path(spec.origin)
            place = str(origin.parent if origin.name == "__init__.py" else origin)
        if place is not None and Path(place).resolve() != house / room:
            faults.append(f"{place} hides Driftline's package '{room}'. {REPAIR.format(room=room)}")
    return faults


def namesakes(folder: Path) -> list[str]:
    """Describe a folder's packages and modules that bear the name of one of ours, a line each, with the repair.

    A folder without `__init__.py` is no package that could hide another, and is let be.
    """
    return [
        f"{place} and Driftline's package '{room}' bear one name, and Python imports one of them alone. "
        + REPAIR.format(room=room)
        for room in ROOMS
        for place in (folder / room, folder / f"{room}.py")
        if place.is_file() or (place / "__init__.py").is_file()
    ]
