"""All that ledger, registry and lake keep of one model version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from declaration.errors import DriftlineError
from declaration.model import candidate_text
from declaration.pipeline import Pipeline
from driftline.model.compared import COMPARED_KEYS, approve_until, figure_text, gap_text, gate_limits
from driftline.model.table import as_document, holdout_text, read_versions
from driftline.model.versions import VersionRow, gate_verdict
from driftline.printing import Column, console, print_table
from learning.judged import judged_text
from resources.connections import Connections
from resources.model_registry.registry import TrainingRun

N_IMPORTANCES = 15
"""Features that are listed; JSON has all."""


class UnknownVersionError(DriftlineError):
    """The pipeline has no such version, or none at all."""


@dataclass(frozen=True)
class Known:
    """What is known of a version besides its row: MLflow's run, and the candidates that its training compared."""

    row: VersionRow
    run: TrainingRun | None
    candidates: list[Mapping[str, Any]]


def chosen_version(pipeline: Pipeline, version: int | None) -> VersionRow:
    """Return a version of a pipeline: the one that is named, else the one that serves, else the newest.

    Raises
    ------
    UnknownVersionError
        If there is no such version, or none at all.
    """
    rows = read_versions(pipeline.name)
    if not rows:
        raise UnknownVersionError(
            f"'{pipeline.name}' has no model yet. `driftline replay {pipeline.name}` trains the first."
        )
    if version is None:
        serving = [row for row in rows if row.serves_since is not None]
        return serving[0] if serving else rows[-1]
    for row in rows:
        if row.version == version:
            return row
    known = ", ".join(str(row.version) for row in rows)
    raise UnknownVersionError(f"'{pipeline.name}' has no model version {version}. Its versions: {known}.")


def read_known(pipeline: Pipeline, row: VersionRow, connections: Connections) -> Known:
    """Read what registry and lake keep of a version."""
    table = pipeline.table("candidates")
    candidates = (
        connections.lake.read(table, partitions=[str(row.version)]).to_pylist()
        if connections.lake.has(table)
        else []
    )
    run = (
        connections.registry.training_run(pipeline.name, row.version) if row.registered is not None else None
    )
    return Known(row, run, candidates)


def known_document(known: Known) -> Mapping[str, object]:
    """Return what is known of a version as JSON; its keys are those of the command."""
    found, run = known.row.registered, known.run
    return {
        **as_document(known.row),
        "training_table_version": found.training_table_version if found else None,
        "n_training_rows": found.n_training_rows if found else None,
        "holdout_start": found.holdout_start.isoformat() if found else None,
        "n_judged": found.n_judged if found else None,
        "n_folds": found.n_folds if found else None,
        "span": found.span if found else None,
        "learned_since": found.learned_since.isoformat() if found and found.learned_since else None,
        "artifact_sha256": found.artifact_sha256 if found else known.row.decisions[0].artifact_sha256,
        "features": list(found.feature_names) if found else [],
        "importances": dict(found.importances) if found else {},
        "settings": _settings(run),
        "mlflow_run": run.run_id if run else None,
        "model_file": run.model_file if run else None,
        "candidates": [
            {
                "candidate": _name(one),
                **{key: one[key] for key in ("algorithm", "metric", "value", "fit_seconds", "is_best")},
                **{key: one.get(key) for key in COMPARED_KEYS},
            }
            for one in known.candidates
        ],
        "decisions": [
            {
                "at": one.instant.isoformat(),
                "partition": one.partition,
                "actor": one.actor,
                "action": one.action,
                "reason": one.reason,
                "outcome": gate_verdict(one)[0],
                "explanation": gate_verdict(one)[1],
                "limits": [finding.text for finding in gate_limits(one)],
                "approve_until": approve_until(one),
                "champion_before": one.champion_before,
                "champion_after": one.champion_after,
                "dagster_run": one.run_id or None,
            }
            for one in known.row.decisions
        ],
    }


