"""Scratch folders end with their process, however it ends."""

import os
import signal
import threading
from pathlib import Path

import pytest

from sources.scratch import held_file, remove_abandoned_files, scratch_folder


def test_a_folder_is_there_for_as_long_as_it_is_used(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "spill", "made-") as folder:
        (folder / "rows").write_text("1")
        assert folder.parent == tmp_path / "spill"
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with scratch_folder(tmp_path, "made-") as folder:
            (folder / "rows").write_text("1")
            os.write(writer, b"1")
            signal.pause()
    os.read(reader, 1)
    with scratch_folder(tmp_path, "made-"):
        # It lives, and so does its folder.
        assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with scratch_folder(tmp_path, "made-") as folder:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]
    assert list(tmp_path.iterdir()) == []
    os.close(reader)
    os.close(writer)


def test_many_at_once_take_nothing_from_each_other(tmp_path: Path) -> None:
    lost: list[str] = []

    def work() -> None:
        for _ in range(50):
            with scratch_folder(tmp_path, "made-") as folder:
                (folder / "rows").write_text("1")
                if not (folder / "rows").exists():
                    lost.append(folder.name)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (lost, list(tmp_path.iterdir())) == ([], [])


def test_a_file_that_is_held_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".old.part").touch()
    with held_file(tmp_path / ".new.part") as held:
        remove_abandoned_files(tmp_path, ".*.part")
        assert list(tmp_path.iterdir()) == [held]
