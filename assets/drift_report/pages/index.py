"""Index over all pipelines: one page from the summaries beside their pages; it needs no lake."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from assets.drift_report.pages.files import HISTORY_PAGE, write_whole
from assets.drift_report.pages.index_page import IndexEntry, render_index
from assets.drift_report.pages.summary import SUMMARY_FILE, SummaryError, read_summary

CARD = re.compile(r"model-(\d+)\.html")
"""File name of a version's model card."""


def write_index(folder: Path, *, written_at: datetime) -> Path:
    """Write `index.html` over all pipelines whose pages lie in a folder, whole or not at all.

    Parameters
    ----------
    folder
        Of the reports: a folder a pipeline.
    written_at
        The instant that the page names (UTC).

    Returns
    -------
    Path
        The page. Of two reports that write at one time the last one's stays; the next report
        or `driftline report` makes it complete.
    """
    return write_whole(folder / HISTORY_PAGE, render_index(read_entries(folder), written_at))


def read_entries(folder: Path) -> tuple[IndexEntry, ...]:
    """Read the summary of every pipeline, in order of names; what cannot be read says why."""
    if not folder.is_dir():
        return ()
    return tuple(_entry(path) for path in sorted(folder.iterdir()) if _has_pages(path))


def _has_pages(folder: Path) -> bool:
    return folder.is_dir() and any((folder / name).exists() for name in (SUMMARY_FILE, HISTORY_PAGE))


def _entry(folder: Path) -> IndexEntry:
    has_history = (folder / HISTORY_PAGE).is_file()
    try:
        return IndexEntry(folder.name, read_summary(folder), "", has_history, _cards(folder))
    except SummaryError as error:
        return IndexEntry(folder.name, None, str(error), has_history)


def _cards(folder: Path) -> tuple[int, ...]:
    """List the versions that have a model card, the newest first."""
    found = (CARD.fullmatch(path.name) for path in folder.glob("model-*.html"))
    return tuple(sorted((int(match[1]) for match in found if match), reverse=True))
