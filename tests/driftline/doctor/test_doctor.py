"""Every check of the doctor: what is ok, what is a fault, and the repair."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from driftline.cli import FAULT, SUCCESS, main
from driftline.doctor.command import KEYS
from driftline.doctor.finding import Diagnosis
from driftline.doctor.machine import (
    check_clock,
    check_disk,
    check_home,
    check_memory,
    check_zones,
    memory_bytes,
)
from driftline.doctor.rooms import OURS, ROOMS, check_rooms
from driftline.doctor.servers import check_servers
from driftline.doctor.software import check_libraries, check_project, check_python, check_settings
from resources.deployment import deployment
from tests.fixtures.keys import undocumented
from tests.test_architecture import ROOMS as KNOWN_ROOMS


def verdicts(found: Iterable[Diagnosis]) -> list[str]:
    return [one.verdict for one in found]


def test_a_sound_machine_has_no_fault(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    assert main(["doctor", "--json"]) == SUCCESS
    document = json.loads(capsys.readouterr().out)
    assert undocumented(document, KEYS) == set()
    names = [one["check"] for one in document["checks"]]
    assert names == [
        "packages",
        "python",
        "libraries",
        "settings",
        "project",
        "home",
        "disk",
        "memory",
        "clock",
        "zones",
    ]


def test_a_fault_gives_exit_code_1_and_its_repair(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.is_dir()
    monkeypatch.setenv("DRIFTLINE_PROFILE", "servr")
    assert main(["doctor"]) == FAULT
    out = capsys.readouterr().out
    assert "Known profiles: local, server." in out
    assert "1 fault, 0 warnings in 5 checks." in out


def test_our_rooms_are_the_ones_that_there_are() -> None:
    assert set(ROOMS) == KNOWN_ROOMS
    assert verdicts(check_rooms([OURS])) == ["ok"]


@pytest.mark.parametrize("name", ["assets/__init__.py", "drift.py"])
def test_a_package_that_hides_ours_is_found(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    (found,) = check_rooms([tmp_path])
    assert found.verdict == "fault"
    assert found.text.startswith(f"{file} is imported in place of Driftline's package")
    assert found.repair.startswith("Rename it")


def test_a_folder_that_is_no_package_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    assert verdicts(check_rooms([tmp_path])) == ["ok"]


def test_a_hidden_package_stops_the_other_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    (tmp_path / "sources.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == FAULT
    assert "1 fault, 0 warnings in 1 checks." in capsys.readouterr().out


def test_python_and_libraries_are_compared_with_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts(check_python()) == ["ok"]
    assert verdicts(check_libraries()) == ["ok"]
    monkeypatch.setattr("platform.python_version", lambda: "3.9.0")
    assert verdicts(check_python()) == ["fault"]
    wanted = ["duckdb<1", "no-such-distribution>=2", "s3fs>=99; extra == 's3'"]
    monkeypatch.setattr("driftline.doctor.software.requires", lambda _: wanted)
    faults = list(check_libraries())
    assert [one.repair for one in faults] == [
        "pip install 'duckdb<1'",
        "pip install 'no-such-distribution>=2'",
    ]


def test_a_variable_that_nothing_reads_is_guessed_at() -> None:
    _, found = check_settings({"DRIFTLINE_MEMORYLIMIT": "1GB"})
    assert (found.verdict, found.repair) == ("warning", "Did you mean DRIFTLINE_MEMORY_LIMIT?")


def test_no_project_is_a_fault(tmp_path: Path) -> None:
    (found,) = check_project({"DRIFTLINE_PROJECT": str(tmp_path)})
    assert (found.verdict, found.repair) == ("fault", "driftline init NAME makes a project.")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert verdicts(check_home(tmp_path)) == ["fault"]
    assert verdicts(check_home(tmp_path / "new")) == ["fault"]
    tmp_path.chmod(0o700)


def test_files_of_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lake").mkdir()
    assert verdicts(check_home(tmp_path)) == ["ok"]
    monkeypatch.setattr("os.access", lambda path, _: path != tmp_path / "lake")
    (found,) = check_home(tmp_path)
    assert found.text == f"{tmp_path / 'lake'} cannot be written."
    assert found.repair == f"Give this user the folder: chown -R {os.getuid()} {tmp_path}"


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert verdicts(check_home(tmp_path / "a" / "b")) == ["ok"]
    assert verdicts(check_disk(tmp_path / "a" / "b")) == ["ok"]
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("free", "verdict"), [(10**8, "fault"), (10**9, "warning"), (10**10, "ok")])
def test_little_space_is_told(
    free: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": free, "total": 10**11})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert verdicts(check_disk(tmp_path)) == [verdict]


def test_a_limit_above_the_machine_is_a_warning_with_a_better_one() -> None:
    assert verdicts(check_memory(deployment({"DRIFTLINE_MEMORY_LIMIT": "1MB"}))) == ["ok"]
    (found,) = check_memory(deployment({"DRIFTLINE_MEMORY_LIMIT": f"{memory_bytes()}B"}))
    assert found.verdict == "warning"
    proposed = found.repair.split("=")[1].split(",")[0]
    assert verdicts(check_memory(deployment({"DRIFTLINE_MEMORY_LIMIT": proposed}))) == ["ok"]


def test_a_clock_before_the_lake_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "lake" / "tiny" / "ledger" / "_last_commit"
    mark.parent.mkdir(parents=True)
    mark.write_text("")
    assert verdicts(check_clock(tmp_path)) == ["ok"]
    later = mark.stat().st_mtime + 3600
    os.utime(mark, (later, later))
    assert verdicts(check_clock(tmp_path)) == ["warning"]


def test_zones_are_compared_with_the_engines() -> None:
    assert verdicts(check_zones({"America/New_York", "UTC", "Asia/Kolkata"})) == ["ok"]
    assert verdicts(check_zones({"Europe/Atlantis"})) == ["fault"]


def test_servers_that_answer_and_servers_that_do_not() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        closed = {"DRIFTLINE_ALERT_WEBHOOK": f"http://127.0.0.1:{port}/hunter2"}
        (found,) = check_servers(closed)
        assert found.verdict == "fault"
        assert found.text == f"127.0.0.1:{port} cannot be reached: Connection refused."
        listening.listen()
        assert verdicts(check_servers(closed)) == ["ok"]
        mail = {"DRIFTLINE_SMTP_HOST": "127.0.0.1", "DRIFTLINE_SMTP_PORT": str(port)}
        assert verdicts(check_servers(mail)) == ["ok"]
        assert verdicts(check_servers({**mail, "DRIFTLINE_SMTP_TLS": "maybe"})) == ["fault"]
    assert verdicts(check_servers({})) == []


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DRIFTLINE_POSTGRES_URL", "postgresql+psycopg2://ann:hunter2@127.0.0.1:1/driftline"),
        ("DRIFTLINE_ONLINE_URL", "postgresql+psycopg2://ann:hunter2@127.0.0.1:1/driftline"),
        ("DRIFTLINE_ONLINE_URL", "redis://:hunter2@127.0.0.1:1/0"),
        ("DRIFTLINE_ALERT_SLACK", "no url: hunter2"),
        ("DRIFTLINE_ALERT_SLACK", "https://host:port/hunter2"),
    ],
)
def test_a_server_that_is_away_is_a_fault_without_its_password(variable: str, url: str) -> None:
    (found,) = check_servers({variable: url})
    assert found.verdict == "fault"
    assert found.check == variable
    assert "hunter2" not in found.text + found.repair


@pytest.mark.slow
def test_a_redis_that_answers(redis: object) -> None:
    port = redis.port  # type: ignore[attr-defined]  # a RedisServer
    (found,) = check_servers({"DRIFTLINE_ONLINE_URL": f"redis://127.0.0.1:{port}/0"})
    assert found.verdict == "ok", found.text
