"""Decisions: the ledger's rows, what others know of them, the aliases that follow, and the files of the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from driftline.verify.claims import Claim
from driftline.verify.finding import Finding, Show, Subject
from driftline.verify.ledger_repair import recovered, rewrite
from feature_repo.table_damage import fault_of
from resources.lake.errors import LakeError
from resources.model_registry.enactment import follow
from resources.model_registry.ledger import (
    LEDGER,
    Ledger,
    LedgerError,
    aliases_after,
    open_ledger,
    trusted_sha256,
)
from resources.model_registry.ledger_chain import Head
from resources.model_registry.ledger_notes import lost_rows, noted_head, noted_rows
from resources.model_registry.version import ModelRegistryError


def check_ledger(subject: Subject, claims: Sequence[Claim]) -> Iterator[Finding]:
    """Find rows that are changed or lost: by their chain, the registry's notes, and what Dagster was told."""
    connections, where = subject.connections, f"table '{subject.name}/ledger'"
    head = _told_head(claims)
    # Before the ledger: a row that is added in between is in neither.
    noted = noted_head(connections.registry, subject.name)
    try:
        ledger = open_ledger(connections.lake, subject.name)
    except LedgerError as error:
        what = str(error).partition(": ")[2].partition(". ")[0]
    except LakeError as error:
        what = str(error).partition(". ")[0]
    else:
        what = (
            _damaged_file(subject)
            or lost_rows(ledger, noted)
            or lost_rows(ledger, head, by="Dagster was told of")
        )
    if what:
        mend, how = _mend(subject, head)
        yield subject.finding("ledger", where, what, how, mend)


def _damaged_file(subject: Subject) -> str:
    """Name a file of the ledger that is not as it was written, though its rows can still be read."""
    table = LEDGER.of(subject.name)
    paths = subject.connections.lake.snapshot(table).paths() if subject.connections.lake.has(table) else ()
    faults = ((path, fault_of(path)) for path in paths)
    return next((f"{path}: {fault}" for path, fault in faults if fault), "")


def _told_head(claims: Sequence[Claim]) -> Head | None:
    """Return the longest ledger that a materialization told Dagster of."""
    heads = [Head(*claim.ledger) for claim in claims if claim.ledger is not None and claim.ledger[0]]
    return max(heads, key=lambda head: head.count, default=None)


def _mend(subject: Subject, head: Head | None) -> tuple[Callable[[], str] | None, str]:
    try:
        rows = recovered(subject.connections.lake, subject.connections.registry, subject.name, head)
    except LakeError:
        rows = None
    if rows is None:
        return None, "Restore the table's folder from a backup: the registry's notes do not hold all rows."
    return (
        lambda: rewrite(subject.connections.lake, subject.name, rows),
        f"Restore the table's folder from a backup, or let --repair write the {len(rows)} rows again "
        "that the registry noted and the table still has; their chain proves them.",
    )


def check_following(subject: Subject) -> Iterator[Finding]:
    """Find aliases and notes in the registry that do not say what the ledger says."""
    ledger = _whole(subject)
    if ledger is None:
        return
    connections, mend = subject.connections, lambda: _follow(subject)
    expected, present = aliases_after(ledger.decisions), connections.registry.aliases(subject.name)
    for name, number in expected.items():
        if present.get(name) != number:
            yield subject.finding(
                "alias", f"alias '{name}' in MLflow",
                f"it names {_version(present.get(name))}, and by the ledger it is {_version(number)}",
                "--repair points it, as the next stage that reads the ledger does.", mend,
            )  # fmt: skip
    noted = noted_rows(connections.registry, subject.name)
    missing = [place for place in range(ledger.n_before_chain, ledger.head.count) if place not in noted]
    if missing:
        yield subject.finding(
            "note", "tags of the model versions in MLflow",
            f"rows {', '.join(map(str, missing))} of the ledger are not noted", "--repair notes them.",
            lambda: _follow(subject, missing),
        )  # fmt: skip
    elif (
        ledger.n_before_chain < ledger.head.count
        and noted_head(connections.registry, subject.name) != ledger.head
    ):
        yield subject.finding(
            "note", "tags of the registered model in MLflow", "the ledger's head is not noted",
            "--repair notes it.", mend,
        )  # fmt: skip


def _whole(subject: Subject) -> Ledger | None:
    """Return the ledger; None where it is empty, or another finding says that it cannot be read."""
    try:
        ledger = open_ledger(subject.connections.lake, subject.name)
    except (LakeError, LedgerError):
        return None
    return ledger if ledger.decisions else None


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


def _follow(subject: Subject, noting: Sequence[int] = ()) -> str:
    ledger = follow(subject.connections.lake, subject.connections.registry, subject.name, noting=noting)
    return f"aliases of '{subject.name}' follow row {ledger.head.count - 1} of the ledger"


def check_model_files(subject: Subject, show: Show) -> Iterator[Finding]:
    """Find versions of the ledger whose file is gone, or is not the one that was judged."""
    ledger = _whole(subject)
    if ledger is None:
        return
    for number in sorted({decision.version for decision in ledger.decisions}):
        show(f"model version {number}")
        where = f"model version {number}" + (", the champion" if number == ledger.champion else "")
        try:
            sha256 = trusted_sha256(ledger.decisions, number)
            subject.connections.registry.model_file(subject.name, number, sha256=sha256)
        except (LedgerError, ModelRegistryError) as error:
            what, _, how = str(error).partition(". ")
            yield subject.finding("model file", where, what, how)
