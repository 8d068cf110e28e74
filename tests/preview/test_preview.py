"""A preview says what a run would do, keeps nothing, and names what is doubtful."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from assets.materialization import Pipeline
from assets.model.leaks import suspicious
from assets.model.single_column import strengths
from pipelines.preview.__main__ import main
from pipelines.preview.columns import plan
from pipelines.preview.page import show
from pipelines.preview.rehearsal import Rehearsal, rehearsed
from pipelines.spec import PipelineSpec
from pipelines.windows import windows
from resources.deployment import deployment
from tests.tiny import DECLARATION, tiny_pipeline, write_sources

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def previewed(pipeline: Pipeline, home: Path, *, n: int = 1) -> tuple[str, bool, Rehearsal]:
    """Rehearse the first partitions; return what is printed, and whether it would run."""
    installed = deployment({"DRIFTLINE_HOME": str(home / "home"), "DRIFTLINE_THREADS": "1"})
    console = Console(width=140, record=True, file=StringIO())
    there = windows(pipeline.spec.partitions, until=NOW)
    with rehearsed(pipeline, there[:n], installed, clock=NOW, show=lambda _: None) as found:
        is_sound = show(found, console, n_partitions=f"{len(there)} partitions.")
        text = console.export_text()
    return text, is_sound, found


def test_a_sound_pipeline_would_run_and_leaves_nothing(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=3)
    text, is_sound, found = previewed(tiny_pipeline(tmp_path), tmp_path, n=2)
    assert is_sound
    assert not (tmp_path / "home").exists()
    assert "400 in this partition, 0 cannot be read" in text
    assert "holds  column_values_to_not_be_null(column = machine)" in text
    assert "recent of machine: 5 rows, 2 features" in text
    assert "400 rows to predict, 400 with a label" in text
    assert "would run" in text
    assert found.rows is not None
    # The second day has yesterday's features, joined as of each reading.
    assert found.rows["recent__readings"].null_count == 0


def test_rejects_quarantine_and_faults_are_told(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    with (tmp_path / "readings.csv").open("a") as handle:
        handle.write(
            "900,m1,2024-01-01T01:00:00+00:00,hot,0.5,true\n901,m1,2024-01-01T01:00:00+00:00,1.0,7.5,true\n"
        )
    text, is_sound, _ = previewed(tiny_pipeline(tmp_path), tmp_path)
    assert is_sound
    assert "1 rejected: heat: " in text
    assert "1 rows would be quarantined" in text


def test_a_blocking_rule_and_a_broken_source_would_stop(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    blocking = {
        "expect": "column_values_to_be_between",
        "column": "heat",
        "min_value": 5,
        "on_failure": "block",
    }
    readings = {**DECLARATION["datasets"]["readings"], "expectations": [blocking]}  # type: ignore[index]
    datasets = {**DECLARATION["datasets"], "readings": readings}  # type: ignore[dict-item]
    spec = PipelineSpec.model_validate({**DECLARATION, "datasets": datasets})
    sound = tiny_pipeline(tmp_path)
    text, is_sound, _ = previewed(Pipeline("tiny", spec, str(tmp_path), sound.sql, "hash"), tmp_path)
    assert not is_sound
    assert "would stop: profiled/readings: the blocking" in text
    (tmp_path / "machines.csv").unlink()
    text, is_sound, _ = previewed(sound, tmp_path)
    assert not is_sound
    assert "would stop: raw/machines: source 'machines.csv': no such file" in text


def test_a_column_that_knows_the_answer_is_named(tmp_path: Path) -> None:
    write_sources(tmp_path, n_days=1)
    rows = list(csv.reader((tmp_path / "readings.csv").read_text().splitlines()))
    with (tmp_path / "readings.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([*rows[0], "repair"])
        writer.writerows([*row, "12.5" if row[-1] == "True" else ""] for row in rows[1:])
    readings = {**DECLARATION["datasets"]["readings"]}  # type: ignore[dict-item]
    readings["columns"] = {**readings["columns"], "repair": "float"}
    datasets = {**DECLARATION["datasets"], "readings": readings}  # type: ignore[dict-item]
    target = {**DECLARATION["target"], "request_features": {"heat": "heat", "repair": "repair"}}  # type: ignore[dict-item]
    spec = PipelineSpec.model_validate({**DECLARATION, "datasets": datasets, "target": target})
    pipeline = Pipeline("tiny", spec, str(tmp_path), tiny_pipeline(tmp_path).sql, "hash")
    text, is_sound, _ = previewed(pipeline, tmp_path)
    assert is_sound
    assert (
        "think about request__repair: likely leak: AUC 1.000 whether it is missing tells it, on 400 rows"
        in text
    )


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
    warned = {one.name: "; ".join(one.warnings) for one in plan(rows, label, "binary")}
    assert warned["same"] == "constant: says nothing"
    assert warned["town"] == "high cardinality: 60 values, above 50"
    assert "near-unique" in warned["note"]
    assert warned["rare"] == "missing in 95% of the rows"
    assert warned["empty"] == "always missing"


@pytest.mark.parametrize("seed", range(4))
def test_the_strength_of_a_category_is_the_auc_of_its_means(seed: int) -> None:
    """Out of fold it cannot exceed scikit-learn's AUC of the means over all rows, and comes close to it."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, 12, 20_000)
    label = (generator.uniform(size=groups.size) < groups / 12).astype(np.int8)
    found = strengths(pa.table({"group": [f"g{i}" for i in groups]}), pa.array(label), "binary")["group"]
    means = np.array([label[groups == i].mean() for i in range(12)])
    best = roc_auc_score(label, means[groups])
    assert best - 0.01 < found.value <= best


def test_chance_is_no_leak() -> None:
    generator = np.random.default_rng(1)
    n = 5_000
    rows = pa.table(
        {
            "noise": generator.normal(size=n),
            "id": [f"{i}" for i in range(n)],
            "few": generator.integers(0, 3, n),
        }
    )
    assert not suspicious(rows, pa.array(generator.integers(0, 2, n)), "binary")
    assert not suspicious(rows, pa.array(generator.normal(size=n)), "regression")
    labels = pa.array([f"c{i}" for i in generator.integers(0, 4, n)])
    assert not suspicious(rows, labels, "multiclass")
    named = rows.append_column("named", labels)
    assert [found.column for found in suspicious(named, labels, "multiclass")] == ["named"]
    cost = pa.array(np.arange(n) * 2.0)
    assert [found.measure for found in suspicious(pa.table({"cost": cost}), cost, "regression")] == ["r2"]


def test_the_command_explains_itself_and_its_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "rows that would be quarantined" in " ".join(capsys.readouterr().out.split())
    assert main(["no_such_pipeline"]) == 1
    assert "no pipeline 'no_such_pipeline'" in capsys.readouterr().err
