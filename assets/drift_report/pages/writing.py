"""Writes of pages: each file whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from assets.drift_report.pages.history import (
    ModelHistory,
)
from assets.drift_report.pages.history_page import render_model_history
from assets.drift_report.pages.templates import HISTORY_PAGE
from declaration.pipeline import Pipeline
from declaration.windows import Window


def write_page(folder: Path, pipeline: Pipeline, span: Window, page: str) -> Path:
    """Write `<pipeline>/<partition>.html` whole or not at all."""
    return _write_whole(folder / pipeline.name / f"{span.key.replace(':', '')}.html", page)


def write_model_history(folder: Path, history: ModelHistory) -> Path:
    """Write `<pipeline>/index.html` whole or not at all: of reports at one time, the last one's page stays."""
    return _write_whole(folder / history.pipeline / HISTORY_PAGE, render_model_history(history))


def _write_whole(path: Path, page: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Runs in two containers may share the folder and the process id.
    draft = path.with_suffix(f".{uuid4().hex}.part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path
