"""The page on the store makes a Feast repository that works, with Feast's own command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo.asof_store import AsofOfflineStoreConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "asof-store.md"
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.mark.long
@pytest.mark.slow
def test_a_repository_made_of_the_page_gives_what_the_page_shows(tmp_path: Path) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    for name in ("feature_store.yaml", "features.py", "rows.py", "train.py", ".feastignore"):
        (tmp_path / name).write_text(blocks[name], encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PAGE.parents[2]),
        "FEAST_USAGE": "False",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks["terminal"]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.endswith(blocks["output"])


def test_the_page_lists_every_setting_with_its_default() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, field in AsofOfflineStoreConfig.model_fields.items():
        if name == "type":
            continue
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        assert not default or f"| `{default}` |" in row
