"""The program `driftline`: a file or folder for each command.

Commands read declarations, lake and registry, start runs, and print; what they decide is decided in
the rooms below. `driftline.MLPipeline` is the component that a `defs.yaml` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.component import MLPipeline

__all__ = ["MLPipeline"]


def __getattr__(name: str) -> object:
    """Import the component when it is asked for: a command that prints must not cost Dagster's import."""
    if name == "MLPipeline":
        from pipelines.component import MLPipeline

        return MLPipeline
    raise AttributeError(f"module 'driftline' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the public names, for Dagster's search for components."""
    return __all__
