"""`driftline version`: versions of Driftline, Python and the libraries that do the work."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import click

from driftline.installation import json_output
from driftline.printing import print_json

LIBRARIES = (
    "driftline", "dagster", "feast", "mlflow", "great-expectations", "duckdb", "deltalake", "pyarrow", "pandas",
    "scikit-learn",
)  # fmt: skip
"""Distributions that are listed, in this order."""

KEYS = {
    **{name: f"version of {name}; null where it is not installed" for name in LIBRARIES},
    "python": "version of Python",
}


@click.command()
@json_output(KEYS)
def version(as_json: bool) -> None:
    """Show the versions of Driftline and its main libraries."""
    numbers = versions()
    if as_json:
        print_json(numbers)
        return
    width = max(map(len, numbers))
    for name, number in numbers.items():
        click.echo(f"{name:<{width}}  {number or 'not installed'}")


def versions() -> Mapping[str, str | None]:
    """Return the version of each library by its distribution's name, and Python's; None of one that is not there."""
    return {**{name: _version(name) for name in LIBRARIES}, "python": platform.python_version()}


def _version(name: str) -> str | None:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return None
