"""`driftline upload`: a file is put in its place and written down, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.raw.uploads import UPLOADS
from driftline.cli import FAULT, SUCCESS, main
from driftline.upload.command import KEYS
from resources.lake.lake import Lake

ROWS = "machine,age\nm1,3\nm2,4\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two pipelines with a dataset each has, and one that only the first has."""
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n')
    for name, datasets in (("first", ("machines", "tools")), ("second", ("machines",))):
        folder = tmp_path / "shop" / "defs" / name
        folder.mkdir(parents=True)
        blocks = "".join(
            f"    {dataset}:\n      source: {{type: csv, path: '{dataset}/*.csv'}}\n      columns: {{machine: string, age: int}}\n"
            for dataset in datasets
        )
        (folder / "defs.yaml").write_text(
            "type: driftline.MLPipeline\nattributes:\n  description: x\n  partitions: {every: day, start: 2024-01-01}\n"
            f"  datasets:\n{blocks}"
            "    events:\n      source: {type: csv, path: events.csv}\n      columns: {id: int, at: timestamp_tz}\n      event_time: at\n"
        )
    (tmp_path / "machines.csv").write_text(ROWS)
    return tmp_path


def recorded(root: Path, pipeline: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        Lake(root=str(root / "home" / "lake")).read(UPLOADS.of(pipeline)).to_pylist()
    )
    return rows


def test_a_file_is_put_in_its_place_and_written_down_once(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", "machines.csv", "--dataset", "first/machines", "--json"]) == SUCCESS
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == set(KEYS)
    place = shop / "shop" / "defs" / "first" / "machines" / "machines.csv"
    assert (printed["place"], printed["n_rows"], printed["is_new"]) == (str(place), 2, True)
    assert place.read_text() == ROWS
    assert main(["upload", "machines.csv", "--dataset", "first/machines"]) == SUCCESS
    assert "has the same content already (2 rows): nothing was done." in capsys.readouterr().out
    (row,) = recorded(shop, "first")
    assert (row["dataset"], row["file"], row["sha256"]) == ("machines", "machines.csv", printed["sha256"])
    assert row["person"] == printed["person"] != ""


def test_an_upload_that_was_not_written_down_is_so_by_the_next(shop: Path) -> None:
    place = shop / "shop" / "defs" / "first" / "tools" / "machines.csv"
    place.parent.mkdir()
    # As after a process that was killed once the file was in its place.
    place.write_text(ROWS)
    assert main(["upload", "machines.csv", "--dataset", "tools"]) == SUCCESS
    assert [row["place"] for row in recorded(shop, "first")] == [str(place)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["machines.csv", "--dataset", "machines"], "--dataset machines is one of several pipelines: write first/machines, second/machines."),
        (["machines.csv", "--dataset", "machine"], "no dataset 'machine' is declared. Datasets: first/events, first/machines"),
        (["machines.csv", "--dataset", "third/machines"], "no pipeline 'third'"),
        (["nowhere.csv", "--dataset", "tools"], "nowhere.csv is no file. Name one."),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("shop")
def test_what_cannot_be_uploaded_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", *arguments]) == FAULT
    assert message in " ".join(capsys.readouterr().err.split())
