"""Sources of the offline store: settings of the engine, and Feast's sources opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from declaration.names import is_url
from feature_repo.asof_engine import EngineSettings
from feature_repo.asof_writing import source_path
from feature_repo.snapshots import Stored, stored_rows


def settings_of(config: RepoConfig) -> EngineSettings:
    """Return what a join may use."""
    store = config.offline_store
    # As the paths of sources: relative to the repository.
    spill = str(Path(config.repo_path or ".") / store.spill_directory) if store.spill_directory else ""
    return EngineSettings(store.memory_limit, store.threads, spill, store.max_spill)


def repo_path_of(config: RepoConfig) -> str | None:
    """Return the folder of the repository, to which paths are relative."""
    return str(config.repo_path) if config.repo_path else None


def staging_location_of(config: RepoConfig) -> str:
    """Return where results are put for other machines: an absolute path or a URL; empty where there is none."""
    named = str(config.offline_store.staging_location)
    if not named or is_url(named):
        return named
    return str((Path(config.repo_path or ".") / named).absolute())


def stored_of(config: RepoConfig, source: DataSource | None, columns: Sequence[str] | None = None) -> Stored:
    """Open the rows of a source, at the version that is newest or pinned.

    Raises
    ------
    OfflineWriteError
        If the source is not one of files.
    SnapshotError
        If it cannot be read, or lacks a wanted column.
    """
    path = source_path(source, repo_path_of(config))
    assert isinstance(source, FileSource)  # or source_path had raised
    return stored_rows(path, wanted=columns, endpoint=source.s3_endpoint_override or "")
