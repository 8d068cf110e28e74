"""All checks in order: what one repairs, the next one looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from declaration.errors import DriftlineError
from driftline.verify.claims import Claim, claims_of
from driftline.verify.decisions import check_following, check_ledger, check_model_files
from driftline.verify.files import check_files, check_leftovers
from driftline.verify.finding import Finding, Show, Subject
from driftline.verify.logs import check_log
from driftline.verify.materializations import check_materializations
from driftline.verify.online import check_online
from resources.model_registry.ledger import LEDGER

Check = Callable[[], Iterable[Finding]]


@dataclass(frozen=True)
class Told:
    """A finding, and what was done about it.

    Attributes
    ----------
    finding
        What was found.
    mended
        What was done; empty where it stands.
    """

    finding: Finding
    mended: str = ""


def checks_of(subject: Subject, show: Show) -> Iterator[Check]:
    """List a pipeline's checks: what others build on first."""
    # What Dagster was told is read before the lake: what is written meanwhile is in the lake, then.
    claims = claims_of(subject.instance, subject.name)
    tables = subject.tables()
    for table in tables:
        yield partial(check_log, subject, table)
    has_models = _has_models(subject, claims)
    if has_models:
        yield partial(check_ledger, subject, claims)
    for table in tables:
        yield partial(check_files, subject, table, claims, show)
        yield partial(check_leftovers, subject, table)
    if has_models:
        yield partial(check_following, subject)
        yield partial(check_model_files, subject, show)
    yield partial(check_materializations, subject, claims)
    yield partial(check_online, subject, show)


def _has_models(subject: Subject, claims: Sequence[Claim]) -> bool:
    """Tell whether a model was ever decided on: opening a registry that is not there would make it."""
    has_ledger = LEDGER.of(subject.name) in subject.tables()
    return has_ledger or any(claim.ledger is not None for claim in claims)


def carried_out(checks: Iterable[Check], *, repair: bool) -> Iterator[Told]:
    """Carry out checks; with `repair`, mend what can be mended and check it once more.

    A repair that fails leaves its finding as it was.
    """
    for check in checks:
        findings = [*check()]
        mended = list(_mended(findings)) if repair else []
        yield from mended
        for finding in [*check()] if mended else findings:
            yield Told(finding)


def _mended(findings: Sequence[Finding]) -> Iterator[Told]:
    for finding in findings:
        if finding.mend is None:
            continue
        try:
            result = finding.mend()
        except DriftlineError as error:
            result = f"tried, and not done: {error}"
        yield Told(finding, result)
