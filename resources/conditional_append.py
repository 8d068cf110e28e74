"""Appending on a condition: rows are added only to the version of a table that was read."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pipelines.spec import DriftlineError
from resources.database_lock import file_lock
from resources.lake import CONFIGURATION, Lake, Snapshot


class OvertakenError(DriftlineError):
    """Another writer was faster: the table is no longer at the version that was read."""


def make_table(lake: Lake, table: str, schema: pa.Schema) -> None:
    """Make an empty table unless it is there, so that its first row too is added to a version that was read."""
    from deltalake import DeltaTable

    path = lake.table_path(table)
    # Delta puts the later of two first commits after the earlier one; both are empty here, so that not even
    # machines that do not see each other's locks can lose a row.
    with file_lock(path.with_name(f".{path.name}.lock")):
        if not lake.has(table):
            DeltaTable.create(str(path), schema=schema, mode="ignore", configuration={**CONFIGURATION})


def append_at(
    lake: Lake, table: str, rows: pa.Table, *, version: int, commit: Mapping[str, str] | None = None
) -> Snapshot:
    """Add rows to an unpartitioned table, if it still is at a version.

    The lake's log decides, so that it holds among processes, and among machines that share the folder: of two
    commits with the same number one is refused.

    Parameters
    ----------
    lake, table
        The table, which is there.
    rows
        What is added; columns that the table does not have yet are null in its earlier rows.
    version
        The version that the rows were made for.
    commit
        Kept in the commit.

    Raises
    ------
    OvertakenError
        If the table has a newer version; nothing was added.
    """
    from deltalake import CommitProperties, DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError

    try:
        write_deltalake(
            DeltaTable(str(lake.table_path(table)), version=version),
            rows,
            mode="append",
            schema_mode="merge",
            commit_properties=CommitProperties(custom_metadata=dict(commit or {}), max_commit_retries=0),
        )
    except CommitFailedError as error:
        raise OvertakenError(
            f"table '{table}' is no longer at version {version}: another process added to it. Read it and decide anew."
        ) from error
    return lake.snapshot(table, version + 1)
