"""Sources are found where they may lie, and nowhere else."""

import zipfile
from pathlib import Path

import pytest

from declaration.sources.spec import SourceSpec
from declaration.sources.text import CsvSourceSpec
from sources.content import content_of
from sources.files import SourceError, source_files, unpacked


def csv_source(path: str) -> SourceSpec:
    return CsvSourceSpec(type="csv", path=path)


def test_a_relative_path_starts_at_the_declaration(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert source_files(csv_source("a.csv"), folder=tmp_path) == (tmp_path / "a.csv",)


def test_a_glob_gives_files_in_name_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text("x\n")
    found = source_files(csv_source("*.csv"), folder=tmp_path)
    assert [path.name for path in found] == ["a.csv", "b.csv"]


def test_an_incremental_path_names_its_partition(tmp_path: Path) -> None:
    (tmp_path / "2013-01-01.csv").write_text("x\n")
    found = source_files(csv_source("{partition}.csv"), folder=tmp_path, partition="2013-01-01")
    assert found == (tmp_path / "2013-01-01.csv",)


def test_a_missing_file_is_named_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"source 'a.csv': no such file below .*correct `path`"):
        source_files(csv_source("a.csv"), folder=tmp_path)


def test_a_path_may_not_climb_out_of_the_declaration(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("x\n")
    (tmp_path / "inner").mkdir()
    with pytest.raises(SourceError, match="may not leave the declaration's folder"):
        source_files(csv_source("../secret.csv"), folder=tmp_path / "inner")


def test_a_link_may_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("x\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(SourceError, match="leads out of"):
        source_files(csv_source("a.csv"), folder=tmp_path / "inner")


def test_a_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "boobytrapped"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "a.csv").write_text("x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert source_files(csv_source("package:boobytrapped/a.csv"), folder=tmp_path) == (package / "a.csv",)


def test_a_package_that_is_not_installed_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"package 'not_there_at_all' is not installed. Install it"):
        source_files(csv_source("package:not_there_at_all/a.csv"), folder=tmp_path)


def test_a_zip_is_unpacked_and_removed_after(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    with unpacked([tmp_path / "a.csv.zip"], scratch=tmp_path / "scratch") as (plain,):
        assert plain.read_text() == "x\n1\n"
        # As the user calls it, for messages and rejects.
        assert plain.name == "a.csv.zip"
    assert not plain.exists()


def test_a_zip_of_two_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "x\n")
        archive.writestr("b.csv", "x\n")
    with (
        pytest.raises(SourceError, match="exactly one file, this one 2"),
        unpacked([tmp_path / "a.zip"], scratch=tmp_path / "scratch"),
    ):
        pass


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 50_000_000)
    with (
        pytest.raises(SourceError, match="would unpack to 50,000,000 bytes"),
        unpacked([tmp_path / "a.csv.zip"], scratch=tmp_path / "scratch"),
    ):
        pass
    assert not list((tmp_path / "scratch").rglob("*.csv"))


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 not really")
    with (
        pytest.raises(SourceError, match="not a readable zip file"),
        unpacked([tmp_path / "a.zip"], scratch=tmp_path / "scratch"),
    ):
        pass


def test_a_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    before = content_of([path]).fingerprint
    assert content_of([path]).fingerprint == before
    path.write_text("x\n2\n")
    assert content_of([path]).fingerprint != before
