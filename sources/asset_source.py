"""Assets of other code locations: their data, where the newest materialization says that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declaration.sources.upstream import PARTITION_SLOT, AssetData, AssetSourceSpec, is_placed
from sources.avro import AVRO_FILES
from sources.delta import DELTA_TABLE
from sources.file_types import PARQUET_FILES
from sources.files import SourceError
from sources.forms import PARQUET
from sources.iceberg import ICEBERG_TABLE
from sources.orc import ORC_FILES
from sources.source_type import WHOLE, Asked, Opened, SourceType
from sources.stores import Materialized, Stores

if TYPE_CHECKING:
    import duckdb

_FORMS: Mapping[type[AssetData], SourceType[Any]] = {
    form.keys: form for form in (PARQUET_FILES, ORC_FILES, AVRO_FILES, DELTA_TABLE, ICEBERG_TABLE)
}

FILE_SCHEME = "file://"

UNFIT_SIGNS = "*?[{\0\n"
"""Signs that an entry of the metadata cannot have: it would be read as a pattern."""


@contextmanager
def _open(source: AssetSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Open the data as the source that it is; the materialization is among the facts."""
    partition = asked.partition if source.partitioned else None
    made = _newest(source, _stores(source, asked), partition)
    data = _data(source, made, partition)
    facts: dict[str, str | int | float] = {
        "source_event": made.event,
        "source_run": made.run_id,
        "source_materialized_at": made.at.isoformat(timespec="seconds"),
        "source_path": data.path,
    }
    if made.data_version:
        facts["source_data_version"] = made.data_version
    with _FORMS[type(data)].open(data, asked) as opened:
        yield Opened(opened.files, opened.state, {**facts, **opened.facts})


def _marks(source: AssetSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the number of the newest materialization, of each partition where they are this pipeline's."""
    stores = _stores(source, asked)
    if source.partitioned:
        return {key: str(event) for key, event in stores.events(source.key_parts).items()}
    return {WHOLE: str(_newest(source, stores, None).event)}


def _prepare(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: AssetSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    return _FORMS[type(source.data)].prepare(connection, files, source.data, folder=folder)


def _stores(source: AssetSourceSpec, asked: Asked) -> Stores:
    if asked.stores is None:
        raise SourceError(
            f"asset {source.place} is read beside a Dagster instance alone, which knows its materializations."
        )
    return asked.stores


def _newest(source: AssetSourceSpec, stores: Stores, partition: str | None) -> Materialized:
    made = stores.newest(source.key_parts, partition)
    if made is None:
        known = stores.assets()
        near = get_close_matches(source.key, [key for key in known if key != source.key], n=1)
        meant = f" Did you mean '{near[0]}'?" if near and source.key not in known else ""
        of = f" of partition {partition}" if partition is not None else ""
        raise SourceError(
            f"asset {source.place}: this Dagster instance knows no materialization{of} of it.{meant} Materialize it, or correct `key`."
        )
    if made.partition is not None and not source.partitioned and source.slots:
        raise SourceError(
            f"asset {source.place}: its newest materialization is that of partition {made.partition}, and tells where the data of that "
            "one is. Add `partitioned: true` where its partitions are this pipeline's, or write a path without braces that holds all."
        )
    return made


def _data(source: AssetSourceSpec, made: Materialized, partition: str | None) -> AssetData:
    """Return how the data is read: the path with what the materialization tells.

    Raises
    ------
    SourceError
        If the metadata lack an entry, or what they say is no place.
    """
    values: dict[str, str] = {}
    for slot in sorted(source.slots):
        if slot not in made.texts:
            known = ", ".join(sorted(made.texts)) or "none"
            raise SourceError(
                f"asset {source.place}: its materialization (event {made.event}) has no entry '{slot}' in its metadata, which "
                f"`data.path` takes. Entries that are texts, paths or numbers: {known}."
            )
        values[slot] = made.texts[slot].removeprefix(FILE_SCHEME)
        unfit = sorted(set(values[slot]) & set(UNFIT_SIGNS))
        if unfit:
            raise SourceError(
                f"asset {source.place}: the entry '{slot}' of its metadata is {values[slot][:200]!r}, which holds {unfit[0]!r}. "
                "It names one file or folder; a pattern stands in `data.path`."
            )
    data = source.data_with(values | ({PARTITION_SLOT: partition} if partition is not None else {}))
    if source.slots and not is_placed(data.path):
        raise SourceError(
            f"asset {source.place}: its metadata give the path {data.path[:200]!r}, which starts from a folder that is not known here. "
            "Let the asset record an absolute path or a URL."
        )
    for key, text in data.contradictions():
        raise SourceError(f"asset {source.place}: its metadata give a {key} that cannot be read: it {text}")
    return data


ASSET_SOURCE = SourceType(AssetSourceSpec, _open, PARQUET, _marks, _prepare)
