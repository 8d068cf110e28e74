"""`driftline dev`: web UI and daemon on this installation's settings."""

from __future__ import annotations

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
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import yaml

from declaration.errors import DriftlineError
from driftline.cli import SUCCESS
from driftline.dev.guard import LOOPBACK_HOSTS
from resources.deployment import Deployment, dagster_environment, deployment
from resources.project import Project, project

if TYPE_CHECKING:
    from dagster._core.workspace.load_target import WorkspaceLoadTarget

LOGGER = logging.getLogger("dagster")

WATCH_S = 1.0
"""Seconds between two looks at the processes."""

STOP_S = 60
"""Seconds that a process has to end by itself."""


class ServeError(DriftlineError):
    """The web UI cannot be opened as asked, or one of its processes ended."""


@dataclass(frozen=True)
class Listening:
    """Address of the web server, and the names under which browsers may reach it.

    Attributes
    ----------
    host, port
        Address.
    exposed_because
        Why another address than loopback is safe; it is written to the log.
    further_hosts
        Names of proxies before it.
    """

    host: str
    port: int
    exposed_because: str | None = None
    further_hosts: tuple[str, ...] = ()

    @property
    def web_url(self) -> str:
        """URL of the web UI, unless a proxy's address is set."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def hosts(self) -> Sequence[str]:
        """Host names that are answered."""
        return sorted({*LOOPBACK_HOSTS, self.host.lower(), *(name.lower() for name in self.further_hosts)})


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port to listen on."
)
@click.option(
    "--exposed-because", metavar="REASON", help="Why another address than loopback is safe; it is logged."
)
@click.option(
    "--allowed-host",
    multiple=True,
    metavar="NAME",
    help="Further name under which browsers reach the server, such as a proxy's; may be repeated.",
)
@click.option(
    "--environment",
    is_flag=True,
    help='Print the variables for a shell instead: eval "$(driftline dev --environment)".',
)
def dev(
    host: str, port: int, exposed_because: str | None, allowed_host: tuple[str, ...], environment: bool
) -> int:
    """Start web UI and daemon on this machine.

    The daemon runs schedules, sensors and the run queue. The web server has no login: it listens on loopback,
    answers to known host names only, and takes changes from its own pages and from programs that POST JSON.
    """
    installed = deployment(os.environ)
    if environment:
        print_environment(installed)
        return SUCCESS
    check_exposure(host, exposed_because)
    # A shell that starts us with `&` has SIGINT ignored, which the processes would inherit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    os.chdir(project(os.environ).root)
    listening = Listening(host, port, exposed_because, allowed_host)
    # Links in alerts lead here, unless a proxy's address is set.
    os.environ.setdefault("DRIFTLINE_WEB_URL", listening.web_url)
    os.environ.update(dagster_environment(installed))
    _serve(listening, installed)
    return SUCCESS


def print_environment(installed: Deployment) -> None:
    """Print Dagster's variables as a shell reads them; what is started with them meets databases that are made."""
    from driftline.dev.renames import carry_over
    from pipelines.loading.declared import declarations
    from resources.orchestrator.home import open_instance

    variables = dagster_environment(installed)
    os.environ.update(variables)
    with open_instance(installed) as instance:
        carry_over(instance, tuple(declarations().pipelines.values()))
    sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


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


def _serve(listening: Listening, installed: Deployment) -> None:
    """Run code server, web server and daemon until one ends or an interrupt comes."""
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._utils.log import configure_loggers

    from driftline.dev.renames import carry_over
    from pipelines.loading.declared import declarations
    from resources.orchestrator.home import open_instance

    # As `dagster dev` does: the code is read again when a page asks for it.
    os.environ["DAGSTER_IS_DEV_CLI"] = "1"
    configure_loggers(log_level="INFO")
    if not is_loopback(listening.host):
        LOGGER.warning(
            "Listening on %s, without a login, because: %s", listening.host, listening.exposed_because
        )
    with (
        open_instance(installed) as instance,
        # One code server for both processes.
        ProxyServerManager(instance, _code_location(project(os.environ)), "warning") as code,
        TemporaryDirectory(prefix="driftline-serve-") as folder,
    ):
        carry_over(instance, tuple(declarations().pipelines.values()))
        workspace = Path(folder) / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": code.get_code_server_specs()}), encoding="utf-8")
        _watch(_commands(listening, workspace))


def _code_location(opened: Project) -> WorkspaceLoadTarget:
    """Return what the code server loads: the project's workspace, or the definitions where `dg` expects them."""
    from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget

    workspace = opened.root / "workspace.yaml"
    if workspace.is_file():
        return WorkspaceFileTarget([str(workspace)])
    return ModuleTarget(
        module_name=f"{opened.module}.definitions",
        attribute=None,
        working_directory=str(opened.import_root),
        location_name=opened.root.name,
    )


def _commands(listening: Listening, workspace: Path) -> Mapping[str, Sequence[str]]:
    web = [
        "-m", "driftline.dev.web_server", "--host", listening.host, "--port", str(listening.port),
        *(part for name in listening.hosts for part in ("--allowed-host", name)),
        "--allowed-origin", os.environ["DRIFTLINE_WEB_URL"],
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
