"""The program `driftline`: a file or folder for each command.

Commands read declarations, lake and registry, start runs, and print; what they decide is decided in
the rooms below. `driftline.MLPipeline` is the component that a `defs.yaml` names; `build_defs` and
`automation_defs` are what the definitions of a project call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.component import MLPipeline
    from pipelines.definitions import automation_defs, build_defs

__all__ = ["MLPipeline", "automation_defs", "build_defs"]


def __getattr__(name: str) -> object:
    """Import what Dagster loads when it is asked for: a command that prints must not cost Dagster's import."""
    if name not in __all__:
        raise AttributeError(f"module 'driftline' has no attribute '{name}'")
    from driftline.start import hidden_rooms

    faults = hidden_rooms()
    if faults:
        raise ImportError("\n".join(faults))
    from pipelines import component, definitions

    return getattr(component if name == "MLPipeline" else definitions, name)


def __dir__() -> list[str]:
    """List the public names, for Dagster's search for components."""
    return __all__
