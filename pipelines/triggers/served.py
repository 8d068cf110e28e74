"""The pipelines that a sensor serves, in words."""

from collections.abc import Sequence

from declaration.pipeline import Pipeline

N_NAMED = 20
"""Pipelines named in a description; the web UI shows it whole."""


def served(pipelines: Sequence[Pipeline]) -> str:
    """Name the pipelines that a sensor serves.

    Examples
    --------
    >>> served([])
    'Serves no pipeline.'
    """
    names = sorted(pipeline.name for pipeline in pipelines)
    if not names:
        return "Serves no pipeline."
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return f"Serves {', '.join(names[:N_NAMED])}{more}."
