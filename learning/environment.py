"""Software that a training ran on: all beside rows and settings that may change the bytes of a model file."""

from __future__ import annotations

import hashlib
import json
import platform
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "driftline", "numpy", "scipy", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost", "pyarrow", "skops", "threadpoolctl",
)  # fmt: skip
"""Distributions that compute, encode or write a model."""

CODE = ("declaration", "learning")
"""Packages of ours that decide what comes of rows and settings."""


@dataclass(frozen=True)
class Environment:
    """Software and machine of a training.

    Attributes
    ----------
    python, platform, machine
        Version of Python; operating system with its C library; processor's architecture.
    linear_algebra
        BLAS libraries with the kernels that they chose for the processor: sums differ in the last bit between them.
    zlib
        Version of the compression of model files.
    code
        First letters of the sha256 of our own source, of `CODE`.
    packages
        Versions of `PACKAGES` that are installed.
    """

    python: str
    platform: str
    machine: str
    linear_algebra: str
    zlib: str
    code: str
    packages: Mapping[str, str]

    def to_text(self) -> str:
        """Write the environment as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Environment:
        """Read what `to_text` wrote."""
        return cls(**json.loads(text))

    def named(self) -> Mapping[str, str]:
        """Return every fact by its name."""
        facts = {name: str(value) for name, value in asdict(self).items() if name != "packages"}
        return {**facts, **{f"package {name}": number for name, number in self.packages.items()}}


def differences(then: Environment, now: Environment) -> Mapping[str, tuple[str, str]]:
    """Return what differs, by its name: how it was, and how it is; 'none' for a package that is not installed."""
    before, after = then.named(), now.named()
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name, "none"), after.get(name, "none")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@cache
def present_environment() -> Environment:
    """Describe the software of this process; libraries must be loaded already, as they are after a training."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        machine=platform.machine(),
        linear_algebra=_linear_algebra(),
        zlib=zlib.ZLIB_RUNTIME_VERSION,
        code=_code_sha256()[:16],
        packages={name: number for name in PACKAGES if (number := _version(name)) is not None},
    )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _linear_algebra() -> str:
    from threadpoolctl import threadpool_info

    # Both have a BLAS of their own.
    for module in ("numpy", "scipy.linalg"):
        import_module(module)
    libraries = {
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in threadpool_info()
        if library["user_api"] == "blas"
    }
    return ", ".join(sorted(libraries))


def _code_sha256() -> str:
    content = hashlib.sha256()
    for package in CODE:
        folder = Path(str(import_module(package).__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            content.update(f"{package}/{file.relative_to(folder).as_posix()}\n".encode())
            content.update(file.read_bytes())
    return content.hexdigest()
