"""Inboxes: folders whose files are uploaded by the source sensor, and refused ones set aside with the reason."""

from __future__ import annotations

import logging
import pwd
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from assets.raw.uploads import record_upload
from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.sources.blocks import FileSourceBlock
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from sources.files import folder_in_reach
from sources.uploads import Destination, upload

REFUSED = "refused"
"""Folder of an inbox that holds what was not taken; `<file>.reason.txt` says why."""

LOG = logging.getLogger("driftline.inbox")


def take_in(
    pipeline: Pipeline, seen: Mapping[str, object], lake: Lake, engine: Engine, now: datetime
) -> Mapping[str, str]:
    """Upload the files of a pipeline's inboxes that have not changed since the last look.

    Parameters
    ----------
    pipeline
        Whose inboxes.
    seen
        Size and time of each file at the last look: one that grows is still being written.
    lake, engine
        Where uploads are written down, and what reads files.
    now
        The instant that is written down.

    Returns
    -------
    Mapping
        Size and time of the files that are left for the next look.
    """
    waiting: dict[str, str] = {}
    for destination, inbox in _inboxes(pipeline):
        for file in sorted(inbox.iterdir()):
            if not file.is_file() or file.name.startswith("."):
                continue
            stat = file.stat()
            mark = f"{stat.st_size} {stat.st_mtime_ns}"
            if seen.get(str(file)) != mark:
                waiting[str(file)] = mark
                continue
            try:
                with engine.connect() as connection:
                    placed = upload(file, destination, connection, scratch=Path(engine.spill_directory))
                record_upload(
                    lake,
                    pipeline.name,
                    destination.name,
                    file.name,
                    placed,
                    person=_owner(stat.st_uid),
                    at=now,
                )
                file.unlink()
            except DriftlineError as error:
                _set_aside(file, str(error))
                LOG.warning("inbox of %s/%s: %s", pipeline.name, destination.name, error)
            except OSError as error:
                # A full disk, or no leave to write: the next look may find it mended.
                waiting[str(file)] = mark
                LOG.warning("inbox of %s/%s: %s: %s", pipeline.name, destination.name, file.name, error)
    return waiting


def _inboxes(pipeline: Pipeline) -> Iterator[tuple[Destination, Path]]:
    for name, dataset in pipeline.spec.datasets.items():
        source = dataset.source
        if isinstance(source, FileSourceBlock) and source.inbox is not None:
            try:
                inbox = folder_in_reach(source.inbox, Path(pipeline.folder))
            except DriftlineError as error:
                LOG.warning("inbox of %s/%s: %s", pipeline.name, name, error)
                continue
            yield (
                Destination(name, dataset, Path(pipeline.folder), partitioning(pipeline.spec.partitions)),
                inbox,
            )


def _owner(uid: int) -> str:
    """Return the name of a file's owner, or its number where the machine knows no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _set_aside(file: Path, reason: str) -> None:
    """Move a file out of the way, with the reason: the next look must not try it again."""
    folder = file.parent / REFUSED
    folder.mkdir(exist_ok=True)
    number, place = 0, folder / file.name
    while place.exists():
        number += 1
        place = folder / f"{file.name}.{number}"
    place.with_name(f"{place.name}.reason.txt").write_text(f"{reason}\n", encoding="utf-8")
    file.rename(place)
