"""Files on an SFTP server, asyncssh's on loopback: keys are verified, objects are copied once, half ones wait."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh
import pytest

from declaration.sources.text import CsvSourceSpec
from sources.file_types import look_at_files, marks_of_files
from sources.files import SourceError, arrived_files, source_files
from sources.sftp import SftpError, sftp_place
from sources.source_type import Asked
from tests.fixtures.sftp_server import PASSWORD, USER, SftpServer, sftp_server
from tests.pipelines.scaffolding.scaffolded import scaffold_url

NOWHERE = Path("/nowhere")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "out").mkdir(parents=True)
    return folder


@pytest.fixture
def server(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(cache))
    # Not the keys, the configuration and the agent of whoever runs the tests.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with sftp_server(root, tmp_path / "keys") as running:
        monkeypatch.setenv("DRIFTLINE_SFTP_KNOWN_HOSTS", str(running.known_hosts))
        monkeypatch.setenv("DRIFTLINE_SFTP_PASSWORD", PASSWORD)
        yield running


def source(server: SftpServer, path: str, **keys: object) -> CsvSourceSpec:
    return CsvSourceSpec.model_validate({"type": "csv", "path": server.url(path), **keys})


def put(root: Path, name: str, text: str = "id\n1\n", *, age_s: float = 3600) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    written = datetime.now(UTC).timestamp() - age_s
    os.utime(path, (written, written))


def test_files_are_listed_by_patterns_in_order_of_names(server: SftpServer, root: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt", "deeper/d.csv"):
        put(root, f"out/{name}", name)
    found = source_files(source(server, "out/*.csv"), folder=NOWHERE)
    assert [path.name for path in found] == ["a.csv", "b.csv"]
    assert [path.read_text() for path in found] == ["a.csv", "b.csv"]
    assert [p.name for p in source_files(source(server, "out/*/?.csv"), folder=NOWHERE)] == ["d.csv"]
    (root / "out" / "link.csv").symlink_to("a.csv")
    linked = source_files(source(server, "out/link*.csv"), folder=NOWHERE)
    assert linked[0].read_text() == "a.csv"


def test_a_link_on_the_server_never_becomes_one_here(server: SftpServer, root: Path, tmp_path: Path) -> None:
    # Fetched as a link, it would be one to whatever file of this machine its server names.
    (tmp_path / "linked.csv").write_text("of the server")
    (root / "out" / "a.csv").symlink_to(tmp_path / "linked.csv")
    for number, path in enumerate(("out/a.csv", "out/*.csv")):
        (found,) = source_files(source(server, path), folder=NOWHERE)
        assert not found.is_symlink()
        assert server.fetched["out/a.csv"] == number + 1
        assert found.read_text() == "of the server"


def test_one_changed_file_of_twenty_is_fetched_again(server: SftpServer, root: Path) -> None:
    for number in range(20):
        put(root, f"out/{number:02}.csv", f"id\n{number}\n", age_s=7200)
    source_files(source(server, "out/*.csv"), folder=NOWHERE)
    assert sum(server.fetched.values()) == 20
    server.fetched.clear()
    put(root, "out/07.csv", "id\n77\n")
    found = source_files(source(server, "out/*.csv"), folder=NOWHERE)
    assert dict(server.fetched) == {"out/07.csv": 1}
    assert [path.read_text() for path in found][6:9] == ["id\n6\n", "id\n77\n", "id\n8\n"]
    source_files(source(server, "out/*.csv"), folder=NOWHERE)
    assert sum(server.fetched.values()) == 1


def test_partitions_have_files_of_their_own(server: SftpServer, root: Path) -> None:
    days = source(server, "out/{partition}.csv", mode="incremental", missing="empty")
    for key in ("2024-01-01", "2024-01-02"):
        put(root, f"out/{key}.csv", key)
    (found,) = source_files(days, folder=NOWHERE, partition="2024-01-02")
    assert found.read_text() == "2024-01-02"
    assert source_files(days, folder=NOWHERE, partition="2024-01-03") == ()
    before = marks_of_files(days, Asked(NOWHERE, NOWHERE))
    put(root, "out/2024-01-01.csv", "late", age_s=60)
    after = marks_of_files(days, Asked(NOWHERE, NOWHERE))
    assert set(before) == {"2024-01-01", "2024-01-02"}
    assert {key for key in after if after[key] != before[key]} == {"2024-01-01"}


def test_a_declaration_is_written_of_a_url(server: SftpServer, root: Path, tmp_path: Path) -> None:
    put(root, "out/orders.csv", "id,x\n" + "".join(f"{i},{i % 7}\n" for i in range(40)))
    found = scaffold_url(server.url("out/orders.csv"), tmp_path / "found")
    assert found.spec.datasets["orders"].source.place == server.url("out/orders.csv")


def test_a_folder_is_no_file(server: SftpServer) -> None:
    with pytest.raises(SourceError, match=r"/out is a folder\. Name the files in it, as in 'out/\*'"):
        source_files(source(server, "out"), folder=NOWHERE)


def test_a_half_uploaded_file_waits(server: SftpServer, root: Path) -> None:
    put(root, "out/a.csv")
    put(root, "out/b.csv", age_s=5)
    now = datetime.now(UTC)
    look = look_at_files(source(server, "out/*.csv"), Asked(NOWHERE, NOWHERE, clock=now))
    assert list(look.waiting) == ["/out/b.csv"]
    settled = source(server, "out/*.csv", settle="1m")
    with pytest.raises(SourceError, match=r"b\.csv is not whole yet"):
        arrived_files(settled, folder=NOWHERE, clock=now)
    assert len(arrived_files(settled, folder=NOWHERE, clock=now + timedelta(minutes=1))[0]) == 2
    put(root, "out/a.csv.done", "", age_s=1)
    files, found = arrived_files(source(server, "out/*", marker="{name}.done"), folder=NOWHERE, clock=now)
    assert ([path.name for path in files], found.unmarked) == (["a.csv"], ("/out/b.csv",))


def test_a_server_whose_key_is_not_known_is_never_asked(
    server: SftpServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "out/a.csv")
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    nobody, somebody_else = tmp_path / "none", tmp_path / "other"
    somebody_else.write_text(f"[127.0.0.1]:{server.port} {other}\n")
    for known in (nobody, somebody_else):
        monkeypatch.setenv("DRIFTLINE_SFTP_KNOWN_HOSTS", str(known))
        with pytest.raises(SourceError, match=r"the key of 127\.0\.0\.1.*Compare its fingerprint"):
            source_files(source(server, "out/a.csv"), folder=NOWHERE)
        # Nothing is learned by trying.
        assert not nobody.exists()
    assert not server.fetched
    monkeypatch.delenv("DRIFTLINE_SFTP_KNOWN_HOSTS")
    with pytest.raises(SourceError, match=r"\.ssh/known_hosts or /etc/ssh/ssh_known_hosts"):
        source_files(source(server, "out/a.csv"), folder=NOWHERE)


def test_a_key_lets_in_as_a_password_does(
    server: SftpServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "out/a.csv")
    monkeypatch.delenv("DRIFTLINE_SFTP_PASSWORD")
    monkeypatch.setenv("DRIFTLINE_SFTP_KEY", str(server.client_key))
    assert len(source_files(source(server, "out/a.csv"), folder=NOWHERE)) == 1
    monkeypatch.delenv("DRIFTLINE_SFTP_KEY")
    monkeypatch.setenv("DRIFTLINE_SFTP_PASSWORD", "another")
    with pytest.raises(SourceError, match="does not let us in") as refused:
        source_files(source(server, "out/a.csv"), folder=NOWHERE)
    assert "another" not in str(refused.value)


def test_what_is_not_there_and_nobody_who_listens_are_told_apart(server: SftpServer) -> None:
    with pytest.raises(SourceError, match="cannot be read: FileNotFoundError"):
        source_files(source(server, "out/none.csv"), folder=NOWHERE)
    with pytest.raises(SourceError, match=r"nothing is there\. Correct the pattern"):
        source_files(source(server, "out/*.csv"), folder=NOWHERE)
    nobody = CsvSourceSpec(type="csv", path=f"sftp://{USER}@127.0.0.1:9/a.csv")
    with pytest.raises(SourceError, match="cannot be read: ConnectionRefusedError"):
        source_files(nobody, folder=NOWHERE)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sftp://shop:hush@host/a.csv", "holds a password. Take it out"),
        ("sftp:///a.csv", "names no host"),
        ("sftp://-oProxyCommand=x/a.csv", "names no host"),
    ],
)
def test_urls_that_are_none_are_refused(url: str, says: str) -> None:
    with pytest.raises(SftpError, match=says) as refused:
        sftp_place(url)
    assert "hush" not in str(refused.value)


def test_a_url_may_have_an_ipv6_address_and_a_spelt_user() -> None:
    place = sftp_place("sftp://a%40b@[::1]:2222/x/{partition}?.csv")
    assert (place.host, place.port, place.user, place.path) == ("::1", 2222, "a@b", "/x/{partition}?.csv")
