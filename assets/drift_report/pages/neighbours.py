"""Links between the pages of windows: each names the one before and the one after, once they exist."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from markupsafe import escape

from assets.drift_report.pages.files import HISTORY_PAGE, write_whole

EARLIER, LATER = "<!--earlier-->", "<!--later-->"
"""Each stands twice in a page, around its link; no value can hold one, as all are escaped."""


def link_neighbours(page: Path) -> None:
    """Link a window's page with its neighbours, in all three files.

    The neighbours are those whose pages lie beside it, so that every link leads somewhere: a page is written
    without knowing the next, and the next one's report comes back to it.
    """
    pages = sorted(path for path in page.parent.glob("*.html") if path.name != HISTORY_PAGE)
    place = pages.index(page)
    before, after = pages[:place][-1:], pages[place + 1 :][:1]
    for number in range(place - len(before), place + len(after) + 1):
        _link(pages[number], pages[:number][-1:], pages[number + 1 :][:1])


def _link(page: Path, before: list[Path], after: list[Path]) -> None:
    # What is not ours has no marks, and may be no text.
    text = page.read_text(encoding="utf-8", errors="replace")
    linked = _filled(_filled(text, EARLIER, before, "← {}"), LATER, after, "{} →")
    if linked != text:
        write_whole(page, linked)


def _filled(text: str, mark: str, target: list[Path], words: str) -> str:
    """Write the link between a page's marks; a page of an earlier release has none, and stays as it is."""
    parts = text.split(mark)
    if len(parts) != 3:
        return text
    link = "".join(f'<a href="./{quote(path.name)}">{escape(words.format(path.stem))}</a>' for path in target)
    return mark.join((parts[0], link, parts[2]))
