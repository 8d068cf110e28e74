"""Files and paths: compressed, damaged, not there, not files, and leading elsewhere."""

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.inputs.case import Case, Kept, Refused

COLUMNS = {"id": "int", "n": "string"}
ROWS = b"id,n\n1,a\n2,b\n"


def case(name: str, expected: Kept | Refused, *, path: str = "a.csv", **files: bytes) -> Case:
    """Describe files of two rows; `content` is that of the path itself."""
    given = {path if key == "content" else key: content for key, content in files.items()}
    return Case(name, given, COLUMNS, expected, path=path)


def made(name: str, make: Callable[[Path], None], expected: Kept | Refused, *, path: str = "a.csv") -> Case:
    """Describe what must be made in the folder, as no content tells it."""
    return Case(name, make, COLUMNS, expected, path=path)


def archive(*members: tuple[str, bytes]) -> bytes:
    """Return a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in members:
            packed.writestr(name, text)
    return content.getvalue()


def locked(content: bytes) -> bytes:
    """Say of a zip archive's member that it has a password."""
    at = content.index(b"PK\x01\x02") + 8
    return content[:at] + b"\x01" + content[at + 1 :]


def damaged(content: bytes) -> bytes:
    """Spoil bytes in the middle."""
    half = len(content) // 2
    return content[:half] + b"\xff" * 20 + content[half + 20 :]


NOISE = b"id,n\n" + b"".join(b"%d,%d\n" % (number, number * 7919 % 104729) for number in range(5_000))

GZIP = (
    case(
        "a gzip file of no bytes",
        Refused("ReadError", "is empty", r"a\.csv\.gz", "begins with a header"),
        path="a.csv.gz",
        content=b"",
    ),
    case(
        "a gzip file cut in its rows",
        Refused("SourceError", "not a readable gzip", r"a\.csv\.gz", "Copy it again"),
        path="a.csv.gz",
        content=gzip.compress(NOISE)[:-2_000],
    ),
    case(
        "a gzip file cut in its head",
        Refused("SourceError", "not a readable gzip", r"a\.csv\.gz", "Copy it again"),
        path="a.csv.gz",
        content=gzip.compress(ROWS)[:5],
    ),
    case(
        "a gzip file with spoilt bytes",
        Refused("SourceError", "not a readable gzip", r"a\.csv\.gz", "Copy it again"),
        path="a.csv.gz",
        content=damaged(gzip.compress(NOISE)),
    ),
    case(
        "plain text called gz",
        Refused("SourceError", "not a readable gzip", r"a\.csv\.gz", "name the file itself"),
        path="a.csv.gz",
        content=ROWS,
    ),
    case(
        "a gzip file called csv",
        Refused("ReadError", "compressed with gzip", r"a\.csv", r"end in \.gz"),
        content=gzip.compress(ROWS),
    ),
    case(
        "two gzip files in one",
        Kept(3),
        path="a.csv.gz",
        content=gzip.compress(ROWS) + gzip.compress(b"3,c\n"),
    ),
    case(
        "a gzip bomb of one line",
        Kept(1, rejects=1, reasons=["Maximum line size"]),
        path="a.csv.gz",
        content=gzip.compress(b"id,n\n1,a\n" + b"0" * 40_000_000),
    ),
    case(
        "a gzip file of UTF-16",
        Kept(1, values={"n": ["é"]}),
        path="a.csv.gz",
        content=gzip.compress("id,n\n1,é\n".encode("utf-16")),
    ),
)

ZIP = (
    case(
        "a zip file of no bytes",
        Refused("SourceError", "not a readable zip", r"a\.zip", "Pack it again"),
        path="a.zip",
        content=b"",
    ),
    case(
        "a zip file without members",
        Refused("SourceError", "exactly one file, this one 0", r"a\.zip", "Pack each"),
        path="a.zip",
        content=archive(),
    ),
    case(
        "a zip file of two members",
        Refused("SourceError", "exactly one file, this one 2", r"a\.zip", "Pack each"),
        path="a.zip",
        content=archive(("a.csv", ROWS), ("b.csv", ROWS)),
    ),
    case(
        "a zip file with a password",
        Refused("SourceError", "password required", r"a\.zip", "without a password"),
        path="a.zip",
        content=locked(archive(("a.csv", ROWS))),
    ),
    case(
        "a zip file cut at its end",
        Refused("SourceError", "not a readable zip", r"a\.zip", "Pack it again"),
        path="a.zip",
        content=archive(("a.csv", ROWS))[:-10],
    ),
    case(
        "a zip file with spoilt bytes",
        Refused("SourceError", "not a readable zip", r"a\.zip", "Pack it again"),
        path="a.zip",
        content=damaged(archive(("a.csv", NOISE))),
    ),
    case(
        "a zip bomb",
        Refused("SourceError", "would unpack to 50,000,000 bytes", r"a\.zip", "Unpack it yourself"),
        path="a.zip",
        content=archive(("a.csv", b"0" * 50_000_000)),
    ),
    case("a zip member that climbs out", Kept(2), path="a.zip", content=archive(("../../evil.csv", ROWS))),
    case("a zip member with a whole path", Kept(2), path="a.zip", content=archive(("/etc/evil.csv", ROWS))),
    case(
        "a zip file of a gzip file",
        Kept(2),
        path="a.csv.zip",
        content=archive(("a.csv.gz", gzip.compress(ROWS))),
    ),
    case(
        "a zip file of a zip file",
        Refused("ReadError", "a zip archive", r"a\.zip", r"end in \.zip"),
        path="a.zip",
        content=archive(("a.zip", archive(("a.csv", ROWS)))),
    ),
    case(
        "a workbook called csv",
        Refused("ReadError", "an Excel workbook", r"a\.csv", "declare 'type: excel'"),
        content=archive(("xl/workbook.xml", b"")),
    ),
    case(
        "a zip file's rejects name it",
        Kept(1, rejects=1),
        path="a.csv.zip",
        content=archive(("x.csv", b"id,n\n1,a\nx,b\n")),
    ),
)

