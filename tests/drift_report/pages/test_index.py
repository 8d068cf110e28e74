"""The index over all pipelines: made from summaries, whole with damaged ones, small with many."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.drift_report.pages.index import write_index
from assets.drift_report.pages.summary import (
    MAX_BYTES,
    MAX_POINTS,
    SUMMARY_FILE,
    SummaryError,
    read_summary,
    summary_of,
)
from assets.drift_report.pages.writing import write_model_history
from tests.drift_report.pages.test_history_page import history, window
from tests.drift_report.pages.test_report import EVIL, Tags

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def written(folder: Path, name: str, **changed: object) -> Path:
    """Write a pipeline's pages and return their folder."""
    made = history(n_features=4, n_windows=40)
    newest = replace(made.newest, **changed)
    write_model_history(folder, replace(made, pipeline=name, windows=(*made.windows[:-1], newest)))
    return folder / name


def index(folder: Path) -> str:
    """Write the index and return it."""
    return write_index(folder, written_at=NOW).read_text(encoding="utf-8")


def test_a_summary_survives_its_file(tmp_path: Path) -> None:
    made = replace(history(n_features=4, n_windows=40), pipeline="flights")
    write_model_history(tmp_path, made)
    summary = read_summary(tmp_path / "flights")
    assert summary == summary_of(made)
    assert len(summary.windows) == MAX_POINTS
    assert summary.windows[-1].performance == pytest.approx(0.739)
    assert summary.champion == f"version 2, {EVIL}, trained as of 2013-01-01"
    assert (summary.n_windows, summary.page) == (40, "2013-02-09.html")


def test_every_report_writes_the_index_with_links_that_lead_somewhere(tmp_path: Path) -> None:
    written(tmp_path, "flights")
    (tmp_path / "flights" / "2013-02-09.html").write_text("a window")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "1 pipeline with drift reports" in page
    links = re.findall(r'href="\./([^"]+)"', page)
    assert links == ["flights/index.html", "flights/2013-02-09.html"]
    assert all((tmp_path / link).is_file() for link in links)
    assert page.count("<svg") == 3


def test_the_gravest_come_first(tmp_path: Path) -> None:
    for name, severity in (("a", "info"), ("b", "warning"), ("c", "critical")):
        written(tmp_path, name, severity=severity)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / SUMMARY_FILE).write_text("{")
    order = re.findall(r'<td class="pipeline">(?:<a[^>]*>|<b>)(\w)<', index(tmp_path))
    assert order == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged: Invalid JSON"),
        (b"\xff\xfe\x00", "is damaged: Invalid JSON"),
        (b"[1, 2]", "is damaged: Input should be an object"),
        (b'{"format": 2}', "is damaged: format: Input should be 1"),
        (b" " * (MAX_BYTES + 1), "has more than 200,000 bytes"),
    ],
)
def test_a_damaged_summary_is_shown_as_such(tmp_path: Path, content: bytes, message: str) -> None:
    folder = written(tmp_path, "flights")
    (folder / SUMMARY_FILE).write_bytes(content)
    page = index(tmp_path)
    assert f"flights/summary.json {message}" in page
    assert "next drift report writes it anew" in page
    assert 'href="./flights/index.html"' in page


def test_a_foreign_summary_leads_nowhere_else(tmp_path: Path) -> None:
    folder = written(tmp_path, "flights")
    text = (folder / SUMMARY_FILE).read_text()
    (folder / SUMMARY_FILE).write_text(text.replace("2013-02-09.html", "../../etc/passwd.html"))
    assert "passwd" not in index(tmp_path)
    with pytest.raises(SummaryError, match=r"damaged: page: String should match pattern"):
        read_summary(folder)
    (folder / SUMMARY_FILE).write_text(text.replace('"flights"', '"orders"'))
    assert "is about another pipeline, &#39;orders&#39;" in index(tmp_path)


def test_a_folder_in_place_of_a_summary_is_shown_as_such(tmp_path: Path) -> None:
    folder = written(tmp_path, "flights")
    (folder / SUMMARY_FILE).unlink()
    assert "summary.json is missing" in index(tmp_path)
    (folder / SUMMARY_FILE).mkdir()
    assert "summary.json cannot be read: Is a directory" in index(tmp_path)


def test_other_folders_and_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "readme.txt").write_text("mine")
    assert "No drift report has been made here yet" in index(tmp_path)
    assert "No drift report has been made here yet" in index(tmp_path / "new")


def test_hostile_names_and_verdicts_stay_text(tmp_path: Path) -> None:
    name = "<script>alert('1') & \"more\""
    folder = tmp_path / name
    written(tmp_path, name, explanation=f"{EVIL} drifted", partition="</td><script>")
    assert (folder / SUMMARY_FILE).is_file()
    page = index(tmp_path)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "img", "iframe", "link"} & set(tags.names)
    assert "&lt;script&gt;alert(" in page


def test_many_pipelines_fit_on_a_small_page(tmp_path: Path) -> None:
    folder = written(tmp_path, "p0000")
    text = (folder / SUMMARY_FILE).read_text()
    for number in range(1, 600):
        other = tmp_path / f"p{number:04d}"
        other.mkdir()
        (other / SUMMARY_FILE).write_text(text.replace('"p0000"', f'"p{number:04d}"'))
    page = index(tmp_path)
    assert len(page.encode()) < 500_000
    assert "600 pipelines with drift reports" in page
    assert "300 more pipelines have pages in this folder" in page


def test_a_number_that_is_none_is_not_known(tmp_path: Path) -> None:
    written(tmp_path, "flights", drift_score=float("nan"), quality_score=None)
    summary = read_summary(tmp_path / "flights")
    assert summary.windows[-1].drift_score is None
    assert "0.98 in 2013-02-08" in index(tmp_path)
    assert window(0).quality_score == 0.98
