"""Dagster's wing: declarations loaded, compiled into a lineage graph, and kept up to date by triggers and alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.component import MLPipeline

__all__ = ["MLPipeline"]


def __getattr__(name: str) -> object:
    """Import the component when it is asked for: `declaration.spec` must not cost Dagster's import."""
    if name == "MLPipeline":
        from pipelines.component import MLPipeline

        return MLPipeline
    raise AttributeError(f"module 'pipelines' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the public names, for Dagster's search for components."""
    return __all__
