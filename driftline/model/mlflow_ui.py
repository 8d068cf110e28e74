"""`driftline model ui`: MLflow's own web UI on this installation's runs and versions."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from driftline.installation import opened

LOOPBACK = "127.0.0.1"
"""Where it listens: the server has no login."""


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on."
)
def ui(port: int) -> None:
    """Open MLflow's web UI on this installation.

    It shows the run of each training with settings, metrics of all candidates, plots, signature and example, and the versions
    with their aliases and tags. It is there to read: aliases follow the ledger, and what is changed here is put right by the
    next decision. The server has no login, and listens on loopback alone. Needs the extra mlflow-ui.
    """
    from declaration.extras import require_extra
    from resources.connections import connect
    from resources.model_registry.mlflow_store import store_url

    require_extra("mlflow-ui", "`driftline model ui`")
    registry = connect(opened()).registry
    # Its schema is made by one process, before the server's own begin.
    registry.prepare()
    click.echo(f"MLflow's web UI: http://{LOOPBACK}:{port} (Ctrl-C ends it)")
    sys.stdout.flush()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    # In place of this process, so that signals reach it.
    os.execve(sys.executable, command, dict(server_environment(os.environ, store_url(registry.tracking_uri))))


def server_environment(environment: Mapping[str, str], url: str) -> Mapping[str, str]:
    """Return the environment of MLflow's server.

    Parameters
    ----------
    environment
        Of this process.
    url
        MLflow's database. It may hold a password, which a command line would show to every user of the machine.
    """
    return {
        **environment,
        "MLFLOW_BACKEND_STORE_URI": url,
        "MLFLOW_REGISTRY_STORE_URI": url,
        # Artifacts have their places in the database; none is uploaded here.
        "MLFLOW_SERVE_ARTIFACTS": "false",
        # Ten processes that nobody here asks for.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
