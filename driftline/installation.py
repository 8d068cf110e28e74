"""The installation that a command works on: its settings and its pipelines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftline.completion.candidates import complete_names, complete_partitions

if TYPE_CHECKING:
    from pipelines.graph.stores import DagsterStores
    from resources.deployment import Deployment

Command = TypeVar("Command", bound=Callable[..., object])

name_argument = click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_names)
"""The pipeline; it may be left out where there is one."""

names_argument = click.argument("names", metavar="[NAME] …", nargs=-1, shell_complete=complete_names)
"""Some pipelines; without any, all."""


class JsonOption(click.Option):
    """The option `--json`, with the keys that it prints: the reference page lists them.

    Attributes
    ----------
    keys
        Meaning of each value, by its path: `rows[].name` is the key `name` of every object in the list `rows`.
    is_lines
        Whether each object is a line of its own, in place of one document.
    """

    def __init__(self, *args: Any, keys: Mapping[str, str], is_lines: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.keys = keys
        self.is_lines = is_lines


def json_output(keys: Mapping[str, str], *, is_lines: bool = False) -> Callable[[Command], Command]:
    """Return the option `--json` of a command that prints some keys."""
    text = "Print JSON, an object a line, for programs." if is_lines else "Print JSON, for programs."
    return click.option(
        "--json", "as_json", is_flag=True, cls=JsonOption, keys=keys, is_lines=is_lines, help=text
    )


def partition_option(name: str, variable: str, text: str) -> Callable[[Command], Command]:
    """Return an option that names a partition."""
    return click.option(name, variable, metavar="PARTITION", shell_complete=complete_partitions, help=text)


def opened() -> Deployment:
    """Read the settings, and point Dagster at them: before definitions are imported."""
    # Not at the top: `doctor` looks first whether a package of the user's hides this one.
    from resources.deployment import dagster_environment, deployment

    installed = deployment(os.environ)
    os.environ.update(dagster_environment(installed))
    return installed


@contextmanager
def stores_of(installed: Deployment) -> Iterator[DagsterStores]:
    """Give access to what pipelines and code locations made; Dagster's instance is opened where it is asked."""
    from pipelines.graph.stores import DagsterStores
    from resources.connections import connect
    from resources.orchestrator.home import open_instance

    with ExitStack() as opened_once:
        instance = cache(lambda: opened_once.enter_context(open_instance(installed)))
        yield DagsterStores(connect(installed).lake, instance)


def known_name(name: str | None) -> str:
    """Return the name that was given, declared or not; without one, the only pipeline's.

    For commands on what is kept: it may be of a pipeline whose declaration is faulty or gone.
    """
    if name is not None:
        return name
    from pipelines.loading.declared import find_pipeline

    return find_pipeline(None).name