def _settings(run: TrainingRun | None) -> Mapping[str, object]:
    """Return the settings of the training; values are JSON where it wrote them so."""
    return {name: _value(text) for name, text in sorted(run.params.items())} if run else {}


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def print_known(pipeline: Pipeline, known: Known) -> None:
    """Print what is known of a version for people."""
    to = console()
    to.print(Text.assemble((f"{pipeline.name} version {known.row.version}", "bold")))
    lines = list(_lines(pipeline, known))
    width = max(len(title) for title, _ in lines)
    for title, text in lines:
        to.print(Text.assemble((f"  {title:<{width}}  ", "dim"), text), soft_wrap=True)
    if known.candidates:
        print_table(
            _CANDIDATE_COLUMNS,
            _candidate_rows(known),
            title="Candidates out of fold, on all rows; 95 % intervals",
        )
    if known.row.registered is not None:
        ordered = sorted(known.row.registered.importances.items(), key=lambda item: (-item[1], item[0]))
        shown = [{"feature": name, "share": share} for name, share in ordered[:N_IMPORTANCES]]
        columns = (Column("feature", "feature"), Column("share", "share of the skill", is_number=True))
        print_table(columns, shown, title=f"Importances ({len(shown)} of {len(ordered)})")


_CANDIDATE_COLUMNS = (
    Column("candidate", "candidate"),
    Column("metrics", "metrics"),
    Column("gap", "behind the best"),
    Column("fit_seconds", "CPU s", is_number=True),
)


def _name(one: Mapping[str, Any]) -> str:
    """Return a candidate's name; rows of before candidates had names hold the algorithm alone."""
    return str(one.get("candidate") or one["algorithm"])


def _candidate_rows(known: Known) -> list[Mapping[str, object]]:
    figures: dict[str, list[str]] = {}
    for one in known.candidates:
        figures.setdefault(_name(one), []).append(figure_text(one))
    seconds = {_name(one): one["fit_seconds"] for one in known.candidates}
    algorithms = {_name(one): one["algorithm"] for one in known.candidates}
    best = {_name(one) for one in known.candidates if one["is_best"]}
    return [
        {
            "candidate": candidate_text(name, algorithms[name]) + (" (chosen)" if name in best else ""),
            "metrics": ", ".join(metrics),
            "gap": gap_text(known.candidates, name),
            "fit_seconds": round(seconds[name], 2),
        }
        for name, metrics in figures.items()
    ]


def _lines(pipeline: Pipeline, known: Known) -> Iterator[tuple[str, str]]:
    row, found, run = known.row, known.row.registered, known.run
    yield "alias", ", ".join(row.aliases) or "none"
    yield "serves", f"since {row.serves_since.since_partition}" if row.serves_since else "no"
    if found is None:
        yield "registry", "the version is not there: `driftline verify` tells what to do"
    else:
        yield "algorithm", found.made_by
        yield "trained", f"{found.registered_at:%Y-%m-%d %H:%M} UTC, as of {found.training_partition}"
        yield "holdout", f"{holdout_text(row)}, since {found.holdout_start:%Y-%m-%d %H:%M} UTC"
        yield "judged", judged_text(found.n_judged, found.n_folds)
        yield (
            "training set",
            f"{pipeline.table('training_set')}@{found.training_table_version}, {found.n_training_rows:,} rows",
        )
        yield (
            "learned since",
            f"{found.learned_since:%Y-%m-%d %H:%M} UTC ({found.span or 'newest rows'})"
            if found.learned_since
            else "all rows",
        )
        yield "features", f"{len(found.feature_names)}"
        yield "sha256", found.artifact_sha256
    if run is not None:
        yield "file", run.model_file
        yield "MLflow run", run.run_id
        yield "settings", ", ".join(f"{name} = {text}" for name, text in sorted(run.params.items()))
    for decision in row.decisions:
        outcome, explanation = gate_verdict(decision)
        yield (
            "decision",
            f"{decision.instant:%Y-%m-%d %H:%M} UTC, {decision.partition}: {decision.action} by {decision.actor}, "
            f"{outcome}: {explanation} (asked for: {decision.reason})",
        )
        for finding in gate_limits(decision):
            yield "beyond limit" if finding.is_broken else "limit", finding.text
