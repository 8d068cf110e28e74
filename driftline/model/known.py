"""All that ledger, registry and lake keep of one model version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from assets.model.quantiles import QUANTILES, figures_header, figures_rows, read_figures
from assets.model.recorded import Recorded
from declaration.errors import DriftlineError
from declaration.model import candidate_text
from declaration.pipeline import Pipeline
from driftline.model.compared import COMPARED_KEYS, figure_text, gap_text, gate_limits
from driftline.model.moved import decision_document
from driftline.model.table import as_document, holdout_text, read_versions
from driftline.model.versions import VersionRow, gate_verdict
from driftline.printing import Column, console, print_table
from learning.environment import Environment
from learning.judged import judged_text
from learning.model_file import preprocessing_texts
from learning.quantiles import QuantileFigures
from resources.connections import Connections
from resources.lake.lake import Lake
from resources.model_registry.approval import approve_until
from resources.model_registry.ledger import trusted_sha256
from resources.model_registry.registry import TrainingRun
from resources.model_registry.version import ModelRegistryError

N_IMPORTANCES = 15
"""Features that are listed; JSON has all."""


class UnknownVersionError(DriftlineError):
    """The pipeline has no such version, or none at all."""


@dataclass(frozen=True)
class Known:
    """Record of a version: its row, MLflow's run, the candidates that its training compared, and its preprocessing and quantiles as learned."""

    row: VersionRow
    run: TrainingRun | None
    candidates: list[Mapping[str, Any]]
    preprocessing: list[Mapping[str, object]]
    environment: Environment | None
    quantiles: tuple[QuantileFigures, ...]


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
    numbers = ", ".join(str(row.version) for row in rows)
    raise UnknownVersionError(f"'{pipeline.name}' has no model version {version}. Its versions: {numbers}.")


def read_known(pipeline: Pipeline, row: VersionRow, connections: Connections) -> Known:
    """Read what registry and lake keep of a version."""
    candidates = _rows_of(connections.lake, pipeline.table("candidates"), row.version)
    quantiles = read_figures(_rows_of(connections.lake, QUANTILES.of(pipeline.name), row.version))
    run = (
        connections.registry.training_run(pipeline.name, row.version) if row.registered is not None else None
    )
    tags = connections.registry.version_tags(pipeline.name).get(row.version, {})
    preprocessing = _preprocessing(pipeline, row, connections)
    return Known(row, run, candidates, preprocessing, Recorded.from_tags(tags).environment, quantiles)


def _rows_of(lake: Lake, table: str, version: int) -> list[Mapping[str, Any]]:
    return lake.read(table, partitions=[str(version)]).to_pylist() if lake.has(table) else []


def _preprocessing(
    pipeline: Pipeline, row: VersionRow, connections: Connections
) -> list[Mapping[str, object]]:
    """Read from the model file what its preprocessing learned, a row for each feature; an untrusted file is not opened."""
    if row.registered is None or not row.decisions:
        return []
    sha256 = trusted_sha256(row.decisions, row.version)
    try:
        content = connections.registry.model_file(pipeline.name, row.version, sha256=sha256)
    except ModelRegistryError as error:
        return [{"feature": "", "kind": "not read", "steps": str(error)}]
    return [
        {"feature": one.name, "kind": one.kind, "steps": one.steps} for one in preprocessing_texts(content)
    ]


