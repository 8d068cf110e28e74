"""Versions, of what is installed and of what is not."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version

import pytest

from driftline.cli import SUCCESS, main
from driftline.version import KEYS
from tests.fixtures.keys import undocumented


def test_versions_are_those_of_the_installed_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, KEYS) == set()
    assert (document["dagster"], document["python"]) == (version("dagster"), platform.python_version())


def test_what_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("driftline.version.LIBRARIES", ("driftline", "no-such-distribution"))
    assert main(["version"]) == SUCCESS
    assert "no-such-distribution  not installed" in capsys.readouterr().out
