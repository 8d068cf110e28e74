"""`driftline model`: the group of commands about a pipeline's model versions."""

from __future__ import annotations

from collections.abc import Mapping

import click

from driftline.cli import LazyGroup, Listed

COMMANDS: Mapping[str, Mapping[str, Listed]] = {
    "Commands": {
        "list": Listed("driftline.model.listing:list_versions", "List the versions of a pipeline's model."),
        "show": Listed(
            "driftline.model.showing:show", "Show one version: candidates, importances, settings."
        ),
        "card": Listed("driftline.model.card:card", "Write the model card of a version."),
        "compare": Listed("driftline.model.comparing:compare", "Show two versions side by side."),
        "promote": Listed("driftline.model.promotion:promote", "Let a challenger serve."),
        "archive": Listed(
            "driftline.model.archiving:archive",
            "Take a version out: no alias names it, and it serves again only by force.",
        ),
        "rollback": Listed("driftline.model.rollback:rollback", "Let an earlier model version serve again."),
        "reproduce": Listed(
            "driftline.model.reproducing:reproduce",
            "Rebuild a version from its pinned training set, and compare the bytes.",
        ),
        "export": Listed(
            "driftline.model.exporting:export", "Write a version as ONNX, if it answers as the model does."
        ),
        "ui": Listed("driftline.model.mlflow_ui:ui", "Open MLflow's web UI on this installation."),
    },
}


@click.group(cls=LazyGroup, listed=COMMANDS)
def model() -> None:
    """Show a pipeline's model versions, and choose the one that serves."""
