"""Links between windows: both ways, whatever the order in which the pages are written."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from assets.drift_report.pages.neighbours import link_neighbours
from assets.drift_report.pages.report import render_html
from tests.drift_report.pages.test_report import content

KEYS = ("2013-01-01", "2013-02-01", "2013-03-01")


def links(page: Path) -> list[str]:
    """Return where the line of windows leads."""
    line = re.search(r'<nav class="windows".*?</nav>', page.read_text(encoding="utf-8"))
    assert line is not None
    return re.findall(r'href="\./([^"]*)"', line.group())


@pytest.mark.parametrize("order", list(permutations(KEYS)))
def test_each_window_leads_to_the_one_before_and_the_one_after(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    (tmp_path / "index.html").write_text("the history")
    page = render_html(replace(content(4, 100), verdict=None, reference={}, current={}))
    for key in order:
        (tmp_path / f"{key}.html").write_text(page)
        link_neighbours(tmp_path / f"{key}.html")
    first, second, third = (f"{key}.html" for key in KEYS)
    assert links(tmp_path / first) == [second]
    assert links(tmp_path / second) == [first, third]
    assert links(tmp_path / third) == [second]


def test_a_page_of_an_earlier_release_and_a_foreign_file_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "2013-01-01.html").write_text("<p>an old page</p>")
    (tmp_path / "2013-03-01.html").write_bytes(b"\xff\xfe<!--earlier-->")
    page = tmp_path / "2013-02-01.html"
    page.write_text(render_html(content(4, 100)))
    link_neighbours(page)
    assert links(page) == ["2013-01-01.html", "2013-03-01.html"]
    assert (tmp_path / "2013-01-01.html").read_text() == "<p>an old page</p>"
    assert (tmp_path / "2013-03-01.html").read_bytes() == b"\xff\xfe<!--earlier-->"


def test_a_hostile_file_name_stays_text(tmp_path: Path) -> None:
    (tmp_path / '2012"><script>.html').write_text("not ours")
    page = tmp_path / "2013-02-01.html"
    page.write_text(render_html(content(4, 100)))
    link_neighbours(page)
    assert "<script>" not in page.read_text()
    assert links(page) == ["2012%22%3E%3Cscript%3E.html"]


def test_a_value_cannot_stand_for_a_mark(tmp_path: Path) -> None:
    made = replace(content(4, 100), compared_with="<!--earlier-->", model="<!--later-->")
    (tmp_path / "2013-01-01.html").write_text("before")
    page = tmp_path / "2013-02-01.html"
    page.write_text(render_html(made))
    link_neighbours(page)
    assert links(page) == ["2013-01-01.html"]
