"""Open the web UI and the daemon on this installation's settings."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from rich.console import Console

from declaration.errors import DriftlineError
from driftline.dev.guard import LOOPBACK_HOSTS
from driftline.dev.renames import carry_over
from pipelines.loading.declared import declarations
from resources.deployment import PROJECT, Deployment, dagster_environment, deployment
from resources.orchestrator.home import open_instance

LOGGER = logging.getLogger("dagster")

WATCH_S = 1.0
"""Seconds between two looks at the processes."""

STOP_S = 60
"""Seconds that a process has to end by itself."""


class ServeError(DriftlineError):
    """The web UI cannot be opened as asked, or one of its processes ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the web server and the daemon on the profile's settings, or print these for a shell."""
    options = _options(arguments)
    try:
        installed = deployment(os.environ)
        variables = dagster_environment(installed)
        if options.environment:
            os.environ.update(variables)
            # What is started with these variables meets databases that are made, with names of today.
            with open_instance(installed) as instance:
                carry_over(instance, tuple(declarations().pipelines.values()))
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
            sys.stdout.writelines(lines)
            return 0
        check_exposure(options.host, options.exposed_because)
        # A shell that starts us with `&` has SIGINT ignored, which the processes would inherit.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        os.chdir(PROJECT)
        # Links in alerts lead here, unless a proxy's address is set.
        os.environ.setdefault("DRIFTLINE_WEB_URL", f"http://{_in_url(options.host)}:{options.port}")
        os.environ.update(variables)
        _serve(options, installed)
    except DriftlineError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def check_exposure(host: str, reason: str | None) -> None:
    """Refuse an address that other machines reach, unless a reason is given.

    Raises
    ------
    ServeError
        If the address is no loopback one and no reason is given.
    """
    if is_loopback(host) or (reason or "").strip():
        return
    raise ServeError(
        f"--host {host}: other machines would reach the web UI, which has no login: whoever opens it starts runs. "
        "Leave --host out and put a proxy with a login before it, or say why the network may be trusted: "
        '--exposed-because "…".'
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m driftline.dev.command",
        description="Start the Dagster web UI and daemon (schedules, sensors, run queue) for this checkout.",
        epilog="The web server has no login. It listens on loopback, answers to known host names only, and takes "
        "changes from its own pages and from programs that POST JSON.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--exposed-because",
        metavar="REASON",
        help="why another address than loopback is safe; it is written to the log",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="further name under which browsers reach the server, such as that of a proxy before it; may be repeated",
    )
    parser.add_argument(
        "--environment",
        action="store_true",
        help='print the variables instead, for `eval "$(python -m driftline.dev.command --environment)"`',
    )
    return parser.parse_args(arguments)


def _serve(options: argparse.Namespace, installed: Deployment) -> None:
    """Run code server, web server and daemon until one ends or an interrupt comes."""
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._utils.log import configure_loggers

    # As `dagster dev` does: the code is read again when a page asks for it.
    os.environ["DAGSTER_IS_DEV_CLI"] = "1"
    configure_loggers(log_level="INFO")
    if not is_loopback(options.host):
        LOGGER.warning("Listening on %s, without a login, because: %s", options.host, options.exposed_because)
    with (
        open_instance(installed) as instance,
        # One code server for both processes.
        ProxyServerManager(
            instance, WorkspaceFileTarget([str(PROJECT / "workspace.yaml")]), "warning"
        ) as code,
        TemporaryDirectory(prefix="driftline-serve-") as folder,
    ):
        carry_over(instance, tuple(declarations().pipelines.values()))
        workspace = Path(folder) / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": code.get_code_server_specs()}), encoding="utf-8")
        _watch(_commands(options, workspace))


def _commands(options: argparse.Namespace, workspace: Path) -> Mapping[str, Sequence[str]]:
    web_url = os.environ["DRIFTLINE_WEB_URL"]
    hosts = sorted({*LOOPBACK_HOSTS, options.host.lower(), *(name.lower() for name in options.allowed_host)})
    web = [
        "-m", "driftline.dev.web_server", "--host", options.host, "--port", str(options.port),
        *(part for name in hosts for part in ("--allowed-host", name)), "--allowed-origin", web_url,
    ]  # fmt: skip
    return {
        "web server": [*web, "--workspace", str(workspace)],
        "daemon": ["-m", "dagster._daemon", "run", "--workspace", str(workspace)],
    }


def _watch(commands: Mapping[str, Sequence[str]]) -> None:
    """Run the processes side by side; when one ends, or at an interrupt, all are interrupted.

    Raises
    ------
    ServeError
        If one ended by itself.
    """
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            started[name] = subprocess.Popen([sys.executable, *command])
        while True:
            for name, process in started.items():
                if process.poll() is not None:
                    raise ServeError(
                        f"the {name} ended with the code {process.returncode}: see the log above."
                    )
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        LOGGER.info("Shutting down.")
    finally:
        for process in started.values():
            process.send_signal(signal.SIGINT)
        for process in started.values():
            try:
                process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
