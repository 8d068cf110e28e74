"""Metadata of a materialization in Dagster: the verdict first, then the numbers, at the end what programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from math import isfinite
from string import Formatter
from typing import TYPE_CHECKING

import dagster as dg

from assets.materialization import Outcome

if TYPE_CHECKING:
    from dagster._core.definitions.metadata import RawMetadataValue

CLAUSES: Mapping[str, tuple[str, ...]] = {
    "raw": ("{n_rows:,} rows read", "{n_rejected:,} rejected", "{n_out_of_range:,} in no partition", "{note}"),
    "profiled": (
        "{n_rows:,} rows passed", "{n_quarantined:,} quarantined",
        "{n_expectations_failed} of {n_expectations} expectations failed", "quality {quality_score:.3f}",
    ),
    "features": ("{n_rows:,} rows of {n_features} features", "{n_loaded_online:,} loaded online"),
    "labels": (
        "{n_labelled:,} of {n_rows:,} predictions have their label", "{n_known_at_end:,} knew it at the partition's end",
    ),
    "training_set": ("{n_rows:,} rows × {n_features} features of {n_partitions} partitions", "{note}"),
    "model": ("version {model_version} trained", "version {champion_version} serves", "{gate_explanation}"),
    "predictions": ("{n_rows:,} rows scored", "by version {model_version}", "mean score {score_mean:.3g}", "{note}"),
    "drift_report": ("{headline} {explanation}",),
}  # fmt: skip
"""Parts of each stage's verdict; one whose facts are not known is left out."""

PICTURE = "picture"
"""Name of a picture that is small enough to be shown in the table itself."""

PAGES = ("report", "life", "card")
"""Facts that are paths of pages."""

TOLD = frozenset({"headline", "explanation", "gate_explanation", "note"})
"""Facts that the verdict has in full."""

FOR_PROGRAMS = frozenset({"reads", "writes", "signals", "retrain_requested", "retrain_reason", "ledger_rows"})
"""Facts that sensors and `verify` read, besides the checksums."""

WIDEST_ROW = 60
"""Letters of a row of a table that its column shows on a screen of 1,400 pixels; longer ones lose their end."""

OPENED_LETTERS = 1_000
"""Letters from which on Dagster opens a Markdown text in a window, instead of showing it in its table of metadata."""

EXACT = "exact_values"
"""Name of the numbers as they were measured: the others are rounded."""

SIGNIFICANT_DIGITS = 4


def event_metadata(
    stage: str,
    outcome: Outcome,
    *,
    cpu_s: float,
    columns: Mapping[str, RawMetadataValue],
    address: Callable[[str], str],
) -> dict[str, RawMetadataValue]:
    """Return the metadata of a materialization, in the order in which Dagster shows it.

    Parameters
    ----------
    stage
        First part of the asset's path: it decides on the verdict's words.
    outcome
        What the stage reports. What is not known, or empty, gets no row.
    cpu_s
        What it cost.
    columns
        What Dagster shows of the table's columns.
    address
        From the path of a page to where a browser finds it.
    """
    facts = {name: value for name, value in outcome.metadata.items() if value not in (None, "")}
    verdict = verdict_of(stage, facts)
    shown: dict[str, RawMetadataValue] = {"verdict": verdict} if verdict else {}
    pages = {name: dg.MetadataValue.md(_page(text)) for name, text in outcome.markdown.items() if text}
    shown |= {PICTURE: pages.pop(PICTURE)} if PICTURE in pages else {}
    shown |= {name: dg.MetadataValue.url(address(str(facts[name]))) for name in PAGES if name in facts}
    shown |= pages
    in_verdict = {*PAGES, *(TOLD if verdict else ())}
    others = {name: value for name, value in facts.items() if name not in in_verdict}
    shown |= {name: metadata_value(value) for name, value in others.items() if not _is_for_programs(name)}
    shown["cpu_s"] = round(cpu_s, 3)
    shown |= dict(_tables(outcome))
    shown |= columns
    shown |= {name: metadata_value(value) for name, value in others.items() if _is_for_programs(name)}
    exact = {
        name: value for name, value in facts.items() if isinstance(value, float) and rounded(value) != value
    }
    paths = {name: facts[name] for name in PAGES if name in facts}
    if exact or paths:
        shown[EXACT] = dg.MetadataValue.json({**exact, **paths})
    return shown


def _page(text: str) -> str:
    """Let Dagster open a page with a wide table in a window of its own: within its table of metadata such a one is cut off."""
    is_wide = any(line.startswith("|") and len(line) > WIDEST_ROW for line in text.splitlines())
    return text.ljust(OPENED_LETTERS, "\n") if is_wide else text


def verdict_of(stage: str, facts: Mapping[str, object]) -> str:
    """Say in a sentence or two what a materialization came to; '' where nothing is known.

    Examples
    --------
    >>> verdict_of("raw", {"n_rows": 28135, "n_rejected": 2})
    '28,135 rows read; 2 rejected.'
    >>> verdict_of("raw", {"n_rows": 3, "note": "the source has not changed"})
    '3 rows read; the source has not changed.'
    """
    clauses = []
    for clause in CLAUSES.get(stage, ()):
        names = {name for _, name, _, _ in Formatter().parse(clause) if name}
        if names <= facts.keys():
            clauses.append(clause.format_map(facts).strip().rstrip("."))
    sentence = "; ".join(clauses)
    return f"{sentence[0].upper()}{sentence[1:]}." if sentence else ""


def rounded(value: float) -> float:
    """Round a number for people.

    Examples
    --------
    >>> rounded(0.7463612716690875), rounded(28135.4567), rounded(-0.000012345)
    (0.7464, 28135.5, -1.234e-05)
    """
    if not isfinite(value):
        return value
    return round(value, 1) if abs(value) >= 1_000 else float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def metadata_value(value: object) -> RawMetadataValue:
    """Return a fact as Dagster's metadata has it, with its number rounded."""
    if isinstance(value, datetime):
        return dg.MetadataValue.timestamp(value)
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, bool | int | str):
        return value
    return dg.MetadataValue.json(value)  # type: ignore[arg-type]  # Stages report what JSON can hold.


def _is_for_programs(name: str) -> bool:
    return name in FOR_PROGRAMS or name.endswith("_sha256")


def _tables(outcome: Outcome) -> Iterator[tuple[str, RawMetadataValue]]:
    for name, rows in outcome.tables.items():
        if rows:
            records = [dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows]
            yield name, dg.MetadataValue.table(records)


def _cell(value: object) -> str | int | float | bool | None:
    if isinstance(value, float):
        return rounded(value)
    return value if isinstance(value, str | int | bool) or value is None else str(value)
