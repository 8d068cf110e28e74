"""Whatever texts a file holds, its scaffold reads every row of it, and loses no digit that nobody is asked about."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.scaffolding.forms import INFINITIES, NULL_TEXTS
from tests.pipelines.scaffolding.read_back import rejects_and_rows
from tests.pipelines.scaffolding.scaffolded import scaffold

DIGITS = st.integers(0, 10**22).map(str)
TEXTS = {
    "ids": DIGITS,
    "whole": st.integers(-(10**6), 10**6).map(str),
    "fractions": st.decimals(-(10**6), 10**6, places=3).map(str),
    "exponents": st.builds(
        "{}{}{}{}".format,
        st.integers(0, 999), st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 400),
    ),
    "signed": st.builds("{}{}".format, st.sampled_from("+-"), DIGITS),
    "padded": st.builds("{}{}".format, st.sampled_from(["0", "00", " ", "  "]), DIGITS),
    "grouped": st.integers(0, 10**8).map(lambda n: f"{n:,}".replace(",", ".")),
    "american": st.integers(0, 10**8).map(lambda n: f"{n:,}"),
    "commas": st.decimals(0, 10**5, places=2).map(lambda n: str(n).replace(".", ",")),
    "infinite": st.sampled_from([*INFINITIES, "INF", "Infinity", "nan", "NaN", "-nan", "1e999"]),
    "days": st.dates().map(str),
    "far": st.sampled_from(["infinity", "-infinity", "99999-01-01", "9999-12-31", "0000-01-01", "0001-01-01", "2024-02-30", "epoch"]),
    "short": st.dates().map(lambda day: f"{day.month}/{day.day}/{day.year % 100:02d}"),
    "likeiso": st.dates().map(lambda day: f"{day.year % 100:02d}-{day.month:02d}-{day.day:02d}"),
    "clocks": st.datetimes().map(str),
    "zoned": st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    "seconds": st.integers(631_152_000, 4_102_444_800).map(str),
    "excel": st.integers(18_264, 73_051).map(str),
    "truths": st.sampled_from(["true", "False", "YES", "n", " t "]),
    "words": st.sampled_from([*NULL_TEXTS, "", " ", "x", "0x1F", "1_000", "'", '"', "12:30"]),
}  # fmt: skip
"""Kinds of texts that a column may be made of."""

HEADS = ("value", "created_at", "order_date", "customer_id", "ts")
"""Names, some of which say what numbers mean."""


@st.composite
def columns(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw columns of one kind each, some with a second."""
    n_rows = draw(st.integers(2, 25))
    found = {}
    for place in range(6):
        kind = TEXTS[draw(st.sampled_from(sorted(TEXTS)))]
        other = TEXTS[draw(st.sampled_from(["words", "far", "infinite", "ids"]))]
        one = kind | other if draw(st.integers(0, 3)) == 0 else kind
        found[f"{draw(st.sampled_from(HEADS))}_{place}"] = draw(
            st.lists(one, min_size=n_rows, max_size=n_rows)
        )
    return found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=columns(), is_json=st.booleans(), separator=st.sampled_from(",;"))
def test_what_is_written_reads_its_own_file(
    table: dict[str, list[str]], is_json: bool, separator: str
) -> None:
    with TemporaryDirectory() as name:
        file = Path(name) / ("t.json" if is_json else "t.csv")
        rows = list(zip(*table.values(), strict=True))
        if is_json:
            file.write_text("\n".join(json.dumps(dict(zip(table, row, strict=True))) for row in rows))
        else:
            with file.open("w", newline="") as stream:
                csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([[*table], *rows])
        pipeline = scaffold(file, Path(name) / "found")
        text = " ".join((Path(name) / "found" / "defs.yaml").read_text().replace("#", "").split())
        n_rejected, read = rejects_and_rows(pipeline, list(table))
    assert (n_rejected, len(read)) == (0, len(rows))
    dataset = pipeline.spec.datasets["t"]
    for column, values in zip(table, zip(*read, strict=True), strict=True):
        form = dataset.column(column)
        pairs = [
            (value, said) for value, said in zip(values, table[column], strict=True) if value is not None
        ]
        if form.type == "string":
            assert all(value == said for value, said in pairs)
        elif form.type == "int" and form.sql is None:
            assert all(Decimal(str(value)) == Decimal(said.strip()) for value, said in pairs)
        elif form.type == "float" and form.sql is None:
            sign = getattr(dataset.source, "decimal", ".")
            assert all(value == float(said.replace(sign, ".")) for value, said in pairs)
        elif form.type in ("date", "timestamp", "timestamp_tz"):
            assert all(1 <= value.year <= 9999 for value, _ in pairs)  # type: ignore[attr-defined]  # times
            assert form.sql is None or "strptime" in form.sql or f"decide: {column}: " in text
        # What is missing was empty, or a word that means so, or it is asked for.
        missing = {said.strip() for value, said in zip(values, table[column], strict=True) if value is None}
        assert missing <= {"", *NULL_TEXTS} or f"decide: {column}: " in text
