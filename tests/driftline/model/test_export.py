"""`driftline model export` writes a file that was compared, or says why not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from declaration import extras
from driftline.cli import FAULT, SUCCESS, main
from tests.driftline.verify.world import Home

HAS_ONNX = importlib.util.find_spec("onnxruntime") is not None
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="the extra onnx is not installed")


@needs_onnx
def test_the_file_is_written_once_and_told(
    installed: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.onnx"
    assert installed.path.is_dir()
    assert main(["model", "export", "--to", str(file), "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == str(file)
    assert document["size_bytes"] == file.stat().st_size
    assert document["n_rows"] == 10_000
    assert document["largest_difference"] <= document["tolerance"]
    assert list(tmp_path.iterdir()) == [file]
    assert main(["model", "export", "1", "--to", str(file)]) == FAULT
    assert f"{file} is there already. Name another file with --to" in capsys.readouterr().err
    assert main(["model", "export", "1", "--to", str(file), "--overwrite"]) == SUCCESS
    assert "parity   10,000 rows" in capsys.readouterr().out


@needs_onnx
def test_a_folder_that_is_not_there_is_named(installed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert installed.path.is_dir()
    assert main(["model", "export", "--to", "/nowhere/tiny.onnx"]) == FAULT
    assert "/nowhere/tiny.onnx cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_without_the_extra_the_way_out_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _module: None)
    assert main(["model", "export"]) == FAULT
    said = capsys.readouterr().err
    assert "`driftline model export` needs onnx, onnxruntime" in said
    assert "pip install 'driftline[onnx]'" in said
