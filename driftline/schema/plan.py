"""Plan of a schema change: what is refused, and which tables are written anew; and doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from assets.raw.column_rewrites import ColumnRewrite, rewritten_schema
from assets.raw.contracts import Contract, SchemaError, TableRewrites, contract_of
from assets.raw.full_loads import FINGERPRINT
from assets.raw.registry import SCHEMA_MARK, register
from declaration.pipeline import Pipeline
from declaration.schemas import changes
from declaration.sql import quote_identifier, scalar
from resources.lake.lake import Lake, LakeError, scan

if TYPE_CHECKING:
    from resources.engine.duckdb import Engine

APPLIED_BY = "schema apply"
"""Run that is recorded with what `driftline schema apply` writes."""

MOST_EXACT = 2**53
"""Whole numbers up to this are exact as 64-bit fractions (IEEE 754 binary64, 53 bits of significand)."""


@dataclass(frozen=True)
class DatasetPlan:
    """Plan for one dataset.

    Attributes
    ----------
    contract
        What is declared, and what was registered.
    changes
        What changed since the newest version, in words.
    refused
        Why it cannot be done; nothing is written then.
    tables
        Tables that are written anew, in the order in which it happens.
    """

    contract: Contract
    changes: tuple[str, ...]
    refused: tuple[str, ...]
    tables: tuple[TableRewrites, ...]

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing changes."""
        return not (self.changes or self.refused or self.tables)


def plan_schemas(pipeline: Pipeline, lake: Lake, engine: Engine, clock: datetime) -> Sequence[DatasetPlan]:
    """Compare the declared columns of each dataset with the registry and the lake; nothing is written."""
    return [_plan(contract_of(pipeline, name, lake), lake, engine, clock) for name in pipeline.spec.datasets]


def _plan(contract: Contract, lake: Lake, engine: Engine, clock: datetime) -> DatasetPlan:
    tables, newest = tuple(contract.rewrites(lake)), contract.newest
    refused = [
        *contract.faults(clock),
        *_cut_fault(contract, lake),
        *(text for table in tables for text in _faults(table, engine)),
    ]
    told = () if newest is None else tuple(changes(newest, contract.declared))
    return DatasetPlan(contract, told, tuple(refused), tables)


def _cut_fault(contract: Contract, lake: Lake) -> Iterator[str]:
    """Say where the partitions of a dataset are cut otherwise than its table."""
    spec = contract.pipeline.spec.datasets[contract.dataset]
    table = contract.pipeline.table("raw", contract.dataset)
    if spec.is_partitioned and lake.has(table):
        try:
            lake.check_cut(table, contract.pipeline.cut(spec.event_time))
        except LakeError as error:
            yield str(error)


def _faults(table: TableRewrites, engine: Engine) -> Iterator[str]:
    name = table.snapshot.table
    for rewrite in table.columns:
        if not rewrite.is_possible:
            yield (
                f"table '{name}': {rewrite} would make other values of some. Restore the type, give the new column another "
                f"name, or build the tables anew: `driftline rebuild {name.partition('/')[0]}`."
            )
        elif rewrite.may_be_inexact and (n_inexact := _n_inexact(table, rewrite, engine)):
            yield (
                f"table '{name}': {n_inexact:,} values of '{rewrite.present}' lie beyond 2^53 and are no exact fractions. "
                "Restore the type `int`, or declare `decimal`."
            )


def _n_inexact(table: TableRewrites, rewrite: ColumnRewrite, engine: Engine) -> int:
    column = quote_identifier(rewrite.present)
    with engine.connect() as connection:
        condition = f"{column} NOT BETWEEN {-MOST_EXACT} AND {MOST_EXACT}"
        return int(scalar(connection, f"SELECT count(*) FROM {scan(table.snapshot)} WHERE {condition}"))


def apply_schemas(
    pipeline: Pipeline, lake: Lake, engine: Engine, clock: datetime
) -> Sequence[tuple[DatasetPlan, Sequence[int]]]:
    """Write the tables anew that a plan names; return it with the versions that were made.

    Each table gets its rows in one version: stopped at any instant, it is as it was, or as it shall be, and the next call
    does what is left.

    Raises
    ------
    SchemaError
        If anything is refused; nothing is written then.
    LakeError
        If a run writes a table at the same time; that one and those after it stay as they were.
    """
    plans = plan_schemas(pipeline, lake, engine, clock)
    refused = [f"dataset '{plan.contract.dataset}': {text}" for plan in plans for text in plan.refused]
    if refused:
        raise SchemaError(f"nothing was written. {' '.join(refused)}")
    return [(plan, _applied(plan, lake, clock)) for plan in plans]


def _applied(plan: DatasetPlan, lake: Lake, clock: datetime) -> Sequence[int]:
    contract = plan.contract
    versions = [_rewritten(table, contract, lake) for table in plan.tables]
    if versions:
        register(lake, contract.pipeline, contract.dataset, contract.declared, run_id=APPLIED_BY, clock=clock)
    return versions


def _rewritten(table: TableRewrites, contract: Contract, lake: Lake) -> int:
    snapshot = table.snapshot
    before = lake.commit_of(snapshot.table)
    written = lake.rewrite(
        snapshot.table,
        rewritten_schema(snapshot.schema, table.columns, table.removed),
        {rewrite.column: rewrite.present for rewrite in table.columns if rewrite.is_rename},
        version=snapshot.version,
        commit={
            "pipeline": contract.pipeline.name,
            "run_id": APPLIED_BY,
            "spec_hash": contract.pipeline.spec_hash,
            SCHEMA_MARK: contract.mark,
            # The rows are the same state of the source: else an unchanged one would be another load.
            **({FINGERPRINT: str(before[FINGERPRINT])} if FINGERPRINT in before else {}),
        },
    )
    return written.version


def told(plans: Sequence[DatasetPlan]) -> str:
    """Write a plan for people."""
    lines: list[str] = []
    for plan in plans:
        if plan.is_nothing:
            continue
        number = plan.contract.versions[-1].number if plan.contract.versions else None
        lines.append(
            f"{plan.contract.dataset}: {'not registered yet' if number is None else f'version {number} is registered'}"
        )
        lines += [f"  {text}" for text in plan.changes]
        lines += [f"  refused: {text}" for text in plan.refused]
        for table in plan.tables:
            snapshot, columns = table.snapshot, ", ".join(table.texts)
            n_partitions = len(snapshot.partitions)
            counts = (
                f"{n_partitions:,} partitions, {snapshot.n_rows:,} rows"
                if n_partitions > 1
                else f"{snapshot.n_rows:,} rows"
            )
            by_run = "; the next run would do it too" if table.is_by_run else ""
            lines.append(
                f"  {snapshot.table}@{snapshot.version} is written anew ({counts}): {columns}{by_run}"
            )
    if not lines and not any(plan.contract.versions for plan in plans):
        return "No changes: nothing is registered yet, which the next run does."
    return "\n".join(lines) or "No changes: what is registered is what is declared."
