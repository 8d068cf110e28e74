"""Model cards as files: one beside the pages of the drift reports for each version, written by its training and anew by moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from assets.drift_report.pages.files import HISTORY_PAGE, write_whole
from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from assets.model.card.content import Card
from assets.model.card.markdown import card_markdown
from assets.model.card.page import card_page
from assets.model.card.reading import read_card_facts
from assets.model.card.sections import model_card
from declaration.pipeline import Pipeline
from declaration.target_sql import REQUEST_PREFIX
from pipelines.lineage import Lineage, Node, declared_lineage
from resources.lake.lake import Lake
from resources.model_registry.ledger import Decision, read_ledger
from resources.model_registry.registry import ModelRegistry
from resources.reports import Reports

CARD_ARTIFACT = "card/model-card"
"""Path of a card among the artifacts of MLflow's run, without the ending."""

MAX_COLUMNS = 8
"""Columns of the sources that are named of one feature."""


@dataclass(frozen=True)
class CardFiles:
    """Files of a card."""

    page: Path
    markdown: Path


def materialize_model_with_card(run: StageRun, *, registry: ModelRegistry, reports: Reports) -> Outcome:
    """Train as of a partition, and write the cards of the version and of the champion whose place it took."""
    outcome = materialize_model(run, registry=registry)
    number = outcome.metadata.get("model_version")
    if not isinstance(number, int):
        return outcome
    ledger = read_ledger(run.lake, run.pipeline.name)
    before = ledger[-1].champion_before if ledger else None
    folder = Path(reports.folder)
    files = None
    for version in sorted({number, *({before} if before is not None else ())}):
        card = read_card(run.pipeline, run.lake, registry, version, now=run.scope.clock)
        written = write_card(card, folder, registry)
        files = written if version == number else files
    assert files is not None
    return replace(outcome, metadata={**outcome.metadata, "card": str(files.page)})


def read_card(
    pipeline: Pipeline, lake: Lake, registry: ModelRegistry, version: int, *, now: datetime
) -> Card:
    """Make the card of a version as of an instant.

    Raises
    ------
    ModelRegistryError
        If the registry does not have the version.
    """
    facts = read_card_facts(pipeline, lake, registry, version, now=now)
    return model_card(pipeline, facts, made_of(declared_lineage(pipeline), facts.version.feature_names))


def write_card(card: Card, folder: Path, registry: ModelRegistry) -> CardFiles:
    """Write a card beside the reports, and into MLflow's run of its version, unless that was deleted.

    As `<pipeline>/model-<version>.html` and `.md` below the folder of the reports, each whole or not at all.
    """
    below, markdown = folder / card.pipeline, card_markdown(card)
    name = _file_name(card.version)
    run = registry.training_run(card.pipeline, card.version)
    if run is not None:
        # By itself: no other page stands beside it there.
        page = card_page(card)
        kept = {f"{CARD_ARTIFACT}.html": page.encode(), f"{CARD_ARTIFACT}.md": markdown.encode()}
        registry.keep_files(run.run_id, kept)
    return CardFiles(
        write_whole(below / f"{name}.html", card_page(card, back=HISTORY_PAGE)),
        write_whole(below / f"{name}.md", markdown),
    )


def _file_name(version: int) -> str:
    return f"model-{version}"


def refresh_cards(
    pipeline: Pipeline,
    decision: Decision,
    lake: Lake,
    registry: ModelRegistry,
    reports: Reports,
    *,
    now: datetime,
) -> None:
    """Write the cards of the versions that a move concerns anew, as of an instant; a version without a card gets none."""
    folder = Path(reports.folder)
    concerned = {decision.version, decision.champion_before, decision.champion_after}
    for version in sorted(filter(None, concerned)):
        if (folder / pipeline.name / f"{_file_name(version)}.html").exists():
            write_card(read_card(pipeline, lake, registry, version, now=now), folder, registry)


def made_of(lineage: Lineage, features: tuple[str, ...]) -> Mapping[str, str]:
    """Name the columns of the datasets that each feature is made of; features that are no longer declared are left out."""
    values = lineage.without_rows()
    nodes = {node.column: node for node in values.nodes if node.stage == "training_set"}
    named: dict[str, str] = {}
    for feature in features:
        node = nodes.get(feature)
        if node is not None:
            named[feature] = _sources(values, node) or feature.removeprefix(REQUEST_PREFIX)
    return named


def _sources(lineage: Lineage, node: Node) -> str:
    columns = sorted(above.label for above in lineage.reach([node], "up") if above.stage == "dataset")
    more = f" and {len(columns) - MAX_COLUMNS} more" if len(columns) > MAX_COLUMNS else ""
    return ", ".join(columns[:MAX_COLUMNS]) + more
