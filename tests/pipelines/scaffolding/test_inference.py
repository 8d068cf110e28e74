"""What the scaffolder finds in a file: types, clock, key, entities, target, leaks."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from declaration.datasets import ColumnSpec
from pipelines.scaffolding.declaration import decisions
from pipelines.scaffolding.files import ScaffoldError
from tests.pipelines.scaffolding.scaffolded import scaffold


def write_csv(
    file: Path, columns: dict[str, Sequence[object]], *, separator: str = ",", encoding: str = "utf-8"
) -> Path:
    with file.open("w", newline="", encoding=encoding) as handle:
        rows = csv.writer(handle, lineterminator="\n", delimiter=separator)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return file


def types(file: Path, folder: Path) -> dict[str, str]:
    pipeline = scaffold(file, folder)
    dataset = next(iter(pipeline.spec.datasets.values()))
    return {name: dataset.column(name).type for name in dataset.columns if not dataset.is_made(name)}


N = 40

TYPES = [
    pytest.param([str(i) for i in range(N)], "int", id="whole-numbers"),
    pytest.param([f"{i}.0" for i in range(N)], "int", id="whole-numbers-with-a-point"),
    pytest.param([f"{i}.5" for i in range(N)], "float", id="numbers"),
    pytest.param(["1e+300", *["2"] * (N - 1)], "float", id="exponents"),
    pytest.param([f"{i:05d}" for i in range(N)], "string", id="leading-zeros"),
    pytest.param([["true", "False", "YES", "n"][i % 4] for i in range(N)], "boolean", id="words-of-truth"),
    pytest.param([str(i % 2) for i in range(N)], "int", id="zero-and-one-stay-numbers"),
    pytest.param([f"2024-01-{i % 28 + 1:02d}" for i in range(N)], "date", id="dates"),
    pytest.param([f"2024-01-01 {i % 24:02d}:00" for i in range(N)], "timestamp", id="clocks"),
    pytest.param([f"2024-01-01T{i % 24:02d}:00:00Z" for i in range(N)], "timestamp_tz", id="instants"),
    pytest.param([f"2024-01-01T{i % 24:02d}:00:00+02:00" for i in range(N)], "timestamp_tz", id="offsets"),
    pytest.param([str(20240101 + i % 28) for i in range(N)], "int", id="dates-as-numbers-without-a-hint"),
    pytest.param(["NA", *[str(i) for i in range(N - 1)]], "int", id="words-for-nothing-among-numbers"),
    pytest.param([["NA", "EU", "AS"][i % 3] for i in range(N)], "string", id="words-that-mean-something"),
    pytest.param([""] * N, "string", id="always-empty"),
    pytest.param(["9223372036854775808", *["1"] * (N - 1)], "string", id="beyond-64-bits"),
    pytest.param([f"1.{i:03d},50" for i in range(N)], "float", id="decimal-commas"),
    pytest.param([f"1,{i:03d}" for i in range(N)], "int", id="thousands"),
    pytest.param([f"1{i % 9 + 1}/02/2024" if i else "13/02/2024" for i in range(N)], "date", id="days-first"),
]


@pytest.mark.parametrize(("values", "expected"), TYPES)
def test_a_columns_type_is_found_from_all_values(values: list[str], expected: str, tmp_path: Path) -> None:
    clock = [datetime(2024, 1, 1) + timedelta(days=i) for i in range(N)]
    file = write_csv(tmp_path / "table.csv", {"n": list(range(N)), "created_at": clock, "value": values})
    assert types(file, tmp_path / "found")["value"] == expected


def test_numbers_that_are_dates_by_name_and_range(tmp_path: Path) -> None:
    days = [str(20240101 + i % 28) for i in range(N)]
    seconds = [str(1_700_000_000 + 86_400 * i) for i in range(N)]
    file = write_csv(tmp_path / "table.csv", {"sale_date": days, "created_ts": seconds})
    found = types(file, tmp_path / "found")
    assert found == {"sale_date": "date", "created_ts": "timestamp_tz"}


def test_days_and_months_that_could_be_either_are_asked_for(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "table.csv", {"day": [f"0{i % 9 + 1}/0{i % 8 + 1}/2024" for i in range(N)]})
    scaffold(file, tmp_path / "found")
    asked = " ".join(text for _, text in decisions((tmp_path / "found" / "defs.yaml").read_text()))
    assert "also fit '%d/%m/%Y'" in asked


@pytest.mark.parametrize(
    ("step", "n_rows", "cadence", "start"),
    [
        (timedelta(hours=12), 800, "month", "2024-01-01"),
        (timedelta(hours=2), 800, "week", "2023-12-31"),
        (timedelta(minutes=20), 800, "day", "2024-01-01"),
        (timedelta(minutes=1), 800, "hour", "2024-01-01"),
    ],
)
def test_the_longest_cadence_that_gives_enough_partitions(
    step: timedelta, n_rows: int, cadence: str, start: str, tmp_path: Path
) -> None:
    times = [datetime(2024, 1, 1) + i * step for i in range(n_rows)]
    file = write_csv(tmp_path / "table.csv", {"created_at": times, "value": list(range(n_rows))})
    partitions = scaffold(file, tmp_path / "found").spec.partitions
    assert (partitions.every, partitions.start.date().isoformat()) == (cadence, start)
    assert partitions.end is not None
    assert partitions.end > times[-1]


def test_when_a_row_came_to_be_goes_before_other_times(tmp_path: Path) -> None:
    first = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(300)]
    columns = {
        "birth_date": ["1980-05-05"] * 150 + ["1990-05-05"] * 150,
        "delivered_at": [at + timedelta(days=2) for at in first],
        "ordered_at": first,
        "late": [["yes", "no", "no"][i % 3] for i in range(300)],
    }
    pipeline = scaffold(write_csv(tmp_path / "table.csv", columns), tmp_path / "found", target="late")
    assert pipeline.spec.datasets["table"].event_time == "ordered_at"
    # The truth is known when the order is there: later than the order in every row.
    assert pipeline.spec.learned.label_time == "delivered_at"


def test_keys_and_entities(tmp_path: Path) -> None:
    hours = [datetime(2024, 1, 1) + timedelta(hours=i // 20) for i in range(600)]
    columns = {
        "station": [f"s{i % 20}" for i in range(600)],
        "at": hours,
        "level": np.random.default_rng(0).normal(size=600).tolist(),
    }
    pipeline = scaffold(write_csv(tmp_path / "levels.csv", columns), tmp_path / "found", target="level")
    assert pipeline.spec.datasets["levels"].key == ("station", "at")
    assert pipeline.spec.entities == {"station": ("station",)}
    asked = scaffold(tmp_path / "levels.csv", tmp_path / "asked", target="level", entity="station+level")
    assert asked.spec.entities == {"station_level": ("station", "level")}


PROBLEMS = [
    pytest.param(["true", "false"], "binary", "answer", id="booleans"),
    pytest.param(["0", "1"], "binary", "answer = 1", id="zero-one"),
    pytest.param(["no", "no", "it's"], "binary", "answer = 'it''s'", id="the-rarer-text"),
    pytest.param(["1", "2"], "binary", "answer = 2", id="two-numbers"),
    pytest.param(["a", "b", "c"], "multiclass", "answer", id="three-texts"),
    pytest.param(["1", "2", "3"], "multiclass", "CAST(answer AS VARCHAR)", id="three-whole-numbers"),
    pytest.param([str(i) for i in range(30)], "regression", "answer", id="many-whole-numbers"),
    pytest.param(["0.5", "1.5", "2.5"], "regression", "answer", id="fractions"),
]


@pytest.mark.parametrize(("values", "problem", "label"), PROBLEMS)
def test_the_problem_follows_from_the_target(
    values: list[str], problem: str, label: str, tmp_path: Path
) -> None:
    answers = [values[i % len(values)] for i in range(300)]
    columns = {"id": list(range(300)), "x": [i % 7 for i in range(300)], "answer": answers}
    file = write_csv(tmp_path / "table.csv", columns)
    target = scaffold(file, tmp_path / "found", target="answer").spec.learned
    assert (target.problem, target.label) == (problem, label)


@pytest.mark.parametrize(("clock", "has_hours"), [("00:00:00", False), ("{:02d}:30:00", True)])
def test_the_hour_is_a_feature_where_times_lie_in_several(
    clock: str, has_hours: bool, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    days = [datetime(2024, 1, 1) + timedelta(days=number // 20) for number in range(1200)]
    columns = {
        "at": [f"{day:%Y-%m-%d} {clock.format(number % 24)}" for number, day in enumerate(days)],
        "x": generator.normal(size=1200).round(3).tolist(),
        "answer": generator.integers(0, 2, 1200).tolist(),
    }
    pipeline = scaffold(write_csv(tmp_path / "table.csv", columns), tmp_path / "found", target="answer")
    assert ("hour_of_day" in pipeline.spec.learned.request_features) is has_hours
    assert "day_of_week" in pipeline.spec.learned.request_features


def test_a_column_that_knows_the_answer_is_left_out(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    answer = generator.integers(0, 2, 400)
    columns = {
        "hint": (answer + generator.normal(scale=2, size=400)).round(3).tolist(),
        "refund date": ["2024-02-01" if value else "" for value in answer],
        "refund": [9.5 if value else "" for value in answer],
        "answer": answer.tolist(),
    }
    pipeline = scaffold(write_csv(tmp_path / "table.csv", columns), tmp_path / "found", target="answer")
    assert list(pipeline.spec.learned.request_features) == ["hint"]
    text = (tmp_path / "found" / "defs.yaml").read_text()
    assert "'refund' seems to know the answer (AUC 1.000 whether it is missing tells it" in " ".join(
        text.replace("#", "").split()
    )


def test_without_a_target_plausible_ones_are_ranked(tmp_path: Path) -> None:
    columns = {
        "id": list(range(200)),
        "amount": np.random.default_rng(0).normal(size=200).round(3).tolist(),
        "churned": [["yes", "no"][i % 2] for i in range(200)],
    }
    pipeline = scaffold(write_csv(tmp_path / "table.csv", columns), tmp_path / "found")
    assert pipeline.spec.target is None
    asked = " ".join(text for _, text in decisions((tmp_path / "found" / "defs.yaml").read_text()))
    assert "1. churned (binary: its name, the last column, two values); 2. amount" in asked


def test_formats_say_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": range(50), "name": [f"n{i % 3}" for i in range(50)], "x": np.arange(50) + 0.5}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    frame.to_csv(tmp_path / "tabs.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "packed.csv.gz", index=False)
    frame.to_csv(tmp_path / "zipped.csv.zip", index=False)
    frame.to_csv(tmp_path / "utf16.csv", index=False, encoding="utf-16")
    frame.to_parquet(tmp_path / "b.parquet")
    frame.to_json(tmp_path / "lines.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "array.json", orient="records", indent=1)
    frame.to_excel(tmp_path / "book.xlsx", index=False)
    for file in sorted(tmp_path.iterdir()):
        assert types(file, tmp_path / "found" / file.name.split(".")[0]) == {
            "id": "int",
            "name": "string",
            "x": "float",
        }, file.name


def test_names_from_outside_are_written_so_that_they_load(tmp_path: Path) -> None:
    names = [
        'a "quoted" name', "it's", "order", "select", "naïve ☃", "🦆", "<b>html</b>", "a: b # c", "- dash", "{curly}", "yes", "null",
        "1st", "tab\there", "line\nbreak", "trailing ", "%d", "a,b", "\u2028", "ROW",
    ]  # fmt: skip
    columns: dict[str, Sequence[object]] = {name: [f"{i % 3} {name}" for i in range(300)] for name in names}
    columns["answer"] = [i % 2 for i in range(300)]
    pipeline = scaffold(write_csv(tmp_path / "table.csv", columns), tmp_path / "found", target="answer")
    declared = pipeline.spec.datasets["table"]
    assert list(declared.columns)[: len(names)] == names
    assert len(pipeline.spec.learned.request_features) == len(names)
    assert all(isinstance(declared.column(name), ColumnSpec) for name in names)


REFUSED = [
    pytest.param(b"", {}, "the file is empty", id="empty"),
    pytest.param(b"a,b\n", {}, "a header and no rows", id="header-only"),
    pytest.param(
        b"a,b\n1\n2\n",
        {},
        "none of the 2 rows of table.csv can be read. For example line 2: b: Expected Number of Columns: 2 Found: 1",
        id="all-rejected",
    ),
    pytest.param(b"a,a\n1,2\n", {}, "twice", id="duplicate-header"),
    pytest.param(b"a,A\n1,2\n", {}, "differ only in case", id="case-twins"),
    pytest.param(b"a,b\n1,2\n", {"target": "c"}, "no such column. It has: a, b", id="unknown-target"),
    pytest.param(b"a,b\n1,2\n1,3\n", {"target": "a"}, "every row has the value '1'", id="one-class"),
    pytest.param(b"a,b\n,2\n,3\n", {"target": "a"}, "the column is empty", id="empty-target"),
    pytest.param(b"a,b\n2024-01-01,2\n2024-01-02,3\n", {"target": "a"}, "holds times", id="time-target"),
    pytest.param(
        b"a,b\nx,2\ny,3\n", {"event_time": "a"}, "holds strings (for example x, y), not times", id="no-time"
    ),
    pytest.param(
        b"a,b\nx,2\ny,3\n", {"entity": "a"}, "without a time there is no past", id="entity-without-time"
    ),
    pytest.param(
        b"a,b\nx,2\ny,3\n", {"entity": "z"}, "--entity z: the file has no such column", id="unknown-entity"
    ),
]


@pytest.mark.parametrize(("content", "options", "message"), REFUSED)
def test_what_cannot_be_scaffolded_says_why(
    content: bytes, options: dict[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(Exception, match=r".") as caught:
        scaffold(tmp_path / "table.csv", tmp_path / "found", **options)  # type: ignore[arg-type]  # texts
    assert message in str(caught.value)
    assert isinstance(caught.value, ScaffoldError) or "ReadError" in type(caught.value).__name__
    assert not list((tmp_path / "found").iterdir())


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (None, "keys, times and constants are none"),
        (lambda i, _: f"id{i}", "keys, times and constants are none"),
        (lambda *_: "same", "keys, times and constants are none"),
        (lambda _, label: f"{label}x", r"'other' seems to know the answer \(.+\)"),
    ],
    ids=["no other column", "a key", "a constant", "a leak"],
)
def test_a_target_that_nothing_tells_of_is_refused(
    other: Callable[[int, str], str] | None, why: str, tmp_path: Path
) -> None:
    labels = ["ab"[i * 7919 % 10 < 4] for i in range(600)]
    lines = ["late", *labels]
    if other is not None:
        lines = ["late,other"] + [f"{label},{other(i, label)}" for i, label in enumerate(labels)]
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(
        ScaffoldError, match=rf"--target late: no other column can be a feature: .*{why}.*leave --target out"
    ):
        scaffold(tmp_path / "x.csv", tmp_path / "x", target="late")


def test_a_missing_file_and_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="no such file"):
        scaffold(tmp_path / "nothing.csv", tmp_path / "found")
    (tmp_path / "table.xyz").write_text("a,b\n1,2\n")
    with pytest.raises(ScaffoldError, match="the ending says nothing of the format"):
        scaffold(tmp_path / "table.xyz", tmp_path / "found")


def test_rows_without_the_named_time_are_asked_for(tmp_path: Path) -> None:
    days = ["" if i % 4 == 0 else f"2024-01-{i % 28 + 1:02d}" for i in range(60)]
    file = write_csv(tmp_path / "t.csv", {"id": list(range(60)), "sold_on": days})
    pipeline = scaffold(file, tmp_path / "found", event_time="sold_on")
    asked = " ".join(text for _, text in decisions((tmp_path / "found" / "defs.yaml").read_text()))
    assert "15 rows have no sold_on" in asked
    assert pipeline.spec.datasets["t"].source.max_rejected_share >= 15 / 60


def test_lines_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    lines = ["a,b", *[f"{i},{i}" for i in range(50)], "1,2,3"]
    (tmp_path / "ragged.csv").write_text("\n".join(lines) + "\n")
    pipeline = scaffold(tmp_path / "ragged.csv", tmp_path / "found")
    assert "1 of 51 lines could not be read" in (tmp_path / "found" / "defs.yaml").read_text()
    assert pipeline.spec.datasets["ragged"].source.max_rejected_share > 1 / 51


def test_a_named_sheet_and_gzipped_lines(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [["day", "n"], *[[datetime(2024, 1, 1) + timedelta(days=i), i] for i in range(30)]]:
        book.active.append(row)
    book.save(tmp_path / "days.xlsx")
    assert types(tmp_path / "days.xlsx", tmp_path / "days")["day"] == "timestamp_tz"
    with gzip.open(tmp_path / "lines.jsonl.gz", "wt") as handle:
        handle.writelines(json.dumps({"a": i, "b": None if i % 2 else "x"}) + "\n" for i in range(30))
    assert types(tmp_path / "lines.jsonl.gz", tmp_path / "lines")["a"] == "int"


def test_a_year_of_dates_is_no_monthly_clock(tmp_path: Path) -> None:
    years = [f"{1990 + i // 10}-01-01" for i in range(300)]
    file = write_csv(tmp_path / "table.csv", {"year": years, "value": list(range(300))})
    assert scaffold(file, tmp_path / "found").spec.partitions.every == "load"
    assert "gives no 8 partitions in a row that hold rows" in " ".join(
        (tmp_path / "found" / "defs.yaml").read_text().replace("#", "").split()
    )


def test_a_series_is_known_by_its_instants_and_a_list_by_its_first_names(tmp_path: Path) -> None:
    days = [(datetime(2024, 1, 1) + timedelta(days=i)).date() for i in range(300)]
    series = write_csv(tmp_path / "series.csv", {"date": days, "level": [i % 90 for i in range(300)]})
    assert scaffold(series, tmp_path / "a").spec.datasets["series"].key == ("date",)
    airports = write_csv(
        tmp_path / "airports.csv", {"iata": [f"A{i}" for i in range(300)], "x": [i % 7 for i in range(300)]}
    )
    assert scaffold(airports, tmp_path / "b").spec.datasets["airports"].key == ("iata",)
