"""Settings: their origin, and that no secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.cli import FAULT, SUCCESS, main
from driftline.config.command import KEYS
from driftline.config.settings import VARIABLES, Kind, masked, unknown_variables
from tests.fixtures.keys import undocumented

SAFE = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, tuple[str, str]]:
    assert main([*options, "config", "show", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, KEYS) == set()
    return {one["name"]: (one["value"], one["origin"]) for one in document["settings"]}


def test_each_setting_says_where_it_came_from(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_THREADS", "3")
    found = shown(capsys, "--home", str(tmp_path / "home"))
    assert found["DRIFTLINE_HOME"] == (str(tmp_path / "home"), "option")
    assert found["DRIFTLINE_THREADS"] == ("3", "environment")
    assert found["DRIFTLINE_PROFILE"] == ("local", "default")
    assert found["declarations"] == (str(project / "shop" / "defs"), "derived")
    assert found["lake"] == (str(tmp_path / "home" / "lake"), "derived")


def test_every_variable_of_the_documents_is_known() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "deployment.md"
    text = page.read_text(encoding="utf-8")
    assert [one.name for one in VARIABLES if one.name in text and one.name.startswith("DRIFTLINE_SMTP")]
    words = {word.strip("`|,.=()[]") for word in text.split()}
    named = {word.partition("=")[0] for word in words if word.startswith("DRIFTLINE_")}
    assert unknown_variables(dict.fromkeys(named, "x")) == []


def test_a_wrong_setting_is_told_after_the_others(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_PROFILE", "servr")
    assert main(["config", "show"]) == FAULT
    captured = capsys.readouterr()
    assert "DRIFTLINE_WEB_URL" in captured.out
    assert "DRIFTLINE_PROFILE is 'servr'. Known profiles: local, server." in captured.err


def test_secrets_of_the_environment_are_not_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_ONLINE_URL", "redis://:hunter2@cache:6379/0")
    monkeypatch.setenv("DRIFTLINE_SMTP_PASSWORD", "hunter2")
    monkeypatch.setenv("DRIFTLINE_ALERT_SLACK_OPS", "https://hooks.example.org/services/hunter2")
    for arguments in (["config", "show"], ["config", "show", "--json"]):
        assert main(arguments) == SUCCESS
        out = capsys.readouterr().out
        assert "hunter2" not in out
        assert "https://hooks.example.org/***" in out


@given(
    user=SAFE,
    password=SAFE.map(lambda text: f"pw{text}wp"),
    sign=st.sampled_from(["", "@", ":", "/x@", "%40", "?"]),
)
def test_no_password_of_a_url_is_shown(user: str, password: str, sign: str) -> None:
    for form in (
        f"postgresql+psycopg2://{user}:{password}{sign}@host:5432/database",
        f"postgresql+psycopg2://host/database?user={user}&password={password}",
        f"redis://:{password}{sign}@host/0",
    ):
        if sign in ("/x@", "?") and "@host" in form:
            continue  # Such a sign ends the login: no driver takes it for a password either.
        kinds: tuple[Kind, ...] = ("url", "secret url")
        for kind in kinds:
            assert password not in masked(form, kind)


@pytest.mark.parametrize("text", ["hunter2", "://", "http://[", ""])
def test_what_is_no_url_is_masked_whole(text: str) -> None:
    assert masked(text, "url") == "***"
