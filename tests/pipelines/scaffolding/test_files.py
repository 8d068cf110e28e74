"""What `--source` takes: files, folders, patterns, partitions; and what is no table is one sentence."""

import gzip
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import fastavro
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import orc

from declaration.errors import DriftlineError
from pipelines.scaffolding.files import ScaffoldError
from tests.pipelines.scaffolding.read_back import rejects_and_rows
from tests.pipelines.scaffolding.scaffolded import scaffold

FRAME = pd.DataFrame(
    {"id": range(40), "sold_on": [date(2024, 1, 1) + timedelta(days=i // 4) for i in range(40)]}
)


def daily(folder: Path, ending: str = "csv") -> Path:
    """Write ten files of a day each."""
    folder.mkdir(parents=True)
    for day, rows in FRAME.groupby("sold_on"):
        getattr(rows, f"to_{ending}")(folder / f"{day}.{ending}", index=False)
    return folder


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("source", ["daily", "daily/*", "daily/2024-*.{ending}"])
def test_a_folder_or_a_pattern_is_one_table(source: str, ending: str, tmp_path: Path) -> None:
    daily(tmp_path / "x" / "daily", ending)
    pipeline = scaffold(Path(source.format(ending=ending)), tmp_path / "x")
    dataset = pipeline.spec.datasets["daily"]
    n_rejected, rows = rejects_and_rows(pipeline)
    assert (n_rejected, len(rows)) == (0, 40)
    # The declaration's folder can be moved: what lies in it is named from there.
    assert dataset.source.path in {f"daily/*.{ending}", source.format(ending=ending)}


def test_the_folder_of_a_table_is_that_table(tmp_path: Path) -> None:
    rows = pa.Table.from_pandas(FRAME)
    write_deltalake(tmp_path / "x" / "sales", rows.slice(0, 20))
    write_deltalake(tmp_path / "x" / "sales", rows, mode="overwrite")
    pipeline = scaffold(Path("sales"), tmp_path / "x")
    dataset = pipeline.spec.datasets["sales"]
    assert (dataset.source.type, dataset.source.path, dataset.event_time) == ("delta", "sales", "sold_on")
    n_rejected, read = rejects_and_rows(pipeline)
    assert (n_rejected, len(read)) == (0, 40)


@pytest.mark.parametrize("ending", ["orc", "avro"])
def test_files_of_other_typed_formats_are_known_by_their_ending(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"sales.{ending}"
    if ending == "orc":
        orc.write_table(pa.Table.from_pandas(FRAME), file)
    else:
        day = {"type": "int", "logicalType": "date"}
        fields = [{"name": "id", "type": "long"}, {"name": "sold_on", "type": day}]
        with file.open("wb") as stream:
            schema = {"type": "record", "name": "sale", "fields": fields}
            fastavro.writer(stream, schema, FRAME.to_dict("records"))
    pipeline = scaffold(file, tmp_path / "x")
    dataset = pipeline.spec.datasets["sales"]
    assert (dataset.source.type, dataset.event_time) == (ending, "sold_on")
    assert {name: dataset.column(name).type for name in dataset.columns} == {
        "id": "int",
        "sold_on": "timestamp_tz",
    }
    n_rejected, read = rejects_and_rows(pipeline)
    assert (n_rejected, len(read)) == (0, 40)


@pytest.mark.parametrize(
    ("form", "step", "every"),
    [
        ("%Y-%m-%d", timedelta(days=1), "day"),
        ("%Y-%m-%d", timedelta(days=7), "week"),
        ("%Y-%m-%d-%H:%M", timedelta(hours=1), "hour"),
    ],
)
def test_files_of_partitions_tell_how_long_one_is(
    form: str, step: timedelta, every: str, tmp_path: Path
) -> None:
    starts = [datetime(2024, 1, 7) + i * step for i in range(5)]
    for number, start in enumerate(starts):
        lines = [f"{number},{start + timedelta(minutes=minute)}" for minute in range(5)]
        (tmp_path / f"{start.strftime(form)}.csv").write_text("\n".join(["n,at", *lines]))
    pipeline = scaffold(tmp_path / "{partition}.csv", tmp_path / "found")
    dataset = next(iter(pipeline.spec.datasets.values()))
    assert (dataset.source.mode, dataset.event_time) == ("incremental", "at")
    partitions = pipeline.spec.partitions
    assert (partitions.every, partitions.start) == (every, starts[0])
    assert partitions.end == starts[-1] + step


def test_names_that_are_no_partitions_are_told(tmp_path: Path) -> None:
    (tmp_path / "north.csv").write_text("n,at\n1,2024-01-01\n")
    with pytest.raises(ScaffoldError, match=r"'north' in the place of \{partition\} is no partition's key"):
        scaffold(tmp_path / "{partition}.csv", tmp_path / "found")


def test_files_of_partitions_without_a_time_are_told(tmp_path: Path) -> None:
    (tmp_path / "2024-01-01.csv").write_text("n,name\n1,a\n")
    with pytest.raises(ScaffoldError, match="need a column that says when a row came to be"):
        scaffold(tmp_path / "{partition}.csv", tmp_path / "found")


def folder_of(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("a,b\n1,2\n")
        return folder

    return make


NO_TABLE = [
    pytest.param(folder_of("a.csv", "b.json"), "files that end in .csv, .json", id="two-formats"),
    pytest.param(folder_of("a.csv", "b/c.csv"), "files at several depths", id="depths"),
    pytest.param(folder_of(".hidden"), "the folder holds no files", id="empty"),
]


@pytest.mark.parametrize(("make", "message"), NO_TABLE)
def test_a_folder_that_is_no_table_says_why(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScaffoldError, match=message):
        scaffold(make(tmp_path / "files"), tmp_path / "found")


def sound(folder: Path) -> dict[str, bytes]:
    """Return the bytes of sound files by their ending."""
    text = FRAME.to_csv(index=False).encode()
    FRAME.to_parquet(folder / "a.parquet")
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in FRAME.itertuples(index=False):
        book.active.append(tuple(row))
    book.save(folder / "a.xlsx")
    with zipfile.ZipFile(folder / "a.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", text)
    return {
        ".parquet": (folder / "a.parquet").read_bytes(), ".xlsx": (folder / "a.xlsx").read_bytes(),
        ".csv.zip": (folder / "a.csv.zip").read_bytes(), ".csv.gz": gzip.compress(text),
        ".json": FRAME.to_json(orient="records", date_format="iso").encode(), ".csv": text,
    }  # fmt: skip


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "first-page": lambda data: data[:4] + b"\xff" * 60 + data[64:],
    "end": lambda data: data[:-24] + b"\xff" * 24,
    "other-magic": lambda data: b"PK\x03\x04" + data[4:] if data[:2] != b"PK" else b"PAR1" + data[4:],
    "nothing-but-noise": lambda data: bytes(range(256)) * (1 + len(data) // 256),
    "a-page-of-zeros": lambda data: data[:40] + bytes(40) + data[80:],
    "one-byte": lambda data: data[:1],
}


@pytest.mark.parametrize("ending", [".parquet", ".xlsx", ".csv.zip", ".csv.gz", ".json", ".csv"])
def test_damaged_files_are_one_sentence(ending: str, tmp_path: Path) -> None:
    """A damaged file is scaffolded, if enough of it is left, or says so: never another error than ours."""
    data = sound(tmp_path)[ending]
    said: dict[str, str] = {}
    for name, damage in DAMAGES.items():
        file = tmp_path / f"{name}{ending}"
        file.write_bytes(damage(data))
        try:
            scaffold(file, tmp_path / name)
        except DriftlineError as error:
            said[file.name] = str(error)
    assert all(name in text and "\n" not in text and len(text) < 900 for name, text in said.items())
    assert len(said) >= (1 if ending in (".csv", ".json") else 4)


def test_a_zip_with_a_password_is_one_sentence(tmp_path: Path) -> None:
    """The first bit of a member's flags says that it is encrypted (PKWARE's APPNOTE, 4.4.4)."""
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    data = bytearray((tmp_path / "a.csv.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "a.csv.zip").write_bytes(data)
    with pytest.raises(DriftlineError, match=r"a\.csv\.zip.*password"):
        scaffold(tmp_path / "a.csv.zip", tmp_path / "found")


NAMES = [
    pytest.param("x" * 256, "has a name of 256 characters, and 255 are the most", id="too-long"),
    pytest.param("_driftline_row", "a name that Driftline keeps for itself", id="ours"),
    pytest.param("_partition", "a name that Driftline keeps for itself", id="partition"),
    pytest.param("broken_rules", "a name that Driftline keeps for itself", id="quarantine"),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
def test_columns_that_no_declaration_can_name_are_told(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"id,{name}\n1,2\n2,3\n")
    with pytest.raises(ScaffoldError, match=message):
        scaffold(tmp_path / "t.csv", tmp_path / "found")


WORDS = ("at", "order", "true", "event_timestamp")


@pytest.mark.parametrize("role", range(4))
def test_a_column_may_be_called_anything_in_any_role(role: int, tmp_path: Path) -> None:
    """As time, target, entity or feature: it works, or a sentence says what to rename."""
    columns = (
        [f"{datetime(2024, 1, 1) + timedelta(hours=6 * i)}" for i in range(120)],
        [["yes", "no", "no"][i % 3] for i in range(120)],
        [f"e{i % 6}" for i in range(120)],
        [str(i * 37 % 101 / 8) for i in range(120)],
    )
    refused: dict[str, str] = {}
    for word in WORDS:
        names = [word if place == role else f"c{place}" for place in range(4)]
        frame = pd.DataFrame(dict(zip(names, columns, strict=True)))
        frame.to_csv(tmp_path / "t.csv", index=False)
        try:
            pipeline = scaffold(
                tmp_path / "t.csv", tmp_path / "x", target=names[1], event_time=names[0], entity=names[2]
            )
        except ScaffoldError as error:
            refused[word] = str(error)
            continue
        assert rejects_and_rows(pipeline)[0] == 0
    assert set(refused) <= {"event_timestamp"}
    assert all("of its own. Rename this one" in text for text in refused.values())
