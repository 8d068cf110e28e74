"""Jobs that move model versions from Dagster's launchpad: promote, archive, roll back, rebuild.

One job for each move, whatever the number of pipelines: which of them, and which version, is its configuration.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.model.reproduction import reproduce
from declaration.pipeline import Pipeline
from pipelines.graph.model_card import refresh_cards
from resources.model_registry.ledger import Decision
from resources.model_registry.moves import Mover

Config = Mapping[str, Any]
"""What a person filled in; Dagster has checked it against the fields of the job."""

_VERSION = dg.Field(int, description="Number of the version.")
_FORCE = dg.Field(
    bool,
    default_value=False,
    description="Also a version that the gate turned down, whose approval is too late, or that is archived.",
)


@dataclass(frozen=True)
class Move:
    """A move as a job.

    Attributes
    ----------
    job
        Its name.
    description
        What it does, for the web UI.
    fields
        What it asks for beside pipeline, person and reason.
    act
        Does it: given who moves, the configuration and the pipeline.
    """

    job: str
    description: str
    fields: Mapping[str, dg.Field]
    act: Callable[[Mover, Config, Pipeline, Any], Decision]


def _promote(mover: Mover, config: Config, pipeline: Pipeline, resources: Any) -> Decision:
    del pipeline, resources
    return mover.promote(config.get("version"), is_forced=config["force"])


def _archive(mover: Mover, config: Config, pipeline: Pipeline, resources: Any) -> Decision:
    del pipeline, resources
    return mover.archive(config["version"])


def _roll_back(mover: Mover, config: Config, pipeline: Pipeline, resources: Any) -> Decision:
    del pipeline, resources
    return mover.roll_back(config.get("version"))


def _reproduce(mover: Mover, config: Config, pipeline: Pipeline, resources: Any) -> Decision:
    reproduction = reproduce(
        pipeline,
        config["version"],
        lake=resources.lake,
        engine=resources.engine,
        registry=resources.registry,
    )
    return mover.note_rebuilt(reproduction.version, reproduction.outcome, reproduction.findings)


MOVES = (
    Move(
        "promote_model",
        "Lets a challenger serve: the one that waits, or the version that is named.",
        {
            "version": dg.Field(int, is_required=False, description="By default the challenger."),
            "force": _FORCE,
        },
        _promote,
    ),
    Move("archive_model", "Takes a version out: no alias names it, and it serves again only by force.", {"version": _VERSION}, _archive),
    Move(
        "roll_back_model",
        "Lets an earlier version serve again: the champion before, or the version that is named.",
        {"version": dg.Field(int, is_required=False, description="By default the champion before.")},
        _roll_back,
    ),
    Move(
        "reproduce_model",
        "Rebuilds a version from its pinned training set, compares the bytes, and names what differs.",
        {"version": _VERSION},
        _reproduce,
    ),
)  # fmt: skip


def move_jobs(pipelines: Sequence[Pipeline]) -> list[dg.JobDefinition]:
    """Build the jobs of some pipelines that learn; none where there are none."""
    learning = {pipeline.name: pipeline for pipeline in pipelines if pipeline.spec.target is not None}
    return [_job(move, learning) for move in MOVES] if learning else []


def _job(move: Move, pipelines: Mapping[str, Pipeline]) -> dg.JobDefinition:
    @dg.op(
        name=move.job.removesuffix("_model") + "_version",
        description=move.description,
        required_resource_keys={"lake", "engine", "registry", "reports"},
        config_schema={
            "pipeline": dg.Field(
                _choice(sorted(pipelines)),
                description="Whose version.",
            ),
            "person": dg.Field(str, description="Your name: the ledger says who decided."),
            "reason": dg.Field(str, description="Why, for those who read the ledger."),
            **move.fields,
        },
        out=dg.Out(dg.Nothing),
    )
    def act(context: dg.OpExecutionContext) -> None:
        config, resources = context.op_config, context.resources
        pipeline = pipelines[config["pipeline"]]
        mover = Mover(
            resources.lake,
            resources.registry,
            pipeline.name,
            actor=config["person"],
            reason=config["reason"],
            clock=datetime.now(UTC),
            run_id=context.run_id,
        )
        decision = move.act(mover, config, pipeline, resources)
        _tell(context, pipeline.name, decision)
        refresh_cards(
            pipeline, decision, resources.lake, resources.registry, resources.reports, now=datetime.now(UTC)
        )

    @dg.job(name=move.job, description=f"{move.description} Each move is a row of the pipeline's ledger.")
    def job() -> None:
        act()

    return job


def _choice(names: Sequence[str]) -> dg.Enum:
    """Return the type of a pipeline's name. Dagster knows a type by its name for as long as the process lives."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    return dg.Enum(f"Pipeline_{digest}", [dg.EnumValue(name) for name in names])


def _tell(context: dg.OpExecutionContext, pipeline: str, decision: Decision) -> None:
    """Say in the run's log and metadata what was written into the ledger."""
    context.log.info(
        f"version {decision.version} of {pipeline} {decision.action} by {decision.actor}: {decision.gate_report}"
    )
    context.add_output_metadata(
        {
            "pipeline": pipeline,
            "version": decision.version,
            "action": decision.action,
            "champion_version": decision.champion_after or "none",
            "ledger_row": dg.JsonMetadataValue({"reason": decision.reason, "report": decision.gate_report}),
        }
    )
