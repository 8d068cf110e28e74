"""Decisions that take effect: a row of the ledger, and the model registry's aliases and notes after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from resources.lake import Lake, Snapshot
from resources.ledger import Decision, Ledger, LedgerError, aliases_after, open_ledger, write_decision
from resources.ledger_notes import lost_rows, note_head, note_row, noted_head
from resources.model_registry import ModelRegistry

MAX_ROUNDS = 50
"""How often the aliases are pointed anew because decisions were added meanwhile."""


@dataclass(frozen=True)
class Enacted:
    """What became of a decision.

    Attributes
    ----------
    ledger
        As it is now.
    decision, written
        The new row, and the ledger's table with it; None where nothing was to be written down.
    """

    ledger: Ledger
    decision: Decision | None = None
    written: Snapshot | None = None


def enact(
    lake: Lake,
    registry: ModelRegistry,
    pipeline: str,
    decide: Callable[[Sequence[Decision]], Decision | None],
    *,
    commit: Mapping[str, str],
) -> Enacted:
    """Decide, write the decision down and let the aliases follow it.

    In this order: aliases that lag behind are pointed again by the next stage that reads the ledger,
    an alias without a row would be nobody's decision.

    Parameters
    ----------
    lake, registry
        Where the ledger is, and the aliases.
    pipeline
        Name of the pipeline.
    decide
        As for `write_decision`: asked anew where another process decided meanwhile.
    commit
        What the lake notes of the commit.
    """
    follow(lake, registry, pipeline)
    ledger, written = write_decision(lake, pipeline, decide, commit=commit)
    if written is None:
        return Enacted(ledger)
    followed = follow(lake, registry, pipeline)
    if followed.head != ledger.head:
        # Others added rows meanwhile, and the newest was noted: this one is not.
        note_row(registry, ledger, ledger.head.count - 1)
    return Enacted(followed, ledger.decisions[-1], written)


def follow(lake: Lake, registry: ModelRegistry, pipeline: str) -> Ledger:
    """Make aliases and notes say what the ledger says; return the ledger.

    The ledger is read once more after they were changed, and is followed again where it has grown: of two
    processes the one that changes them last has read the newest row.

    Raises
    ------
    LedgerError
        If the ledger lacks rows that were noted.
    """
    for _ in range(MAX_ROUNDS):
        noted = noted_head(registry, pipeline)
        # After the note, which is written after the row: a ledger that is shorter has lost rows.
        ledger = open_ledger(lake, pipeline)
        shortfall = lost_rows(ledger, noted)
        if shortfall:
            raise LedgerError(
                f"ledger of '{pipeline}' in {lake.root} {shortfall}. Nothing is served or decided from it. "
                f"`python -m pipelines.verify {pipeline} --repair` writes the rows that were noted again; else restore "
                "lake and registry from one backup."
            )
        changed = registry.point_aliases(pipeline, aliases_after(ledger.decisions))
        is_noted = noted == ledger.head or not ledger.decisions
        if not is_noted:
            note_head(registry, ledger)
        if is_noted and not changed:
            return ledger
        if ledger.version is not None and lake.snapshot(f"{pipeline}/ledger").version == ledger.version:
            return ledger
    raise LedgerError(
        f"ledger of '{pipeline}' in {lake.root} grew {MAX_ROUNDS} times while its aliases were pointed. "
        "Materialize again when the other processes have finished."
    )
