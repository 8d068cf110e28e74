"""A preview says what a run would do, keeps nothing, and names what is doubtful."""

import csv
import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from declaration.target import TargetSpec
from driftline.cli import FAULT, SUCCESS, main
from driftline.installation import stores_of
from driftline.preview.columns import later_columns, plan
from driftline.preview.command import KEYS, arrivals, as_plain
from driftline.preview.findings import Preview
from driftline.preview.page import page
from driftline.preview.rehearsal import rehearsed
from driftline.preview.summary import summary
from driftline.preview.terminal import show
from resources.deployment import Deployment, deployment
from tests.fixtures.keys import undocumented
from tests.fixtures.tiny import DECLARATION, tiny_pipeline, write_sources

NOW = datetime(2024, 2, 1, tzinfo=UTC)

TARGET = TargetSpec(dataset="readings", prediction_time="at", label="y", label_time="at", problem="binary")


def installed_in(home: Path) -> Deployment:
    return deployment({"DRIFTLINE_HOME": str(home), "DRIFTLINE_THREADS": "1"})


def previewed(pipeline: Pipeline, folder: Path, *, n: int = 1) -> Preview:
    """Rehearse the first partitions that have arrived; the deployment is not there, and is not made."""
    home = folder / "home"
    installed = installed_in(home)
    with stores_of(installed) as stores:
        there = arrivals(pipeline, installed, stores, NOW)
        with rehearsed(
            pipeline, there[:n], installed, stores=stores, clock=NOW, show=lambda _: None
        ) as found:
            seen = summary(found, there, clock=NOW)
    assert not home.exists()
    return seen


def printed(preview: Preview, width: int = 120) -> str:
    console = Console(width=width, record=True, file=StringIO())
    show(preview, console)
    return console.export_text()


def declared(folder: Path, changes: Mapping[str, object]) -> Pipeline:
    """Return the tiny pipeline with other attributes, or with others of its readings."""
    own = {key: value for key, value in changes.items() if key in ("columns", "expectations", "source")}
    readings = {**DECLARATION["datasets"]["readings"], **own}  # type: ignore[index]
    rest = {key: value for key, value in changes.items() if key not in own}
    datasets = {**DECLARATION["datasets"], "readings": readings}  # type: ignore[dict-item]
    spec = PipelineSpec.model_validate({**DECLARATION, "datasets": datasets, **rest})
    return replace(tiny_pipeline(folder), spec=spec)


def add_to_readings(folder: Path, lines: str) -> None:
    with (folder / "readings.csv").open("a") as handle:
        handle.write(lines)


