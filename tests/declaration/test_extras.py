"""Optional dependencies: those that the package declares, and one message where one is missing."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from declaration.extras import EXTRAS, MissingExtraError, require_extra
from resources.deployment import deployment
from resources.feature_store.online.settings import online_settings

REPOSITORY = Path(__file__).resolve().parents[2]
POSTGRES = "postgresql+psycopg2://driftline@127.0.0.1:5432/driftline"


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"])
    core = {re.split(r"[\[<>=~]", requirement)[0] for requirement in project["dependencies"]}
    assert not core & {name.replace("_", "-") for modules in EXTRAS.values() for name in modules}


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_one_says_what_for_what_and_how(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in EXTRAS[extra]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as raised:
        require_extra(extra, "the setting")
    said = str(raised.value)
    assert said.startswith(f"the setting needs {', '.join(EXTRAS[extra])}, which ")
    assert said.endswith(f"Run: pip install 'driftline[{extra}]'")


def test_settings_that_need_one_are_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in ("psycopg", "redis"):
        monkeypatch.setitem(sys.modules, module, None)
    server = {
        "DRIFTLINE_HOME": str(tmp_path),
        "DRIFTLINE_PROFILE": "server",
        "DRIFTLINE_POSTGRES_URL": POSTGRES,
    }
    with pytest.raises(MissingExtraError, match=r"DRIFTLINE_PROFILE=server needs psycopg.*\[postgres\]"):
        deployment(server)
    with pytest.raises(MissingExtraError, match=r"an online store in Redis needs redis.*driftline\[redis\]"):
        online_settings("redis://cache.internal/1")
    with pytest.raises(MissingExtraError, match=r"an online store in Postgres needs psycopg"):
        online_settings(POSTGRES)
