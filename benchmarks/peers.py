"""Peers in environments of their own, so that the product's lock never holds a competitor."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("DRIFTLINE_HOME", ".driftline")) / "bench"


def peer_python(name: str, *packages: str, cache: Path = CACHE) -> Path:
    """Return the interpreter of an environment that holds some packages, made on the first call.

    Parameters
    ----------
    name
        The peer; names the folder.
    packages
        Requirements: `polars==1.9`. Other requirements make another environment.
    cache
        Folder of the environments.

    Raises
    ------
    subprocess.CalledProcessError
        If the packages cannot be installed; uv's output says why.
    """
    digest = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    folder = (cache / f"{name}-{digest}").resolve()
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run(
            [uv, "venv", "--clear", "--python", sys.executable, str(folder)], check=True
        )  # no shell
        subprocess.run([uv, "pip", "install", "--python", str(python), *packages], check=True)  # no shell
        complete.touch()
    return python