def test_a_sound_pipeline_would_run_and_everything_is_said(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    preview = previewed(tiny_pipeline(tmp_path), tmp_path, n=2)
    assert preview.is_sound
    assert not preview.doubts
    text = printed(preview)
    assert "14 partitions of one day are complete: 2024-01-01 to 2024-01-14." in text
    assert "Rehearsed here: 2024-01-01, 2024-01-02." in text
    assert "No further partition: they end with 2024-01-14." in text
    assert "1,200 rows in the source, 400 in this partition; all could be read" in text
    assert "holds  column_values_to_not_be_null(column=machine)" in text
    assert "feature view recent of machine" in text
    assert "5 rows; 2 features" in text
    assert "400 with a label, 400 of them known when the partition ends" in text
    assert "would run" in text
    assert preview.target is not None
    # The second of two days has yesterday's features, joined as of each reading.
    assert {one.name: one.missing for one in preview.target.plans}["recent__readings"] == 0.5
    assert list(preview.target.models) == ["logistic_regression"]
    plain = as_plain(preview)
    assert undocumented(json.loads(json.dumps(plain)), KEYS) == set()
    assert plain["is_sound"] is True


def test_a_view_that_looks_ahead_is_named_with_column_and_instant(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    ahead = """SELECT machine, taken_at AS event_timestamp,
      lead(heat) OVER (PARTITION BY machine ORDER BY taken_at) AS coming_heat FROM readings"""
    preview = previewed(replace(tiny_pipeline(tmp_path), sql={"recent.sql": ahead}), tmp_path)
    assert not preview.is_sound
    found = r"feature view 'recent' \(recent\.sql\) looks ahead: 'coming_heat' for machine = m\d, .* after 2024-01-01T"
    (view,) = preview.views
    assert re.search(found, view.error)
    # Printed where the view is, and among what would stop; the page has it too.
    assert len(re.findall(found, printed(preview, width=2_000))) == 2
    assert len(re.findall(found, html.unescape(page(preview)))) == 2


def test_a_view_that_does_not_look_ahead_is_said_to_be_checked(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    preview = previewed(tiny_pipeline(tmp_path), tmp_path, n=2)
    checked = "look-ahead: checked against 1 perturbation: what came after 2024-01-02T00:00:00+00:00"
    assert checked in printed(preview, width=2_000)
    assert checked in html.unescape(page(preview))


def test_what_the_source_has_is_set_beside_what_is_declared(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    columns = {"id": "string", "machine": "string", "taken_at": "timestamp_tz", "load": "float", "failed": "boolean",
               "degrees": {"type": "float", "source": "heat"}, "half": {"type": "float", "sql": "heat / 2"}}  # fmt: skip
    target = {**DECLARATION["target"], "request_features": {"heat": "degrees"}}  # type: ignore[dict-item]
    sql = {
        "recent.sql": "SELECT machine, taken_at + INTERVAL 1 DAY AS event_timestamp, max(load) AS top FROM readings GROUP BY ALL"
    }
    pipeline = replace(declared(tmp_path, {"columns": columns, "target": target}), sql=sql)
    (tmp_path / "readings.csv").write_text(
        "\n".join(
            f"{line},{n or 'note'}" for n, line in enumerate((tmp_path / "readings.csv").read_text().split())
        )
    )
    dataset = previewed(pipeline, tmp_path).datasets[0]
    found = {one.name: (one.declared, one.found) for one in dataset.columns}
    assert found["id"] == ("string", "int")
    assert found["taken_at"] == ("timestamp_tz", "timestamp_tz")
    assert found["degrees"] == ("float from heat", "float")
    assert found["half"] == ("float computed", "")
    assert dataset.dropped == ("note (int)",)
    assert {one.name: one.n_distinct for one in dataset.columns}["id"] == 400


def test_rejects_and_quarantine_are_told_with_examples(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    at = "2024-01-01T01:00:00+00:00"
    add_to_readings(tmp_path, f"900,m1,{at},hot,0.5,true\n901,m1,{at},1.0,7.5,true\n902,m2,{at},1.0,8,true\n")
    preview = previewed(tiny_pipeline(tmp_path), tmp_path)
    assert preview.is_sound
    reject = preview.datasets[0].rejects[0]
    assert (reject.n_rows, reject.line, reject.text) == (1, 402, f"900,m1,{at},hot,0.5,true")
    assert reject.reason.startswith("heat: ")
    rule = preview.datasets[0].rules[1]
    assert (rule.verdict, rule.n_quarantined, set(rule.examples)) == ("fails", 2, {"7.5", "8"})
    assert "2 rows would be quarantined" in printed(preview)


def test_a_source_that_is_refused_shows_every_reason_and_nothing_fails_in_its_place(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    at = "2024-01-01T01:00:00+00:00"
    lines = "".join(f"{900 + n},m1,{at},{'hot' if n % 3 else 'cold'},0.5,true\n" for n in range(30))
    add_to_readings(tmp_path, lines + f"999,m1,{at},1.0,0.5,perhaps\n")
    preview = previewed(tiny_pipeline(tmp_path), tmp_path)
    assert len(preview.stops) == 1
    assert preview.stops[0].startswith(
        "raw/readings: dataset 'readings': 31 of 431 rows of readings.csv cannot be read"
    )
    dataset = preview.datasets[0]
    assert [(one.n_rows, one.reason.partition(":")[0]) for one in dataset.rejects] == [
        (30, "heat"),
        (1, "failed"),
    ]
    assert dataset.columns
    assert preview.views[0].error == "not made: it reads what would stop"
    assert preview.target is not None
    assert preview.target.error
    assert "refused:" in printed(preview)
    assert "would run" not in printed(preview)


def test_a_blocking_rule_would_stop_and_only_it_is_named(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    rule = {"expect": "column_values_to_be_between", "column": "heat", "min_value": 5, "on_failure": "block"}
    preview = previewed(declared(tmp_path, {"expectations": [rule]}), tmp_path)
    assert len(preview.stops) == 1
    assert preview.stops[0].startswith(
        "profiled/readings: the blocking rule column_values_to_be_between(column=heat, min_value=5) fails. 400 of 400 rows"
    )
    assert "would stop the run" in " ".join(printed(preview).split())
    assert "A run would stop" in page(preview)


def test_a_rule_that_cannot_be_asked_is_not_called_a_failure_of_the_data(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    rule = {"expect": "column_mean_to_be_between", "column": "machine", "min_value": 5}
    preview = previewed(declared(tmp_path, {"expectations": [rule]}), tmp_path)
    assert preview.datasets[0].rules[0].verdict == "unknown"
    assert "Could not be evaluated" in preview.datasets[0].rules[0].detail


def test_a_source_that_is_not_there_would_stop(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    (tmp_path / "machines.csv").unlink()
    preview = previewed(tiny_pipeline(tmp_path), tmp_path)
    assert [stop.partition(":")[0] for stop in preview.stops] == ["raw/machines"]
    assert "no such file" in preview.stops[0]
    # What does not read it is shown.
    assert preview.target is not None
    assert preview.target.plans


def with_a_repair(folder: Path) -> Pipeline:
    """Return a pipeline with a column that is there when the label is true, and one that comes of the label."""
    rows = list(csv.reader((folder / "readings.csv").read_text().splitlines()))
    with (folder / "readings.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*rows[0], "repair"])
        writer.writerows([*row, "12.5" if row[-1] == "True" else ""] for row in rows[1:])
    columns = {**DECLARATION["datasets"]["readings"]["columns"], "repair": "float"}  # type: ignore[index]
    features = {"heat": "heat", "repair": "repair", "late": "failed AND load > 0.5"}
    target = {**DECLARATION["target"], "request_features": features}  # type: ignore[dict-item]
    return declared(folder, {"columns": columns, "target": target})


def test_a_column_that_knows_the_answer_is_named_with_its_evidence(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    preview = previewed(with_a_repair(tmp_path), tmp_path)
    assert preview.is_sound
    told = {(name, doubt.short): doubt.text for name, doubt in preview.doubts}
    leak = told["request__repair", "likely leak"]
    assert leak.startswith(
        "likely leak: AUC 1.000 whether it is missing tells it, on 400 rows: missing: label 0 in "
    )
    assert told["request__late", "from the label"].startswith("reads 'failed', which the label is made of.")
    text = " ".join(printed(preview).split())
    assert f"think about request__repair: {leak}" in text


def test_too_few_labels_are_said_and_more_partitions_are_enough(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    # Of the first day one reading in 400 fails.
    target = {**DECLARATION["target"], "label": "id IN (7, 500, 507, 508, 509, 601, 607, 707, 711, 715, 716)"}  # type: ignore[dict-item]
    pipeline = declared(tmp_path, {"target": {**target, "request_features": {"which": "id"}}})
    assert "leaks were not looked for: that takes 100 labels" in printed(previewed(pipeline, tmp_path))
    assert "leaks were not looked for" not in printed(previewed(pipeline, tmp_path, n=2))


def test_columns_of_the_prediction_instant_are_known() -> None:
    target = TARGET.model_copy(update={
        "label_time": "at + wait", "request_features": {"hour": "hour(at)", "y": "Y + 1", "slow": "wait > 3", "x": "x"},
    })  # fmt: skip
    assert later_columns(target) == {"request__slow": ("wait",), "request__y": ("y",)}


def test_without_a_target_quality_is_shown(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    preview = previewed(declared(tmp_path, {"target": None, "features": {}, "entities": {}}), tmp_path)
    assert preview.is_sound
    assert preview.target is None
    assert "target" not in printed(preview)
    assert "<h2>Target" not in page(preview)


@pytest.mark.parametrize(
    ("partitions", "event_time", "said"),
    [
        (
            {"every": "rows", "size": 200},
            "row_time",
            "4 partitions of one 200 rows are complete: row-0000000000 to",
        ),
        ({"every": "load"}, "load_time", "the present one is load-000001."),
    ],
)
def test_rows_and_loads_are_counted_without_making_a_home(
    tmp_path: Path, partitions: dict[str, object], event_time: str, said: str
) -> None:
    write_sources(tmp_path, n_days=2)
    readings = {**DECLARATION["datasets"]["readings"], "event_time": event_time}  # type: ignore[index]
    datasets = {**DECLARATION["datasets"], "readings": readings}  # type: ignore[dict-item]
    changed = {"partitions": partitions, "datasets": datasets, "target": None, "features": {}, "entities": {}}
    spec = PipelineSpec.model_validate({**DECLARATION, **changed})
    preview = previewed(replace(tiny_pipeline(tmp_path), spec=spec), tmp_path)
    assert preview.is_sound
    text = printed(preview)
    assert said in text
    assert "Refreshed when the source has changed." in text


def test_the_next_refresh_is_the_end_of_the_partition_that_runs(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    partitions = {"every": "day", "start": "2024-01-01", "timezone": "America/New_York"}
    preview = previewed(declared(tmp_path, {"partitions": partitions}), tmp_path)
    assert (
        preview.partitions[-1]
        == "Refreshed at the end of every day; next 2024-02-01 00:00 (America/New_York)."
    )
    scheduled = previewed(declared(tmp_path, {"schedule": "0 6 * * *"}), tmp_path)
    assert scheduled.partitions[-1] == "Refreshed by the schedule '0 6 * * *' (UTC)."


def test_the_page_is_self_contained_and_escapes_what_the_source_says(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    text = (tmp_path / "readings.csv").read_text().replace(",m1,", ",<script>alert(1)</script>,")
    (tmp_path / "readings.csv").write_text(text)
    written = page(previewed(declared(tmp_path, {"description": "<b>Which</b> & why?"}), tmp_path))
    assert "&lt;script&gt;" in written
    assert "<script" not in written
    assert "&lt;b&gt;Which&lt;/b&gt; &amp; why?" in written
    assert not any(sign in written for sign in ("http://", "https://", "src=", "href="))
    assert "A run would go through" in written


def test_markup_of_a_source_is_printed_as_it_is(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    text = (tmp_path / "readings.csv").read_text().replace(",m1,", ",[red]m1[/red],")
    (tmp_path / "readings.csv").write_text(text)
    assert "[red]m1[/red]" in printed(previewed(tiny_pipeline(tmp_path), tmp_path))


def test_nothing_is_cut_at_120_columns(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    long = "a" * 45
    columns = {
        **DECLARATION["datasets"]["readings"]["columns"],
        "taken": {"type": "timestamp_tz", "source": "taken_at"},
    }  # type: ignore[index]
    features = {long: "round(heat * 1e5, 1)", "taken": "taken"}
    target = {**DECLARATION["target"], "request_features": features}  # type: ignore[dict-item]
    preview = previewed(declared(tmp_path, {"columns": columns, "target": target}), tmp_path)
    text = printed(preview)
    assert max(len(line) for line in text.splitlines()) <= 120
    squeezed = "".join(text.split())
    assert preview.target is not None
    for one in preview.target.plans:
        assert one.examples.rpartition(", ")[2].replace(" ", "") in squeezed, one.name
    for dataset in preview.datasets:
        for column in dataset.columns:
            assert column.sample[-1].replace(" ", "") in squeezed, column.name


def test_warnings_of_columns() -> None:
    n = 600
    rows = pa.table(
        {
            "row_id": [str(i) for i in range(n)],
            "event_timestamp": [NOW + timedelta(minutes=i) for i in range(n)],
            "same": [1.0] * n,
            "town": [f"t{i % 60}" for i in range(n)],
            "note": [f"note {i}" for i in range(n)],
            "rare": [1.0 if i % 20 == 0 else None for i in range(n)],
            "empty": pa.nulls(n, pa.float64()),
        }
    )
    label = pa.chunked_array([pa.array(np.random.default_rng(2).integers(0, 2, n), pa.int8())])
    warned = {one.name: "; ".join(doubt.text for doubt in one.doubts) for one in plan(rows, label, TARGET)}
    assert warned["same"] == "constant in this sample (1): says nothing"
    assert warned["town"].startswith("high cardinality: 60 values, above 50")
    assert "near-unique" in warned["note"]
    assert warned["rare"] == "missing in 95% of the rows"
    assert warned["empty"] == "always missing: says nothing"


def test_the_command_explains_itself_and_its_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--help"]) == SUCCESS
    assert "rows that would be quarantined" in " ".join(capsys.readouterr().out.split())
    assert main(["preview", "no_such_pipeline"]) == FAULT
    assert "no pipeline 'no_such_pipeline'" in capsys.readouterr().err
