"""Parts of two model files compared: where their bytes differ."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping

from learning.model_file import MANIFEST


def differing_parts(then: bytes, now: bytes) -> tuple[str, ...]:
    """Name the parts of a model file that are not as they were; of the manifest, its keys.

    Parameters
    ----------
    then, now
        Two model files.

    Returns
    -------
    tuple
        Names of parts; ("compression",) where every part agrees, and only the archive around them does not.
    """
    before, after = _parts(then), _parts(now)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    parts = tuple(part for name in names for part in _named(name, before, after))
    return parts or (("compression",) if then != now else ())


def _named(name: str, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[str]:
    if name != MANIFEST:
        yield name
        return
    was, became = json.loads(before.get(name, b"{}")), json.loads(after.get(name, b"{}"))
    for key in {**was, **became}:
        if was.get(key) != became.get(key) or (key in was) != (key in became):
            yield f"{key} in {name}"


def _parts(content: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
