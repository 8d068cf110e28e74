"""Skill against naive baselines as a table of the lake, by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from declaration.lake_table import LakeTable
from learning.skill import Skill, baseline_rank

BASELINE_SKILL = LakeTable(
    "baseline_skill",
    pa.schema(
        [
            ("partition", pa.string()),
            ("model_version", pa.int32()),
            ("baseline", pa.string()),
            ("loss", pa.string()),
            ("n", pa.int64()),
            ("value", pa.float64()),
            ("baseline_value", pa.float64()),
            ("skill", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("is_surely_worse", pa.bool_()),
        ]
    ),
)
"""A row per report and naive baseline, the best baseline first; none where no label has come."""


def skill_table(partition: str, version: int | None, skills: Sequence[Skill]) -> pa.Table:
    """Write a model's skill against each baseline as rows."""
    rows = [{"partition": partition, "model_version": version, **asdict(skill)} for skill in skills]
    return BASELINE_SKILL.rows(rows)


def best_from_rows(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Skill]:
    """Read the best baseline of each window from the rows of `skill_table`, by partition."""
    windows: dict[str, list[Skill]] = {}
    for row in rows:
        fields = {name: row[name] for name in row if name not in ("partition", "model_version")}
        windows.setdefault(row["partition"], []).append(Skill(**fields))
    return {partition: min(skills, key=baseline_rank) for partition, skills in windows.items()}
