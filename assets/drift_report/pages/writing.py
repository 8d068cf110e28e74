"""Writes of a report's pages, and of the summary and index made from them: each file whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from assets.drift_report.pages.files import HISTORY_PAGE, window_page, write_whole
from assets.drift_report.pages.history import ModelHistory
from assets.drift_report.pages.history_page import render_model_history
from assets.drift_report.pages.index import write_index
from assets.drift_report.pages.neighbours import link_neighbours
from assets.drift_report.pages.summary import SUMMARY_FILE, summary_of
from declaration.partitioning import Window
from declaration.pipeline import Pipeline


def write_page(folder: Path, pipeline: Pipeline, window: Window, page: str) -> Path:
    """Write `<pipeline>/<partition>.html`, and link it with the windows before and after."""
    path = write_whole(folder / pipeline.name / window_page(window.key), page)
    link_neighbours(path)
    return path


def write_model_history(folder: Path, history: ModelHistory) -> Path:
    """Write `<pipeline>/index.html`, its summary, and the index over all pipelines.

    Of reports at one time, the last one's pages stay.
    """
    path = write_whole(folder / history.pipeline / HISTORY_PAGE, render_model_history(history))
    write_whole(path.with_name(SUMMARY_FILE), summary_of(history).model_dump_json())
    write_index(folder, written_at=history.written_at)
    return path
