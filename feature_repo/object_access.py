"""Objects (`s3://…`) as delta-rs and Arrow reach them: settings come from the environment.

Both read `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_REGION`; a store
that is not Amazon's is named by `AWS_ENDPOINT_URL`, or by a source's `s3_endpoint_override`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from declaration.errors import DriftlineError
from declaration.names import is_url

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

SCHEME = "s3"


class ObjectAccessError(DriftlineError):
    """An object store cannot be used."""


def storage_options(path: str, endpoint: str) -> dict[str, str] | None:
    """Return what delta-rs has to know beyond the environment; nothing for files."""
    if not is_url(path):
        return None
    _refuse_unknown_scheme(path)
    url = endpoint or os.environ.get("AWS_ENDPOINT_URL", "")
    options = {"AWS_ENDPOINT_URL": url} if url else {}
    if url.startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    return options


def object_store(path: str, endpoint: str) -> tuple[FileSystem, str]:
    """Return the store of an object as Arrow's file system, and the object's path inside."""
    from pyarrow.fs import S3FileSystem

    _refuse_unknown_scheme(path)
    url = endpoint or os.environ.get("AWS_ENDPOINT_URL", "")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    store = S3FileSystem(
        endpoint_override=url or None, region=region, allow_bucket_creation=False, background_writes=False
    )
    return store, path.partition("://")[2]


def _refuse_unknown_scheme(path: str) -> None:
    scheme = path.partition("://")[0]
    if scheme != SCHEME:
        raise ObjectAccessError(
            f"source '{path}': '{scheme}' is not read. Use a path on disk or an {SCHEME}:// URL."
        )
