"""A named input that somebody may give us, and what becomes of it: rows, or a message that repairs it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from assets.materialization import Scope, StageRun
from assets.raw.asset import materialize_raw
from declaration.errors import DriftlineError
from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from pipelines.loading.read import read
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake

CLOCK = datetime(2024, 2, 1, tzinfo=UTC)
DAYS = ("2024-01-01", "2024-01-02")
"""The partitions that are declared; rows of other days are out of range."""

Files = Mapping[str, bytes] | Callable[[Path], None]


@dataclass(frozen=True)
class Kept:
    """The input works: where its rows are, each in exactly one place."""

    rows: int
    rejects: int = 0
    out_of_range: int = 0
    values: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """Values of some columns as the lake has them, in the source's order."""
    reasons: Sequence[str] = ()
    """Patterns that the rejects' reasons match, in the order of the reasons."""

    @property
    def n_source_rows(self) -> int:
        """Rows that the source holds, counted by whoever wrote the case."""
        return self.rows + self.rejects + self.out_of_range


@dataclass(frozen=True)
class Refused:
    """The input does not work: what the message says, of which place, and what to do about it."""

    error: str
    what: str
    where: str
    how: str


@dataclass(frozen=True)
class Case:
    """Files, the dataset that declares them, and what is expected.

    Attributes
    ----------
    name
        What is strange about the input.
    files
        Content by path below the declaration's folder, or a function that makes it there.
    columns
        Declared columns.
    expected
        What becomes of it.
    path, source
        Path of the source, and its other keys. Any share of rejects is allowed, where the case does not say.
    event_time, key
        As declared; without event time the dataset is a reference table.
    timezone
        Zone of the partitions.
    """

    name: str
    files: Files
    columns: Mapping[str, object]
    expected: Kept | Refused
    path: str = "a.csv"
    source: Mapping[str, object] = field(default_factory=dict)
    event_time: str | None = None
    key: tuple[str, ...] = ()
    timezone: str = "UTC"

    def __str__(self) -> str:
        """Name the case, as pytest shows it."""
        return self.name

    def declaration(self) -> Mapping[str, Any]:
        """Return the declaration as it is written to `defs.yaml`."""
        given: dict[str, Any] = {
            "source": {"type": "csv", "path": self.path, "max_rejected_share": 1, **self.source},
            "columns": dict(self.columns),
            "key": list(self.key),
        }
        datasets = {"given": given}
        if self.event_time is None:
            # A declaration without target watches a dataset that keeps arriving; this one is not read.
            source = {"type": "csv", "path": "none.csv"}
            datasets["watched"] = {"source": source, "columns": {"at": "timestamp"}, "event_time": "at"}
        else:
            given["event_time"] = self.event_time
        cut = {"every": "day", "start": "2024-01-01", "end": "2024-01-03", "timezone": self.timezone}
        return {"type": "pipelines.MLPipeline", "attributes": {"partitions": cut, "datasets": datasets}}


@dataclass(frozen=True)
class House:
    """A declaration's folder, and the lake and engine that it is run on."""

    folder: Path
    lake: Lake
    engine: Engine

    @classmethod
    def build(cls, case: Case, root: Path) -> "House":
        """Write the case's files and declaration."""
        folder = root / "strange"
        folder.mkdir()
        if callable(case.files):
            case.files(folder)
        else:
            for name, content in case.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        text = yaml.safe_dump(dict(case.declaration()), allow_unicode=True, sort_keys=False)
        (folder / "defs.yaml").write_text(text, encoding="utf-8")
        lake = Lake(root=str(root / "lake"))
        engine = Engine(spill_directory=str(root / "spill"), directories=[lake.root], threads=1)
        return cls(folder, lake, engine)

    def materialize(self, case: Case) -> list[Mapping[str, object]]:
        """Read every partition, or the whole reference table; return what each reports."""
        pipeline = read(self.folder)
        scopes = [None] if case.event_time is None else DAYS
        return [
            materialize_raw(
                StageRun(pipeline, scope(pipeline, key), self.lake, self.engine), "given"
            ).metadata
            for key in scopes
        ]

    def tables(self) -> Mapping[str, int]:
        """Return the version of every table in the lake."""
        root = Path(self.lake.root)
        logs = sorted(root.rglob("_delta_log"))
        names = [log.parent.relative_to(root).as_posix() for log in logs]
        return {name: self.lake.snapshot(name).version for name in names}

    def leftovers(self) -> list[str]:
        """List copies that were made on the way and should be gone, and rows without a table."""
        spill, lake = Path(self.engine.spill_directory), Path(self.lake.root)
        tables = [log.parent for log in lake.rglob("_delta_log")]
        orphans = [
            path for path in lake.rglob("*.parquet") if not any(path.is_relative_to(t) for t in tables)
        ]
        return sorted(map(str, [*spill.glob("*"), *orphans]))


def scope(pipeline: Pipeline, key: str | None) -> Scope:
    """Return the scope of a partition, or of a reference table."""
    found = None if key is None else partitioning(pipeline.spec.partitions).window(key)
    return Scope(found, run_id="run", clock=CLOCK)


def check(case: Case, root: Path) -> None:
    """Run a case, and hold it to what is expected and to what holds always: nothing lost, nothing half-written."""
    house = House.build(case, root)
    if isinstance(case.expected, Refused):
        _check_refused(case, case.expected, house)
    else:
        _check_kept(case, case.expected, house)
    assert house.leftovers() == []


def _check_refused(case: Case, expected: Refused, house: House) -> None:
    try:
        house.materialize(case)
    except DriftlineError as error:
        message, kind = str(error), type(error).__name__
    else:
        raise AssertionError(f"it was read: {house.tables()}")
    assert kind == expected.error, message
    for part in (expected.what, expected.where, expected.how):
        assert re.search(part, message), f"{part!r} is not in: {message}"
    assert house.tables() == {}


def _check_kept(case: Case, expected: Kept, house: House) -> None:
    reports = house.materialize(case)
    rows = house.lake.read("strange/raw/given")
    rejects = house.lake.read("strange/raw_rejects/given")
    n_out_of_range = reports[-1].get("n_out_of_range", 0)
    found = (rows.num_rows, rejects.num_rows, n_out_of_range)
    reasons = sorted(map(str, rejects["reason"].to_pylist()))
    assert found == (expected.rows, expected.rejects, expected.out_of_range), reasons
    # Every partition of a full source reads the whole of it; an incremental one only its own file.
    counts = [int(str(report["n_source_rows"])) for report in reports]
    is_split = case.source.get("mode") == "incremental"
    assert expected.n_source_rows == (sum(counts) if is_split else counts[0])
    for column, values in expected.values.items():
        assert list(map(repr, rows[column].to_pylist())) == list(map(repr, values))
    assert len(reasons) >= len(expected.reasons)
    for pattern, reason in zip(expected.reasons, reasons, strict=False):
        assert re.search(pattern, reason), f"{pattern!r} is not in: {reason}"
