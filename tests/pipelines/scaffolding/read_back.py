"""Read a scaffold's own file as it declares it, through the raw room."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier
from resources.engine.duckdb import Engine
from sources.opening import opened, readable
from sources.read import READ_TABLE, read_files


def rejects_and_rows(pipeline: Pipeline, columns: Sequence[str] = ()) -> tuple[int, list[tuple[object, ...]]]:
    """Return how many rows were rejected, and the columns of those that were read."""
    dataset = next(iter(pipeline.spec.datasets.values()))
    with TemporaryDirectory() as folder:
        engine = Engine(spill_directory=folder)
        with (
            opened(dataset.source, folder=Path(pipeline.folder), scratch=Path(folder)) as now,
            engine.connect(reads=now.files) as connection,
            readable(connection, now.files, dataset, Path(folder)) as plain,
        ):
            counts = read_files(
                connection, plain, dataset, name="table", timezone=pipeline.spec.partitions.timezone
            )
            listed = ", ".join(quote_identifier(name) for name in columns or dataset.columns)
            return counts.n_rejected, connection.sql(f"SELECT {listed} FROM {READ_TABLE}").fetchall()
