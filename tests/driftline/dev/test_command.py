"""Opening the web UI: where it listens, and what it lets in."""

import asyncio
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from starlette.types import ASGIApp

from driftline.cli import FAULT, main
from driftline.dev.command import ServeError, check_exposure
from driftline.dev.web_server import GuardedWebserver


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_reason(host: str) -> None:
    check_exposure(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "driftline.example", "localhost.example"])
@pytest.mark.parametrize("reason", [None, "", "  "])
def test_an_address_that_others_reach_needs_a_reason(host: str, reason: str | None) -> None:
    with pytest.raises(ServeError, match=r"which has no login.*--exposed-because"):
        check_exposure(host, reason)
    check_exposure(host, "behind the proxy of the platform team")


def test_the_command_refuses_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    assert main(["dev", "--host", "0.0.0.0"]) == FAULT
    assert "--exposed-because" in capsys.readouterr().err


def test_dagsters_own_server_obeys_the_guard(tmp_path: Path) -> None:
    asked = {"query": "{ version }"}
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget(), version="1.2") as context,
    ):
        app = GuardedWebserver(context, reports=tmp_path, allowed_hosts=["localhost"]).create_asgi_app()

        def status(method: str, path: str, **request: Any) -> int:
            return asyncio.run(_answer(app, method, path, **request)).status_code

        version = asyncio.run(_answer(app, "POST", "/graphql", json=asked)).json()["data"]["version"]
        assert version == "1.2"
        assert status("GET", "/graphql", params=asked) == 405
        assert status("POST", "/graphql", params=asked) == 415
        assert status("POST", "/graphql", json=asked, headers={"Origin": "http://evil.example"}) == 403
        assert status("GET", "/server_info", headers={"Host": "evil.example"}) == 421
        assert status("GET", "/server_info") == 200
        (tmp_path / "page.html").write_text("<p>a page")
        assert asyncio.run(_answer(app, "GET", "/reports/page.html")).text == "<p>a page"
        assert status("GET", "/reports/page.html", headers={"Host": "evil.example"}) == 421
        assert status("GET", "/reports/page.html", headers={"Sec-Fetch-Site": "cross-site"}) == 403
        assert status("GET", "/reports/none.html") == 404


async def _answer(app: ASGIApp, method: str, path: str, **request: Any) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost:3000"
    ) as client:
        return await client.request(method, path, **request)
