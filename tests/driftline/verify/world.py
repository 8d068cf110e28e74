"""A tiny installation to damage: made once, copied for each test."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from declaration.pipeline import Pipeline
from driftline.verify.checking import Told
from driftline.verify.finding import Finding
from driftline.verify.verified import verified_pipeline
from resources.connections import Connections, connect
from resources.deployment import Deployment, deployment
from tests.fixtures.replaying import replay_all
from tests.fixtures.tiny import tiny_pipeline, write_sources

N_DAYS = 3


def make_home(home: Path) -> None:
    """Replay three days of the tiny pipeline: one model, predictions and reports."""
    home.mkdir(parents=True)
    write_sources(home, n_days=N_DAYS)
    assert replay_all(tiny_pipeline(home), home, last=N_DAYS) == 1


@dataclass(frozen=True)
class Home:
    """An installation in a folder of its own."""

    path: Path

    @property
    def installed(self) -> Deployment:
        """Its settings."""
        return deployment({"DRIFTLINE_HOME": str(self.path), "DRIFTLINE_THREADS": "1"})

    @property
    def connections(self) -> Connections:
        """Lake and stores."""
        return connect(self.installed)

    @property
    def pipeline(self) -> Pipeline:
        """The declaration."""
        return tiny_pipeline(self.path)

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        """Open Dagster's storage."""
        with DagsterInstance.from_ref(InstanceRef.from_dir(str(self.path / "dagster"))) as instance:
            yield instance

    def told(self, *, repair: bool) -> Sequence[Told]:
        """Verify it, in this process."""
        with self.instance() as instance:
            return [
                *verified_pipeline(
                    "tiny", self.pipeline, self.installed, instance, repair=repair, show=lambda _: None
                )
            ]

    def findings(self) -> Sequence[Finding]:
        """Return what is wrong."""
        return [told.finding for told in self.told(repair=False)]

    def repair(self) -> Sequence[Finding]:
        """Mend what can be mended; return what stands."""
        return [told.finding for told in self.told(repair=True) if not told.mended]

    def tables(self) -> Sequence[str]:
        """List the tables."""
        return self.connections.lake.tables()

    def data_files(self) -> Sequence[Path]:
        """List all data files of the lake."""
        return sorted((self.path / "lake").rglob("part-*.parquet"))

    def last_commit(self, table: str) -> Path:
        """Return the newest commit of a table."""
        return max((self.connections.lake.table_path(table) / "_delta_log").glob("*.json"))


def copied(made: Path, target: Path) -> Home:
    """Copy an installation."""
    shutil.copytree(made, target)
    with closing(sqlite3.connect(target / "mlflow" / "mlflow.db")) as connection, connection:
        for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
            connection.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(made), str(target))
            )
    return Home(target)


def flip_one_bit(path: Path, random_bits: random.Random) -> int:
    """Turn one bit of a file round; return which byte it is in."""
    content = bytearray(path.read_bytes())
    place = random_bits.randrange(len(content))
    content[place] ^= 1 << random_bits.randrange(8)
    path.write_bytes(content)
    return place
