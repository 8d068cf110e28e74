"""Dagster's web server behind the guard: the process that `driftline dev` starts beside the daemon."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from driftline.dev.guard import WebGuard
from driftline.dev.pages import report_pages
from resources.deployment import deployment

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

POLL_MS = 2000
"""Milliseconds between two questions of an open page, as `dagster dev` has it."""

STATEMENT_TIMEOUT_MS = 15_000
POOL_RECYCLE_S = 3600
POOL_MAX_OVERFLOW = 20
"""Bounds of the server's database connections, as Dagster's own command has them."""


class GuardedWebserver(DagsterWebserver):  # type: ignore[type-arg]
    """Dagster's web server, with the pages of drift reports, and the guard before everything else."""

    def __init__(
        self,
        process_context: WorkspaceProcessContext,
        *,
        reports: Path,
        allowed_hosts: Sequence[str],
        allowed_origins: Sequence[str] = (),
    ) -> None:
        self._reports = reports
        self._guard = Middleware(WebGuard, allowed_hosts=allowed_hosts, allowed_origins=allowed_origins)
        super().__init__(process_context, live_data_poll_rate=POLL_MS)

    def build_middleware(self) -> list[Middleware]:
        """Put the guard first."""
        return [self._guard, *super().build_middleware()]

    def build_routes(self) -> list[BaseRoute]:
        """Put the pages before the web UI, which takes every other path."""
        others: list[BaseRoute] = super().build_routes()  # type: ignore[no-untyped-call]  # Dagster has no types there.
        return [*report_pages(self._reports), *others]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the web UI until it is interrupted."""
    import uvicorn
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._utils.interrupts import setup_interrupt_handlers

    options = _options(arguments)
    setup_interrupt_handlers()
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.get())
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_S, POOL_MAX_OVERFLOW)
        context = stack.enter_context(
            WorkspaceProcessContext(instance, WorkspaceFileTarget([options.workspace]), version=__version__)
        )
        server = GuardedWebserver(
            context,
            reports=deployment(os.environ).reports_folder,
            allowed_hosts=options.allowed_host,
            allowed_origins=options.allowed_origin,
        )
        uvicorn.run(
            server.create_asgi_app(lifespan=_until_cancelled),
            host=options.host,
            port=options.port,
            log_level="warning",
        )
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m driftline.dev.web_server",
        description="Serve Dagster's web UI behind the guard. `driftline dev` starts it.",
    )
    parser.add_argument("--host", required=True, help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--workspace", required=True, help="file that names the running code servers")
    parser.add_argument("--allowed-host", action="append", default=[], help="name in the header Host")
    parser.add_argument("--allowed-origin", action="append", default=[], help="origin of a proxy's pages")
    return parser.parse_args(arguments)


@asynccontextmanager
async def _until_cancelled(_: Starlette) -> AsyncIterator[None]:
    """End without a trace where the loop is cancelled (uvicorn's issue 1160)."""
    import asyncio

    with suppress(asyncio.CancelledError):
        yield


if __name__ == "__main__":
    sys.exit(main())
