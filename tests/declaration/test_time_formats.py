"""Formats of times: what they may be made of, and which two one text fits in two ways."""

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.time_formats import TimeFormat, format_faults

GOOD = [
    "%d.%m.%Y",
    "%Y%m%d",
    "%m/%Y",
    "%Y",
    "%b %d, %Y %I:%M %p",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%A %d %B %y",
    "100%% %Y",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_format_of_known_parts_is_one(text: str) -> None:
    assert list(format_faults([text])) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("%d.%m", "names no year"),
        ("%Y %y-%m-%d", "names no year, or two"),
        ("%d %Y", "has %d, which says nothing without %m or %b or %B"),
        ("%Y-%m-%d %I:%M", "has %I, which says nothing without %p"),
        ("%Y-%m-%d %M", "has %M, which says nothing without %H or %I"),
        ("%Y %z-%m-%d %H", "an offset stands at the end"),
        ("%Y-%j", "has %j, which is none of its parts"),
        ("%Y-%m-%d %", "has %, which is none of its parts"),
        ("%Y-%m-%m-%d", "names %m twice"),
        ("%Y-%m-%b-%d", "names the month or the hour twice"),
    ],
)
def test_a_format_that_says_too_little_or_too_much_is_refused(text: str, said: str) -> None:
    assert said.lower() in next(iter(format_faults([text]))).lower()


@pytest.mark.parametrize(
    "pair", [("%d/%m/%Y", "%m/%d/%Y"), ("%y-%m-%d", "%d-%m-%y"), ("%d%m%y", "%y%m%d"), ("%Y", "%Y")]
)
def test_two_orders_of_the_same_numbers_are_refused(pair: tuple[str, str]) -> None:
    assert "nothing tells which of both" in next(iter(format_faults(pair)))


def test_orders_that_signs_or_digits_tell_apart_go_together() -> None:
    assert list(format_faults(["%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%y", "%Y%m%d"])) == []


@given(time=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)), text=st.sampled_from(GOOD))
def test_what_strftime_writes_has_the_format(time: datetime, text: str) -> None:
    written = time.strftime(text.replace("%z", "+02:00"))
    assert re.fullmatch(TimeFormat(text).pattern, written)