PLACES = (
    made(
        "a folder in the file's place",
        lambda f: (f / "a.csv").mkdir(),
        Refused("SourceError", "is a folder", r"source 'a\.csv'", r"Name the files in it, as in 'a\.csv/\*'"),
    ),
    made(
        "a pipe in the file's place",
        lambda f: os.mkfifo(f / "a.csv"),
        Refused("SourceError", "a pipe or a device", r"source 'a\.csv'", "Write its content to a file"),
    ),
    made(
        "a link that leads nowhere",
        lambda f: (f / "a.csv").symlink_to(f / "none"),
        Refused("SourceError", "leads nowhere", r"source 'a\.csv'", "Put the file itself there"),
    ),
    made(
        "a link to itself",
        lambda f: (f / "a.csv").symlink_to(f / "a.csv"),
        Refused("SourceError", "source 'a.csv'", r"a\.csv", "Put the file|Correct `path`"),
    ),
    made(
        "a link to a file elsewhere",
        lambda f: (f / "a.csv").symlink_to("/etc/hostname"),
        Refused("SourceError", "leads out of", r"source 'a\.csv'", "Copy the file there"),
    ),
    made(
        "a link to a folder elsewhere",
        lambda f: (f / "data").symlink_to("/etc"),
        Refused("SourceError", "leads out of", r"source 'data/\*'", "Copy the file there"),
        path="data/*",
    ),
    made(
        "a pipe among files",
        lambda f: (os.mkfifo(f / "b.csv"), (f / "a.csv").write_bytes(ROWS))[0],
        Kept(2),
        path="*.csv",
    ),
    case(
        "a device",
        Refused("SourceError", "a pipe or a device", "source '/dev/zero'", "Write its content"),
        path="/dev/zero",
    ),
    case(
        "a path that climbs",
        Refused(
            "DeclarationError", r"may not climb with '\.\.'", r"defs\.yaml:\d+", "Write an absolute path"
        ),
        path="x/../../a.csv",
    ),
    case(
        "a packaged path that climbs",
        Refused(
            "DeclarationError", r"may not climb with '\.\.'", r"defs\.yaml:\d+", "Write an absolute path"
        ),
        path="package:json/../../x.csv",
    ),
    case(
        "a path longer than any",
        Refused("SourceError", "File name too long", "source 'aaaa", "Correct `path`"),
        path="a" * 5_000,
    ),
    case(
        "a pattern that is none",
        Refused("SourceError", "Invalid pattern", r"source '\*\*x\.csv'", "Correct `path`"),
        path="**x.csv",
    ),
    case(
        "a pattern that nothing matches",
        Refused("SourceError", "no such file", r"source '\*\.txt'", "correct `path`"),
        path="*.txt",
    ),
    case(
        "a file called like a pattern",
        Kept(2, values={"id": [1, 2]}),
        path="a[1].csv",
        content=ROWS,
        **{"a1.csv": b"id,n\n9,z\n"},
    ),
    case(
        "files called like patterns of each other",
        Kept(3, values={"id": [1, 2, 9]}),
        path="*.csv",
        **{"a*.csv": ROWS, "ab.csv": b"id,n\n9,z\n"},
    ),
    case("a folder called like a column", Kept(2, values={"id": [1, 2]}), path="id=7/a.csv", content=ROWS),
    case("quotes and spaces in a file's name", Kept(2), path='it\'s a "file".csv', content=ROWS),
    case("an emoji for a file's name", Kept(2), path="😀.csv", content=ROWS),
    case(
        "an empty file among sound ones",
        Refused("ReadError", "is empty", r"b\.csv", "begins with a header"),
        path="*.csv",
        **{"a.csv": ROWS, "b.csv": b""},
    ),
    case(
        "a file without rows among sound ones", Kept(2), path="*.csv", **{"a.csv": ROWS, "b.csv": b"id,n\n"}
    ),
    case(
        "files with columns in another order",
        Kept(3),
        path="*.csv",
        **{"a.csv": ROWS, "b.csv": b"n,id\nc,3\n"},
    ),
    case(
        "a file that lacks a column",
        Refused("ReadError", "has no column 'n'", r"b\.csv", "declare `optional: true`"),
        path="*.csv",
        **{"a.csv": ROWS, "b.csv": b"id\na\n"},
    ),
)

CASES = (*GZIP, *ZIP, *PLACES)
