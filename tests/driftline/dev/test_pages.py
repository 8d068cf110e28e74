"""Pages are served from below their folder, and from nowhere else."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from driftline.dev.pages import HEADERS, page_of, report_pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of pages, with secrets beside it and a link to them."""
    pages = tmp_path / "reports"
    (pages / "churn").mkdir(parents=True)
    (pages / "churn" / "index.html").write_text("life of churn")
    (pages / "churn" / "2024-01-01.html").write_text("a report")
    (pages / "churn" / "2024-01-01.abc.part").write_text("a draft")
    (pages / "churn" / "ä b.csv").write_text("a,b")
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "reports-of-others").mkdir()
    (tmp_path / "reports-of-others" / "page.html").write_text("secret")
    (pages / "out.html").symlink_to(tmp_path / "secret.html")
    (pages / "aside").symlink_to(tmp_path)
    return pages


def get(folder: Path, path: str, method: str = "GET") -> httpx.Response:
    async def asked() -> httpx.Response:
        app = Starlette(routes=report_pages(folder))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost"
        ) as client:
            return await client.request(method, path)

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("/reports/churn/2024-01-01.html", "a report", "text/html; charset=utf-8"),
        ("/reports/churn/", "life of churn", "text/html; charset=utf-8"),
        ("/reports/churn/%C3%A4%20b.csv", "a,b", "text/csv; charset=utf-8"),
    ],
)
def test_a_page_is_served_in_its_sandbox(folder: Path, path: str, text: str, kind: str) -> None:
    answer = get(folder, path)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, text, kind)
    assert HEADERS.items() <= {name: answer.headers[name] for name in HEADERS}.items()
    # No page can read what this origin serves, nor call it.
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/reports", "/reports/", "/reports/none.html", "/reports/churn/2024-01-01.abc.part",
        "/reports/%2e%2e/secret.html", "/reports/churn/..%2f..%2fsecret.html", "/reports//etc/passwd",
        "/reports/..%5csecret.html", "/reports/%2e%2e/reports-of-others/page.html",
        "/reports/out.html", "/reports/aside/secret.html", "/reports/a%00.html", f"/reports/{'a' * 5000}.html",
    ],
)  # fmt: skip
def test_what_is_no_page_of_the_folder_is_not_there(folder: Path, path: str) -> None:
    answer = get(folder, path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.html", "")
    assert "There is no page" in answer.text


def test_a_folder_is_asked_for_with_its_slash(folder: Path) -> None:
    answer = get(folder, "/reports/churn")
    assert (answer.status_code, answer.headers["location"]) == (307, "/reports/churn/")


def test_pages_are_for_reading_only(folder: Path) -> None:
    assert get(folder, "/reports/churn/2024-01-01.html", "POST").status_code == 405
    assert get(folder, "/reports/churn/2024-01-01.html", "HEAD").status_code == 200


def test_no_folder_has_no_pages(tmp_path: Path) -> None:
    assert page_of(tmp_path / "none", "a.html") is None
