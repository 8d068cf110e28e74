"""Open the web UI and the daemon on this installation's settings."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipelines.spec import DriftlineError
from resources.dagster_home import open_instance
from resources.deployment import PROJECT, dagster_environment, deployment


def main(arguments: Sequence[str] | None = None) -> int:
    """Start `dagster dev` on the profile's settings, or print them for a shell."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.serve",
        description="Start the Dagster web UI and daemon (schedules, sensors, run queue) for this checkout.",
        epilog="The web server has no login: it listens on loopback unless --host says otherwise.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--environment",
        action="store_true",
        help='print the variables instead, for `eval "$(python -m pipelines.serve --environment)"`',
    )
    options = parser.parse_args(arguments)
    try:
        installed = deployment(os.environ)
        variables = dagster_environment(installed)
        os.environ.update(variables)
        # Web server, daemon and code server meet databases that are made.
        with open_instance(installed):
            pass
    except DriftlineError as error:
        Console(stderr=True).print(str(error), markup=False)
        return 1
    if options.environment:
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        sys.stdout.writelines(lines)
        return 0
    command = [
        str(Path(sys.executable).with_name("dagster")), "dev",
        "--workspace", str(PROJECT / "workspace.yaml"),
        "--host", options.host, "--port", str(options.port),
    ]  # fmt: skip
    # A shell that starts us with `&` has SIGINT ignored, which the web server would inherit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(PROJECT)
    # Links in alerts lead here, unless a proxy's address is set.
    reached = {"DRIFTLINE_WEB_URL": f"http://{options.host}:{options.port}"}
    os.execve(command[0], command, {**reached, **os.environ, **variables})
    raise AssertionError("unreachable: execve does not return")


if __name__ == "__main__":
    sys.exit(main())
