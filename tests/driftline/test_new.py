"""A declaration is written from the command line, into the project, and nothing of anybody's is lost."""

from pathlib import Path

import pytest
import yaml

from driftline.cli import FAULT, SUCCESS, USAGE, main
from driftline.new import new
from pipelines.scaffolding.options import ScaffoldOptions

ROWS = ["order_id,ordered_at,customer,amount,returned"] + [
    f"{number},2024-01-{number % 28 + 1:02d} 10:00:00,c{number % 7},{number}.5,{number % 2}"
    for number in range(200)
]


@pytest.fixture
def defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project without pipelines, and stand in it."""
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n', encoding="utf-8")
    (tmp_path / "shop" / "defs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shop" / "defs"


def test_a_file_becomes_a_declaration_of_the_project(defs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("orders.csv").write_text("\n".join(ROWS), encoding="utf-8")
    assert main(["new", "returns", "--source", "orders.csv", "--target", "returned"]) == SUCCESS
    said = capsys.readouterr().out
    assert "Next: driftline preview returns; then driftline replay returns" in said
    written = yaml.safe_load((defs / "returns" / "defs.yaml").read_text(encoding="utf-8"))
    assert written["type"] == "driftline.MLPipeline"
    assert main(["check", "returns"]) == SUCCESS


def test_without_a_file_an_example_is_written(defs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "churn"]) == SUCCESS
    assert "an example to fill in. Next: driftline check churn" in capsys.readouterr().out
    assert (defs / "churn" / "features" / "customer_history.sql").exists()


def test_what_is_there_is_not_touched(defs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "churn"]) == SUCCESS
    before = (defs / "churn" / "defs.yaml").read_text(encoding="utf-8")
    assert main(["new", "churn", "--source", "x.csv"]) == FAULT
    assert "is there already. Choose another name" in capsys.readouterr().err
    assert (defs / "churn" / "defs.yaml").read_text(encoding="utf-8") == before
    # A folder with data and no declaration yet outlives a refusal.
    (defs / "returns").mkdir()
    (defs / "returns" / "orders.csv").write_text("precious", encoding="utf-8")
    assert main(["new", "returns", "--source", "nowhere.csv"]) == FAULT
    assert (defs / "returns" / "orders.csv").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["Churn", "../churn", "a b", "1st", ".."])
def test_a_name_that_is_no_pipelines_is_refused(
    name: str, defs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", name]) == FAULT
    assert "cannot be a pipeline's name" in capsys.readouterr().err
    assert list(defs.iterdir()) == []


def test_options_are_the_scaffolders(capsys: pytest.CaptureFixture[str]) -> None:
    assert {one.name for one in new.params} - {"name"} == set(ScaffoldOptions.model_fields)
    assert main(["new"]) == USAGE
    assert "Missing argument 'NAME'" in capsys.readouterr().err