def known_document(facts: Known) -> Mapping[str, object]:
    """Return what is known of a version as JSON; its keys are those of the command."""
    registered, run = facts.row.registered, facts.run
    return {
        **as_document(facts.row),
        "training_table_version": registered.training_table_version if registered else None,
        "n_training_rows": registered.n_training_rows if registered else None,
        "holdout_start": registered.holdout_start.isoformat() if registered else None,
        "n_judged": registered.n_judged if registered else None,
        "n_folds": registered.n_folds if registered else None,
        "span": registered.span if registered else None,
        "learned_since": registered.learned_since.isoformat()
        if registered and registered.learned_since
        else None,
        "artifact_sha256": registered.artifact_sha256
        if registered
        else facts.row.decisions[0].artifact_sha256,
        "features": list(registered.feature_names) if registered else [],
        "importances": dict(registered.importances) if registered else {},
        "settings": _settings(run),
        "environment": dict(facts.environment.named()) if facts.environment else None,
        "mlflow_run": run.run_id if run else None,
        "model_file": run.model_file if run else None,
        "preprocessing": facts.preprocessing,
        "candidates": [
            {
                "candidate": _name(candidate),
                **{key: candidate[key] for key in ("algorithm", "metric", "value", "fit_seconds", "is_best")},
                **{key: candidate.get(key) for key in COMPARED_KEYS},
            }
            for candidate in facts.candidates
        ],
        "quantiles": [
            {**asdict(one), "skill": one.skill, "naive_skill": one.naive_skill} for one in facts.quantiles
        ],
        "decisions": [
            {
                **decision_document(decision),
                "limits": [finding.text for finding in gate_limits(decision)],
                "approve_until": until.isoformat() if until is not None else None,
            }
            for decision in facts.row.decisions
            for until in [approve_until(decision)]
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


def print_known(pipeline: Pipeline, facts: Known) -> None:
    """Print what is known of a version for people."""
    to = console()
    to.print(Text.assemble((f"{pipeline.name} version {facts.row.version}", "bold")))
    lines = list(_lines(pipeline, facts))
    width = max(len(title) for title, _ in lines)
    for title, text in lines:
        to.print(Text.assemble((f"  {title:<{width}}  ", "dim"), text), soft_wrap=True)
    if facts.candidates:
        print_table(
            _CANDIDATE_COLUMNS,
            _candidate_rows(facts),
            title="Candidates, each learned from all rows, out of fold; 95 % intervals",
        )
    if facts.quantiles:
        header = figures_header(facts.quantiles)
        print_table(
            [Column(str(place), title, is_number=True) for place, title in enumerate(header)],
            [{str(place): cell for place, cell in enumerate(row)} for row in figures_rows(facts.quantiles)],
            title="Quantiles on the judged rows, out of fold; skill is the share of a loss that is avoided",
        )
    if facts.preprocessing:
        print_table(_PREPROCESSING_COLUMNS, facts.preprocessing, title="Preprocessing as learned")
    if facts.row.registered is not None:
        ordered = sorted(facts.row.registered.importances.items(), key=lambda item: (-item[1], item[0]))
        shown = [{"feature": name, "share": share} for name, share in ordered[:N_IMPORTANCES]]
        columns = (Column("feature", "feature"), Column("share", "share of the skill", is_number=True))
        print_table(columns, shown, title=f"Importances ({len(shown)} of {len(ordered)})")


_PREPROCESSING_COLUMNS = (
    Column("feature", "feature"),
    Column("kind", "kind"),
    Column("steps", "steps"),
)
_CANDIDATE_COLUMNS = (
    Column("candidate", "candidate"),
    Column("metrics", "metrics"),
    Column("gap", "behind the best"),
    Column("fit_seconds", "CPU s", is_number=True),
)


def _name(candidate: Mapping[str, Any]) -> str:
    """Return a candidate's name; rows of before candidates had names hold the algorithm alone."""
    return str(candidate.get("candidate") or candidate["algorithm"])


def _candidate_rows(facts: Known) -> list[Mapping[str, object]]:
    figures: dict[str, list[str]] = {}
    for candidate in facts.candidates:
        figures.setdefault(_name(candidate), []).append(figure_text(candidate))
    seconds = {_name(candidate): candidate["fit_seconds"] for candidate in facts.candidates}
    algorithms = {_name(candidate): candidate["algorithm"] for candidate in facts.candidates}
    best = {_name(candidate) for candidate in facts.candidates if candidate["is_best"]}
    return [
        {
            "candidate": candidate_text(name, algorithms[name]) + (" (chosen)" if name in best else ""),
            "metrics": ", ".join(metrics),
            "gap": gap_text(facts.candidates, name),
            "fit_seconds": round(seconds[name], 2),
        }
        for name, metrics in figures.items()
    ]


def _lines(pipeline: Pipeline, facts: Known) -> Iterator[tuple[str, str]]:
    row, registered, run = facts.row, facts.row.registered, facts.run
    yield "stage", row.stage
    yield "alias", ", ".join(row.aliases) or "none"
    yield "serves", f"since {row.serves_since.since_partition}" if row.serves_since else "no"
    if registered is None:
        yield "registry", "the version is not there: `driftline verify` tells what to do"
    else:
        yield "algorithm", registered.made_by
        yield (
            "trained",
            f"{registered.registered_at:%Y-%m-%d %H:%M} UTC, as of {registered.training_partition}",
        )
        yield "holdout", f"{holdout_text(row)}, since {registered.holdout_start:%Y-%m-%d %H:%M} UTC"
        yield "judged", judged_text(registered.n_judged, registered.n_folds)
        yield (
            "training set",
            f"{pipeline.table('training_set')}@{registered.training_table_version}, {registered.n_training_rows:,} rows",
        )
        yield (
            "learned since",
            f"{registered.learned_since:%Y-%m-%d %H:%M} UTC ({registered.span or 'newest rows'})"
            if registered.learned_since
            else "all rows",
        )
        yield "features", f"{len(registered.feature_names)}"
        yield "sha256", registered.artifact_sha256
    if run is not None:
        yield "file", run.model_file
        yield "MLflow run", run.run_id
        yield "settings", ", ".join(f"{name} = {text}" for name, text in sorted(run.params.items()))
    software = facts.environment
    yield (
        "software",
        ", ".join(f"{name.removeprefix('package ')} {value}" for name, value in software.named().items())
        if software
        else "not recorded",
    )
    for decision in row.decisions:
        outcome, explanation = gate_verdict(decision)
        yield (
            "decision",
            f"{decision.instant:%Y-%m-%d %H:%M} UTC, {decision.partition}: {decision.action} by {decision.actor}, "
            f"{outcome}: {explanation} (asked for: {decision.reason})",
        )
        for finding in gate_limits(decision):
            yield "beyond limit" if finding.is_broken else "limit", finding.text
