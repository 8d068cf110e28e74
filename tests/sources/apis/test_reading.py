"""Rows of an API, asked of a real server: each once, whatever happens between two pages, or a sentence that says why not."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from declaration.datasets import DatasetSpec
from declaration.partitioning import partitioning
from declaration.sources.rest import RestSourceSpec
from sources.files import SourceError
from sources.source_type import Asked
from tests.fixtures.apis import Answer, Api, Asking, serving
from tests.fixtures.databases import days, got

pytest.importorskip("dlt", reason="the extra rest is not installed")

from sources.apis.answers import lines_of
from sources.apis.reading import MAX_WALKS, ApiRows, read_rows
from sources.apis.transport import Waiting

Row = dict[str, Any]
BY_PAGE = {"by": "page", "size": 3, "size_param": "limit"}
BY_OFFSET = {"by": "offset", "size": 3, "size_param": "limit"}


def rows_of(n: int) -> list[Row]:
    return [{"id": i, "name": f"row {i}"} for i in range(n)]


def read(
    api: Api,
    *,
    key: Sequence[str] = ("id",),
    waiting: Waiting | None = None,
    asked: Asked | None = None,
    timeout_s: float = 60,
    **keys: Any,
) -> ApiRows:
    declared = {"type": "rest", "url": f"{api.url}/orders", **keys}
    spec = DatasetSpec.model_validate(
        {"source": declared, "columns": {"id": "int", "name": "string"}, "key": list(key)}
    )
    assert isinstance(spec.source, RestSourceSpec)
    assert not list(spec.source.contradictions())
    waiting = waiting or Waiting(sleep=lambda _: None)
    # Declarations count in minutes.
    source = spec.source.model_copy(update={"timeout": timedelta(seconds=timeout_s)})
    return read_rows(source, asked or Asked(Path(), Path(), dataset=spec), waiting)


def ids(rows: ApiRows) -> list[Any]:
    return sorted(json.loads(line)["id"] for line in rows.lines)


def page(rows: Sequence[Row], asking: Asking) -> Sequence[Row]:
    """Return the page that is asked for, by page or by offset."""
    size = int(asking.params["limit"])
    start = (
        int(asking.params["offset"]) if "offset" in asking.params else (int(asking.params["page"]) - 1) * size
    )
    return rows[start : start + size]


@pytest.mark.parametrize("paging", [BY_PAGE, BY_OFFSET])
@pytest.mark.parametrize("n", [0, 1, 3, 7])
def test_pages_are_read_to_the_end(paging: Row, n: int) -> None:
    rows = rows_of(n)
    with serving(lambda asking: Answer({"items": page(rows, asking), "count": n})) as api:
        assert ids(read(api, paging={**paging, "total": "count"})) == list(range(n))
        assert ids(read(api, paging={**paging, "stable": True})) == list(range(n))
        n_asked = len(api.asked)
        assert ids(read(api, paging=paging)) == list(range(n))
        assert len(api.asked) - n_asked == 2 * (-(-n // 3) + 1)  # Twice, each with an empty page at the end.


def test_a_cursor_is_followed() -> None:
    rows, after = rows_of(8), {None: "b 1", "b 1": "c&2", "c&2": None}

    def answer(asking: Asking) -> Answer:
        cursor = asking.params.get("after")
        start = 3 * list(after).index(cursor)
        return Answer({"data": {"rows": rows[start : start + 3]}, "meta": {"next": after[cursor]}})

    with serving(answer) as api:
        got = read(api, rows="data.rows", paging={"by": "cursor", "param": "after", "next": "meta.next"})
    assert ids(got) == list(range(8))


@pytest.mark.parametrize("in_header", [True, False])
def test_a_link_is_followed(in_header: bool) -> None:
    rows = rows_of(5)

    def answer(asking: Asking) -> Answer:
        start = int(asking.params.get("from", 0))
        assert asking.params.get("q") == ("x" if start == 0 else None)
        link = f"/orders?from={start + 2}" if start + 2 < 5 else None
        headers = {"Link": f'<{link}>; rel="next", </>; rel="first"'} if link and in_header else {}
        return Answer({"rows": rows[start : start + 2], "next": None if in_header else link}, headers=headers)

    paging = {"by": "link"} if in_header else {"by": "link", "next": "next"}
    with serving(answer) as api:
        assert ids(read(api, paging=paging, params={"q": "x"})) == list(range(5))


def test_the_window_and_the_partition_are_asked_for(tmp_path: Path) -> None:
    window = partitioning(days(timezone="Europe/Berlin")).window("2024-03-31")
    params = {"since": "{start}", "until": "{end}", "day": "day {partition}"}
    with serving(lambda _: Answer([])) as api:
        asked = Asked(tmp_path, tmp_path, "2024-03-31", window)
        assert read(api, params=params, asked=asked).lines == []
        # A day of 23 hours.
        assert api.asked[0].params == {
            "since": "2024-03-30T23:00:00Z", "until": "2024-03-31T22:00:00Z", "day": "day 2024-03-31",
        }  # fmt: skip
        with pytest.raises(
            SourceError, match=r"asks for \{start\} and \{end\}, but is read without a partition"
        ):
            read(api, params=params)
        with pytest.raises(SourceError, match=r"asks for \{partition\}, but is read without one"):
            read(api, params={"day": "{partition}"})


def test_numbers_come_as_they_are_written_and_objects_become_columns() -> None:
    text = (
        b'[{"id": 9007199254740993, "at": {"x": 0.1000000000000000055, "deep": {"e": 1E+2}}, "list": [1.50, {"a": null}], '
        b'"empty": {}, "none": null, "text": "1.5 \\u00e9 \\ud83d\\ude00"}]'
    )
    with serving(lambda _: Answer(text)) as api:
        (line,) = read(api).lines
    assert line.decode() == (
        '{"id":9007199254740993,"at.x":0.1000000000000000055,"at.deep.e":1E+2,"list":[1.50,{"a":null}],'
        '"empty":{},"none":null,"text":"1.5 é 😀"}'
    )


@pytest.mark.parametrize(
    ("body", "rows", "said"),
    [
        ({"items": None}, "items", r"has null at 'items'\. Correct `rows`"),
        ({"items": {"id": 1}}, "items", "has no list but an object at 'items'"),
        ({"item": []}, "items", "has nothing at 'items'"),
        ({"items": [1]}, "items", "has a number among the rows at 'items'"),
        ({"items": [1.5]}, "items", "has a number among the rows at 'items'"),
        ({"id": 1}, None, "has no list. Name the path"),
        ({"a": [], "b": []}, None, "has the lists 'a', 'b'. Name the path"),
        ("text", None, "is neither a list nor an object"),
        ([{"a.b": 1, "a": {"b": 2}}], None, "has two values that would be the column 'a.b'"),
        (b"<html>sign in</html>", None, "is no JSON: '<html>sign in</html>'"),
        (b'[{"id": 1, "id": 2}]', None, "'id' twice"),
        (b'[{"id": NaN}]', None, "NaN is no number there"),
        (b"", None, "is no JSON: ''"),
        (b"\xff\xfe", None, "is no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, None, "is no JSON"),
    ],
)
def test_what_is_no_list_of_rows_is_refused_with_its_path(body: Any, rows: str | None, said: str) -> None:
    with serving(lambda _: Answer(body)) as api, pytest.raises(SourceError, match=said):
        read(api, rows=rows)


def test_a_cursor_that_comes_again_ends_in_an_error() -> None:
    with (
        serving(lambda _: Answer({"rows": rows_of(2), "next": "again"})) as api,
        pytest.raises(SourceError, match=r"the same cursor as next a second time.*read 4 times"),
    ):
        read(api, paging={"by": "cursor", "next": "next"})
    assert len(api.asked) == 2 * MAX_WALKS


@pytest.mark.parametrize("key", [("id",), ()])
@pytest.mark.parametrize("paging", [BY_PAGE, BY_OFFSET])
def test_an_api_that_does_not_know_the_parameter_is_no_endless_loop(paging: Row, key: Sequence[str]) -> None:
    with (
        serving(lambda _: Answer(rows_of(3))) as api,
        pytest.raises(SourceError, match="two pages have the same rows"),
    ):
        read(api, paging=paging, key=key)


@pytest.mark.parametrize("key", [("id",), ()])
def test_a_page_that_the_api_itself_gives_twice_counts_once(key: Sequence[str]) -> None:
    pages = [rows_of(2), rows_of(2), [{"id": 2}]]

    def answer(asking: Asking) -> Answer:
        number = int(asking.params.get("cursor", 0))
        return Answer({"rows": pages[number], "next": number + 1 if number < 2 else None})

    with serving(answer) as api:
        got = read(api, key=key, paging={"by": "cursor", "next": "next"})
    assert (ids(got), got.n_repeated) == ([0, 1, 2], 2)


def test_rows_of_one_key_with_different_contents_are_refused() -> None:
    with (
        serving(lambda _: Answer([{"id": 1, "v": 1}, {"id": 1, "v": 2}])) as api,
        pytest.raises(SourceError, match=r'rows of one key, \{"id":1\}, have different contents'),
    ):
        read(api)


def test_rows_that_are_equal_and_have_no_key_are_all_kept() -> None:
    with serving(lambda _: Answer([{"id": 1}, {"id": 1}, {"id": None}, {"id": None}])) as api:
        assert len(read(api, key=()).lines) == 4
        assert len(read(api).lines) == 3  # A key that is NULL equals no other.


def test_a_total_that_does_not_add_up_is_refused() -> None:
    with (
        serving(lambda _: Answer({"rows": rows_of(2), "total": 3})) as api,
        pytest.raises(SourceError, match="there are 3 rows, and 2 came"),
    ):
        read(api, paging={"total": "total"})
    assert len(api.asked) == MAX_WALKS
    with (
        serving(lambda _: Answer({"rows": rows_of(2), "total": None})) as api,
        pytest.raises(SourceError, match="no number of rows at 'total'"),
    ):
        read(api, paging={"total": "total"})


def test_a_total_is_enough_only_where_every_row_has_its_key() -> None:
    paging = {**BY_PAGE, "total": "n"}
    for rows, n_asked in ((rows_of(3), 1), ([*rows_of(2), {"id": None}], 2)):
        with serving(lambda asking, rows=rows: Answer({"rows": page(rows, asking), "n": 3})) as api:
            assert len(read(api, paging=paging).lines) == 3
            assert len(api.asked) == n_asked


class Faulty:
    """An API of pages with one fault every few requests, by a seed."""

    def __init__(self, seed: int, n: int, *, tells_total: bool) -> None:
        self.random, self.tells_total = random.Random(seed), tells_total
        self.rows, self.n_faults = rows_of(n), 0
        self.kinds, self.is_spent = sorted(FAULTS), False
        self.random.shuffle(self.rows)

    def __call__(self, asking: Asking) -> Answer:
        sound = list(page(self.rows, asking))
        # It recovers in the end: an API that never does cannot be read.
        if self.n_faults >= 8 or self.random.random() > 0.25:
            return self._answer(sound)
        self.n_faults += 1
        fault = self.random.choice(self.kinds)
        if fault in ONCE:
            # Two of these may cost two readings each, of four.
            self.kinds = (
                [kind for kind in self.kinds if kind not in ONCE]
                if self.is_spent
                else [kind for kind in self.kinds if kind != fault]
            )
            self.is_spent = True
        return FAULTS[fault](self, sound)

    def _answer(self, rows: list[Row], shift: int = 0, **keys: Any) -> Answer:
        total = {"total": len(self.rows) + shift} if self.tells_total else {}
        return Answer({"rows": rows, **total}, **keys)

    def _cut(self, rows: list[Row]) -> Answer:
        whole = self._answer(rows)
        n = self.random.randrange(len(whole.content))
        return Answer(whole.content, n_sent=n, is_open=self.random.random() < 0.5)

    def _waits(self, rows: list[Row]) -> Answer:
        del rows
        until = datetime.now(UTC) + timedelta(seconds=20)
        return Answer(
            status=429,
            headers={"Retry-After": self.random.choice(["7", format_datetime(until, usegmt=True)])},
        )

    def _again(self, rows: list[Row]) -> Answer:
        del rows
        start = self.random.randrange(len(self.rows))
        return self._answer(self.rows[start : start + 3])

    def _reordered(self, rows: list[Row]) -> Answer:
        self.random.shuffle(rows)
        return self._answer(rows)

    def _slow(self, rows: list[Row]) -> Answer:
        time.sleep(0.2)
        return self._answer(rows)


FAULTS: dict[str, Callable[[Faulty, list[Row]], Answer]] = {
    "waits": Faulty._waits,
    "broken": lambda self, _: Answer(b"oops", status=self.random.choice([500, 502, 503])),
    "cut": Faulty._cut,
    "again": Faulty._again,
    "reordered": Faulty._reordered,
    "shrunk": lambda self, rows: self._answer(rows[:-1] or rows),
    "total": lambda self, rows: self._answer(rows, shift=1),
    "slow": Faulty._slow,
}
ONCE = ("again", "cut", "shrunk", "total")
"""Faults that no repeated request heals."""


@pytest.mark.parametrize("seed", range(100))
def test_rows_come_exactly_once_whatever_happens(seed: int) -> None:
    faulty = Faulty(seed, n=seed % 17, tells_total=seed % 2 == 0)
    paging = {
        **(BY_PAGE if seed % 4 < 2 else BY_OFFSET),
        **({"total": "total"} if faulty.tells_total else {}),
    }
    waiting = Waiting(sleep=lambda _: None)
    with serving(faulty) as api:
        got = read(
            api,
            key=("id",) if seed % 3 else (),
            waiting=waiting,
            rows="rows",
            paging=paging,
            timeout_s=0.15,
            max_attempts=10,
        )
    assert Counter(ids(got)) == Counter(range(seed % 17))
    assert waiting.n_requests >= len(api.asked) > 0


def test_a_window_is_read_typed_and_what_belongs_to_another_is_a_reject(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": 1, "at": "2024-01-02T00:00:00Z", "sum": {"paid": 9007199254740993.25}},
        {"id": 2, "at": "2024-01-02T23:59:59Z", "sum": {}},
        {"id": 3, "at": "2024-01-03T00:00:00Z", "sum": None},
    ]
    text = json.dumps(rows).replace("9007199254740994.0", "9007199254740993.25")
    declared = {"type": "rest", "params": {"since": "{start}"}, "max_rejected_share": 1.0}
    columns = {
        "id": "int",
        "at": "timestamp_tz",
        "paid": {"type": "decimal", "source": "sum.paid", "optional": True},
    }
    with serving(
        lambda asking: Answer([] if asking.params["since"] > "2024-01-02T00:00:00Z" else text.encode())
    ) as api:
        spec = DatasetSpec.model_validate(
            {"source": {**declared, "url": f"{api.url}/orders"}, "columns": columns, "event_time": "at"}
        )
        read_now = got(spec, tmp_path, "2024-01-02")
        assert [(row[0], str(row[2])) for row in read_now.rows] == [
            (1, "9007199254740993.250000000"),
            (2, "None"),
        ]
        assert read_now.reasons == ["not in partition"]
        assert got(spec, tmp_path, "2024-01-03").rows == []


ODD_ROWS = b"""[
 {"id": 1, "big": 123456789012345678901234567890, "a": {"b": {"c": 0.10}, "d": []}, "text": "\\u2028 \\u007f \\u0001 \\" \\\\ \\n"},
 {"id": 2, "half": "\\ud800", "a": {"b": {"c": -1.0e-7}, "d": [1.50]}, "text": "\xc3\xa9"}
]"""


def test_rows_that_the_fast_encoder_has_no_form_for_are_written_as_the_others_are() -> None:
    with serving(lambda _: Answer(ODD_ROWS)) as api:
        lines = read(api).lines
    # The standard library's own form, with the fractions as they came.
    assert [line.decode() for line in lines] == [
        '{"id":1,"big":123456789012345678901234567890,"a.b.c":0.10,"a.d":[],"text":"\u2028 \x7f \\u0001 \\" \\\\ \\n"}',
        '{"id":2,"half":"\\ud800","a.b.c":-1.0e-7,"a.d":[1.50],"text":"é"}',
    ]


def test_both_encoders_write_the_same() -> None:
    """A row must not be another one because its page holds something that only the slow encoder can write."""
    signs = "".join(map(chr, (*range(0x300), *range(0x2000, 0x2100), 0xFEFF, 0xFFFF, 0x1F600)))
    rows = [{"text": signs, "n": [-1, 2**63 - 1, True, None, {"é": "x"}]}]
    (fast,) = lines_of(rows)
    (slow, _) = lines_of([*rows, {"n": 2**80}])
    assert fast == slow
    assert json.loads(fast) == rows[0]


def test_values_of_keys_are_told_apart_by_their_types() -> None:
    rows = [{"id": value} for value in (1, "1", True, [1], "[1]", 1.5, "1.5")]
    with serving(lambda _: Answer(rows)) as api:
        assert len(read(api).lines) == len(rows)
