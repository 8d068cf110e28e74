"""The profiled stage: rows that met the expectations, with their profile and quality."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.materialization import CheckOutcome, Outcome, StageRun
from assets.profiled.facts import count_facts
from assets.profiled.merge import EarlierColumn, merge_profiles
from assets.profiled.page import profile_page, quality_page
from assets.profiled.profile import profile_relation
from assets.profiled.quality import DataQuality, RowFacts, RuleFinding, assess_quality
from assets.profiled.statistics import ColumnProfile
from assets.profiled.tables import PROFILES, QUALITY, profile_table, quality_table, read_profiles
from declaration.datasets import DatasetSpec
from declaration.partitioning import Cut, Window
from declaration.sql import scalar
from expectations.literals import kind_of
from expectations.results import ExpectationError, ExpectationResult
from expectations.rows import RowRules
from resources.lake.lake import Lake, Snapshot, scan
from resources.validation import Validation

if TYPE_CHECKING:
    import duckdb


MOST_EARLIER = 36
"""Earlier partitions that the page compares with: their number must not make a run dearer for ever."""


@dataclass(frozen=True)
class _Stage:
    """A run of the stage for one dataset."""

    run: StageRun
    dataset: str

    @property
    def lake(self) -> Lake:
        return self.run.lake

    @property
    def spec(self) -> DatasetSpec:
        return self.run.spec.datasets[self.dataset]

    @property
    def window(self) -> Window | None:
        return self.run.scope.window if self.spec.is_partitioned else None

    @property
    def partition(self) -> str | None:
        return self.window.key if self.window else None

    @property
    def cut(self) -> Cut:
        return self.run.pipeline.cut(self.spec.event_time)

    def table(self, stage: str) -> str:
        return self.run.table(stage, self.dataset)

    def selection(self) -> list[str] | None:
        return None if self.partition is None else [self.partition]


def materialize_profiled(run: StageRun, dataset: str, *, validation: Validation) -> Outcome:
    """Check one partition of a dataset and keep the rows that passed, with their profile and quality.

    All rows read are judged. Where an expectation with `on_failure: block` fails, neither rows nor
    profile are written: what was in the lake stays, and the failed check stops the run. Rows that
    broke a rule with `on_failure: quarantine` go to the quarantine table, whatever its `mostly` says.

    Parameters
    ----------
    run, dataset
        What to check, and where rows are read and written.
    validation
        Judges them.

    Returns
    -------
    Outcome
        With one check per expectation, in declared order.

    Raises
    ------
    ExpectationError
        If a blocking expectation cannot be evaluated, or rows were lost on the way to the two tables.
    """
    started = time.monotonic()
    stage = _Stage(run, dataset)
    raw = run.lake.snapshot(stage.table("raw"))
    relation = scan(raw, stage.selection())
    with run.engine.connect() as connection:
        results = validation.validate_rows(connection, relation, stage.spec)
        _refuse_unevaluated(stage, results)
        facts = count_facts(
            connection,
            relation,
            key=stage.spec.key,
            event_time=stage.spec.event_time,
            n_rejected=_n_rejected(connection, stage),
        )
        quality = _quality(stage, facts, results)
        is_blocked = any(result.is_blocking_failure for result in results)
        written = _NOTHING if is_blocked else _write_rows(connection, stage, relation, facts.n_rows)
        earlier = _earlier(connection, stage)
    history = run.lake.write(
        stage.table(QUALITY.name),
        quality_table(
            quality,
            partition=stage.partition,
            n_rows=facts.n_rows,
            n_quarantined=written.n_quarantined,
            is_blocked=is_blocked,
            critical_failures=[r.name for r in results if not r.is_passed and r.spec.severity == "critical"],
            clock=run.scope.clock,
        ),
        partition=stage.partition,
        commit=run.commit,
        cut=stage.cut,
    )
    return _outcome(raw, facts, quality, results, written, history, earlier, time.monotonic() - started)


@dataclass(frozen=True)
class _Written:
    """Outputs of the stage: snapshots by stage (none where a rule blocked), and facts of the rows that passed."""

    snapshots: Mapping[str, Snapshot]
    n_quarantined: int
    profiles: tuple[ColumnProfile, ...]
    size_bytes: int


_NOTHING = _Written({}, 0, (), 0)


def _refuse_unevaluated(stage: _Stage, results: Sequence[ExpectationResult]) -> None:
    """Stop where a rule that guards everything downstream could not be asked."""
    for result in results:
        if result.error is not None and result.spec.on_failure == "block":
            raise ExpectationError(
                f"{stage.table('profiled')}: the blocking expectation '{result.name}' could not be evaluated: "
                f"{result.error}. Mend the rule, or set 'on_failure: report'."
            )


def _n_rejected(connection: duckdb.DuckDBPyConnection, stage: _Stage) -> int:
    table = stage.table("raw_rejects")
    if not stage.lake.has(table):
        return 0
    relation = scan(stage.lake.snapshot(table), stage.selection())
    return int(scalar(connection, f"SELECT count(*) FROM {relation}"))


def _quality(stage: _Stage, facts: RowFacts, results: Sequence[ExpectationResult]) -> DataQuality:
    findings = [
        RuleFinding(
            result.spec.expect,
            1 - (result.n_unexpected or 0) / result.n_evaluated
            if result.n_evaluated
            else float(result.is_passed),
        )
        for result in results
        if result.error is None
    ]
    window = stage.window
    return assess_quality(facts, findings, (window.start, window.end) if window else None)


def _write_rows(connection: duckdb.DuckDBPyConnection, stage: _Stage, relation: str, n_rows: int) -> _Written:
    """Write rows that passed, rows that did not, and the profile; check that none was lost."""
    described = connection.sql(f"SELECT * FROM {relation} LIMIT 0")
    kinds = {name: kind_of(str(t)) for name, t in zip(described.columns, described.types, strict=True)}
    rules = RowRules.of(stage.spec.expectations, kinds)
    snapshots = {}
    for name, query in (("profiled", rules.passing(relation)), ("quarantine", rules.quarantined(relation))):
        rows = connection.sql(query).to_arrow_reader()
        snapshots[name] = stage.lake.write(
            stage.table(name),
            rows,
            partition=stage.partition,
            commit=stage.run.commit,
            cut=stage.cut,
        )
    passed = scan(snapshots["profiled"], stage.selection())
    n_quarantined = _n_rows(connection, scan(snapshots["quarantine"], stage.selection()))
    n_passed = _n_rows(connection, passed)
    if n_passed + n_quarantined != n_rows:
        raise ExpectationError(
            f"{stage.table('profiled')}, partition {stage.partition}: {n_rows} rows were read, {n_passed} passed and "
            f"{n_quarantined} were quarantined. Rows were lost or doubled: please report it with the declaration."
        )
    profiles = profile_relation(connection, passed)
    snapshots["profiles"] = stage.lake.write(
        stage.table(PROFILES.name),
        profile_table(profiles),
        partition=stage.partition,
        commit=stage.run.commit,
        cut=stage.cut,
    )
    files = snapshots["profiled"].paths(stage.selection())
    return _Written(snapshots, n_quarantined, profiles, sum(Path(path).stat().st_size for path in files))


def _n_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(scalar(connection, f"SELECT count(*) FROM {relation}"))


def _earlier(connection: duckdb.DuckDBPyConnection, stage: _Stage) -> dict[str, EarlierColumn]:
    """Merge the profiles of the last partitions before this one."""
    table = stage.table(PROFILES.name)
    if stage.partition is None or not stage.lake.has(table):
        return {}
    snapshot = stage.lake.snapshot(table)
    before = [partition for partition in snapshot.partitions if partition < stage.partition][-MOST_EARLIER:]
    rows = connection.sql(f"SELECT * FROM {scan(snapshot, before)}")
    return merge_profiles(read_profiles(rows.to_arrow_table()))


def _outcome(
    raw: Snapshot,
    facts: RowFacts,
    quality: DataQuality,
    results: Sequence[ExpectationResult],
    written: _Written,
    history: Snapshot,
    earlier: Mapping[str, EarlierColumn],
    duration_s: float,
) -> Outcome:
    profiled = written.snapshots.get("profiled")
    source = f"{raw.table}@{raw.version}"
    metadata: dict[str, object] = {
        "n_rows": facts.n_rows - written.n_quarantined if profiled else 0,
        "n_rows_read": facts.n_rows,
        "n_rejected": facts.n_rejected,
        "n_quarantined": written.n_quarantined,
        "quality_score": quality.score,
        **{f"quality_{name}": value for name, value in quality.dimensions.items()},
        "n_expectations": len(results),
        "n_expectations_failed": sum(not r.is_passed and r.error is None for r in results),
        "n_expectations_unevaluated": sum(r.error is not None for r in results),
        "is_blocked": profiled is None,
        "size_bytes": written.size_bytes,
        "duration_s": duration_s,
        "reads": source,
        "writes": ", ".join(f"{s.table}@{s.version}" for s in [*written.snapshots.values(), history]),
    }
    if profiled is None:
        metadata["blocked_by"] = ", ".join(r.name for r in results if r.is_blocking_failure)
        metadata["what_happened"] = "A blocking expectation failed: no rows were written, earlier ones stay."
    pages = {"quality": quality_page(quality)}
    if profiled:
        pages["profile"] = profile_page(written.profiles, earlier)
    return Outcome(
        data_version=f"{profiled.table}@{profiled.version}" if profiled else f"blocked:{source}",
        metadata=metadata,
        markdown=pages,
        tables={"expectations": [_table_row(result) for result in results]},
        checks=tuple(_checks(results)),
    )


def _table_row(result: ExpectationResult) -> dict[str, object]:
    """Return one line of the table of expectations; every line has the same columns, as Dagster asks."""
    return {
        "expectation": result.name,
        "verdict": "passed" if result.is_passed else "not evaluated" if result.error else "failed",
        "rows_broken": result.n_unexpected,
        "rows_judged": result.n_evaluated,
        "severity": result.spec.severity,
        "on_failure": result.spec.on_failure,
    }


def _checks(results: Iterable[ExpectationResult]) -> Iterable[CheckOutcome]:
    for result in results:
        metadata: dict[str, object] = {"evaluated_by": result.way, "on_failure": result.spec.on_failure}
        if result.error is not None:
            metadata["error"] = result.error
        if result.n_evaluated is not None and result.n_unexpected is not None:
            metadata |= {"n_judged": result.n_evaluated, "n_broken": result.n_unexpected}
            if result.n_evaluated:
                metadata["broken_share"] = result.n_unexpected / result.n_evaluated
        metadata["result"] = json.dumps(result.result, default=str)
        yield CheckOutcome(
            name=result.name,
            is_passed=result.is_passed,
            severity="critical" if result.is_blocking_failure else result.spec.severity,
            description=_description(result),
            metadata=metadata,
        )


def _description(result: ExpectationResult) -> str:
    """Describe the findings in one line."""
    if result.error is not None:
        return f"Could not be evaluated (an error of the rule, not of the data): {result.error}"
    if result.n_evaluated is not None and result.n_unexpected is not None:
        return f"{result.n_unexpected:,} of {result.n_evaluated:,} rows broke it."
    observed = result.result.get("observed_value")
    return "" if observed is None else f"Observed: {json.dumps(observed, default=str)[:200]}"
