"""Event times and keys: which partition a row belongs to, and rows that belong to none."""

from collections.abc import Sequence

from tests.inputs.case import Case, Kept, Refused


def case(
    name: str,
    times: Sequence[str],
    expected: Kept | Refused,
    *,
    kind: str = "timestamp_tz",
    timezone: str = "UTC",
    **source: object,
) -> Case:
    """Describe rows numbered from 0, each with its time."""
    content = "id,at\n" + "".join(f"{number},{time}\n" for number, time in enumerate(times))
    return Case(
        name, {"a.csv": content.encode()}, {"id": "int", "at": kind}, expected,
        event_time="at", key=("id",), timezone=timezone, source=source,
    )  # fmt: skip


def partition_files(name: str, expected: Kept | Refused, first: str, second: str) -> Case:
    """Describe a file for each of the two partitions."""
    files = {"2024-01-01.csv": f"id,at\n{first}".encode(), "2024-01-02.csv": f"id,at\n{second}".encode()}
    return Case(
        name, files, {"id": "int", "at": "timestamp_tz"}, expected,
        path="{partition}.csv", event_time="at", key=("id",), source={"mode": "incremental"},
    )  # fmt: skip


CASES = (
    case(
        "the edges of partitions",
        [
            "2024-01-01T00:00Z",
            "2024-01-01T23:59:59.999999Z",
            "2024-01-02T23:59:59.999999Z",
            "2024-01-03T00:00Z",
        ],
        Kept(3, out_of_range=1, values={"id": [0, 1, 2]}),
    ),
    case(
        "zones that put one day's rows into others",
        ["2024-01-02T03:00+09:00", "2024-01-01T23:30-05:00", "2024-01-02T23:30-05:00", "2024-01-01 12:00"],
        # 18:00 of the first; 04:30 of the second; 04:30 of the third, which is none; noon of the first.
        Kept(3, out_of_range=1, values={"id": [0, 3, 1]}),
    ),
    case(
        "naive times beside zoned ones, in Auckland",
        ["2023-12-31T11:00Z", "2023-12-31T10:59Z", "2024-01-01 00:00", "2024-01-03 00:00"],
        # Auckland's year begins at 11:00 UTC.
        Kept(2, out_of_range=2, values={"id": [0, 2]}),
        timezone="Pacific/Auckland",
    ),
    case("times outside every partition", ["2019-01-01", "2030-01-01"], Kept(0, out_of_range=2)),
    case(
        "the ends of the calendar for times",
        ["0001-01-01", "9999-12-31", "2024-01-01"],
        Kept(1, out_of_range=2),
    ),
    case(
        "the ends of the calendar, east of Greenwich",
        ["0001-01-01", "9999-12-31", "2024-01-01"],
        Kept(1, out_of_range=2),
        kind="timestamp",
        timezone="Pacific/Auckland",
    ),
    case(
        "the ends of the calendar, west of Greenwich",
        ["0001-01-01", "9999-12-31", "2024-01-01"],
        Kept(1, out_of_range=2),
        kind="date",
        timezone="America/New_York",
    ),
    case("no event time in some rows", ["2024-01-01", ""], Kept(1, rejects=1, reasons=["at: no event time"])),
    case(
        "no event time in any row",
        ["", ""],
        Refused("ReadError", "2 of 2 rows", r"a\.csv, line 2: at: no event time", "Fill it in"),
        max_rejected_share=0.01,
    ),
    case("no rows at all", [], Kept(0)),
    partition_files(
        "a partition's file with rows of another",
        Kept(2, rejects=1, reasons=["at: not in partition 2024-01-02"]),
        "1,2024-01-01\n",
        "2,2024-01-02\n3,2024-01-01\n",
    ),
    Case(
        "keys that stand twice, within a partition and across",
        {"a.csv": b"id,at\n1,2024-01-01\n1,2024-01-01\n1,2024-01-02\n,2024-01-02\n"},
        {"id": "int", "at": "date"},
        # Raw data are as they came: uniqueness is measured later, and labels refuse keys that stand twice.
        Kept(4, values={"id": [1, 1, 1, None]}),
        event_time="at",
        key=("id",),
    ),
)
