"""Values of a CSV column: numbers, truth values, dates and instants in the spellings that people use."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from tests.inputs.case import Case, Kept, Refused


def case(
    name: str,
    kind: str,
    cells: Sequence[str],
    expected: Kept | Refused,
    *,
    timezone: str = "UTC",
    **source: object,
) -> Case:
    """Describe a CSV file of one column; a semicolon separates, so that commas are part of values."""
    content = "v\n" + "".join(f"{cell}\n" for cell in cells)
    return Case(
        name, {"a.csv": content.encode()}, {"v": kind}, expected,
        source={"delimiter": ";", **source}, timezone=timezone,
    )  # fmt: skip


def instant(day: int, hour: int, minute: int = 0) -> datetime:
    """Return an instant of January 2024, as the lake reads it."""
    return datetime(2024, 1, day, hour, minute, tzinfo=UTC)


def shown(values: Sequence[datetime]) -> Sequence[object]:
    """Return instants as Arrow shows them: its zone has another name for UTC."""
    from zoneinfo import ZoneInfo

    return [value.replace(tzinfo=ZoneInfo("UTC")) for value in values]


NUMBERS = (
    case(
        "whole numbers at the edge of 64 bits",
        "int",
        ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"],
        Kept(
            2,
            rejects=2,
            values={"v": [2**63 - 1, -(2**63)]},
            reasons=["64 bits: -9223372036854775809$", "64 bits: 9223372036854775808$"],
        ),
    ),
    case("minus zero, signs and leading zeros", "int", ["-0", "+5", "007"], Kept(3, values={"v": [0, 5, 7]})),
    case(
        "whole numbers that are none",
        "int",
        ["NaN", "inf", "1e400", "0x10", "½", "true", "1,5"],
        Kept(0, rejects=7),
    ),
    case(
        "decimal commas in every row",
        "float",
        ["1,5", "2,5"],
        Refused(
            "ReadError",
            "2 of 2 rows",
            r"a\.csv, line 2: v: .*1,5",
            "decimal point and no thousands separators",
        ),
        max_rejected_share=0.01,
    ),
    case("thousands separators", "float", ["1.000,5", "1,000.5", "1 000", "1'000", "5"], Kept(1, rejects=4)),
    case(
        "infinities and what overflows to them",
        "float",
        ["inf", "-Infinity", "1e400", "-1e400", "1e-400"],
        Kept(
            3,
            rejects=2,
            values={"v": [float("inf"), -float("inf"), 0.0]},
            reasons=["too large for a 64-bit float: -1e400$", "too large for a 64-bit float: 1e400$"],
        ),
    ),
    case(
        "minus zero and the smallest number",
        "float",
        ["-0.0", "5e-324"],
        Kept(2, values={"v": [-0.0, 5e-324]}),
    ),
    case("currency and percent signs", "float", ["$5", "5%", "5 €"], Kept(0, rejects=3)),
    case(
        "decimals beyond 29 digits",
        "decimal",
        ["99999999999999999999999999999.5", "1e40", "NaN"],
        Kept(1, rejects=2, values={"v": [Decimal("99999999999999999999999999999.500000000")]}),
    ),
    case(
        "truth in many spellings",
        "boolean",
        ["true", "TRUE", "t", "yes", "Y", "1", "false", "no", "N", "0"],
        Kept(10, values={"v": [True] * 6 + [False] * 4}),
    ),
    case("truth in other languages and numbers", "boolean", ["ja", "on", "2", "x"], Kept(0, rejects=4)),
    case("mixed types in one column", "int", ["1", "two", "3.0", "4.5", "2024-01-01"], Kept(2, rejects=3)),
    case(
        "words for nothing stay words",
        "string",
        ["NULL", "NA", "nan"],
        Kept(3, values={"v": ["NULL", "NA", "nan"]}),
    ),
    case("spreadsheet formulas stay text", "string", ["=1+1", "@x"], Kept(2, values={"v": ["=1+1", "@x"]})),
)

TIMES = (
    case("the day zero", "date", ["0000-00-00"], Kept(0, rejects=1)),
    case("the last day of the calendar", "date", ["9999-12-31"], Kept(1, values={"v": [date(9999, 12, 31)]})),
    case("the first day of the calendar", "date", ["0001-01-01"], Kept(1, values={"v": [date(1, 1, 1)]})),
    case(
        "days beyond the calendar",
        "date",
        ["10000-01-01", "290309-01-01", "0044-03-15 (BC)", "infinity", "-infinity"],
        Kept(0, rejects=5, reasons=["v: not between the years 1 and 9999"] * 5),
    ),
    case(
        "instants beyond the calendar",
        "timestamp_tz",
        ["10000-01-01T00:00:00Z", "294247-01-10T04:00:54Z", "infinity", "2024-01-01T00:00:00Z"],
        Kept(1, rejects=3, reasons=["v: not between the years 1 and 9999"] * 3),
    ),
    case("days that do not exist", "date", ["2024-02-30", "2023-02-29", "2024-13-01"], Kept(0, rejects=3)),
    case("days in another order", "date", ["31/12/2024", "12/31/2024", "31.12.2024"], Kept(0, rejects=3)),
    case("days as Excel's numbers", "date", ["45292"], Kept(0, rejects=1)),
    case("seconds since 1970", "timestamp_tz", ["1704067200"], Kept(0, rejects=1)),
    case("a leap second", "timestamp", ["2024-01-01 23:59:60"], Kept(0, rejects=1)),
    case(
        "midnight as 24 o'clock",
        "timestamp",
        ["2024-01-01T24:00:00"],
        Kept(1, values={"v": [datetime(2024, 1, 2)]}),
    ),
    case(
        "wall clocks with PM, zones and offsets",
        "timestamp",
        [
            "2024-01-01 10:00:00 PM",
            "2024-01-01 10:00 UTC+3",
            "2024-01-01T10:00:00+02:00",
            "2024-01-01T10:00:00Z",
        ],
        Kept(0, rejects=4, reasons=["v: more than a wall clock: 2024-01-01 10:00 UTC"]),
    ),
    case(
        "wall clocks with PM, in every row",
        "timestamp",
        ["2024-01-01 10:00:00 PM"],
        Refused(
            "ReadError",
            "more than a wall clock",
            r"For example a\.csv",
            "timestamp_tz, or read it with `sql`",
        ),
        max_rejected_share=0,
    ),
    case(
        "a wall clock that is none beside sound ones",
        "timestamp",
        ["2024-01-01 10:00", "soon"],
        Refused("ReadError", "1 of 2 rows", r"a\.csv, line 3: v: .*soon", "Correct the file"),
        max_rejected_share=0,
    ),
    case(
        "instants of several zones",
        "timestamp_tz",
        [
            "2024-01-01T12:00:00Z",
            "2024-01-01T12:00:00-0530",
            "2024-01-01 12:00 Europe/Berlin",
            "2024-01-01 12:00",
        ],
        Kept(4, values={"v": shown([instant(1, 12), instant(1, 17, 30), instant(1, 11), instant(1, 11)])}),
        timezone="Europe/Berlin",
    ),
    case(
        "instants of zones that do not exist",
        "timestamp_tz",
        ["2024-01-01 12:00 Mars/Olympus", "2024-01-01 12:00 PM", "2024-01-01T12:00:00+99:00"],
        Kept(1, rejects=2),
    ),
    case(
        "an hour that the clocks skip",
        "timestamp_tz",
        ["2024-03-31 01:59", "2024-03-31 02:30", "2024-03-31 03:30"],
        Kept(
            3,
            values={
                "v": shown([datetime(2024, 3, 31, h, m, tzinfo=UTC) for h, m in ((0, 59), (1, 30), (1, 30))])
            },
        ),
        timezone="Europe/Berlin",
    ),
    case(
        "an hour that the clocks repeat",
        "timestamp_tz",
        ["2024-10-27 02:30", "2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"],
        Kept(3),
        timezone="Europe/Berlin",
    ),
)

CASES = (*NUMBERS, *TIMES)
