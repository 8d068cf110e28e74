"""Scaffolded pipelines run as they were written: every cadence, every kind of problem, and random tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_wine

from assets.materialization import Scope, StageRun
from assets.profiled.asset import materialize_profiled
from assets.raw.asset import materialize_raw
from declaration.partitioning import partitioning
from driftline.history import history
from pipelines.scaffolding.files import ScaffoldError
from resources.validation import Validation
from tests.fixtures.replaying import NOW, replay_all
from tests.fixtures.stages import connected
from tests.fixtures.tiny import lake_and_engine
from tests.pipelines.scaffolding.scaffolded import scaffold

pytestmark = pytest.mark.long


def events(n_rows: int, step: timedelta, *, seed: int = 0) -> pd.DataFrame:
    """Orders of customers: amounts that foretell returns, classes and quantities."""
    generator = np.random.default_rng(seed)
    amount = generator.lognormal(3, 1, n_rows)
    returned = generator.uniform(size=n_rows) < 1 / (1 + np.exp(4 - amount / 10))
    return pd.DataFrame(
        {
            "order_no": np.arange(n_rows),
            "customer": [f"c{i}" for i in generator.integers(0, 40, n_rows)],
            "ordered at": [datetime(2024, 1, 1) + i * step for i in range(n_rows)],
            "amount €": amount.round(2),
            "channel": generator.choice(["web", "shop", "phone, fax"], n_rows),
            "returned": np.where(returned, "yes", "no"),
            "size": np.where(amount > 40, "large", np.where(amount > 15, "middle", "small")),
            "cost": (amount * 0.6 + generator.normal(0, 5, n_rows)).round(2),
        }
    )


CADENCES = [
    pytest.param(timedelta(minutes=1), "hour", "returned", "binary", id="hours-binary"),
    pytest.param(timedelta(minutes=20), "day", "size", "multiclass", id="days-multiclass"),
    pytest.param(timedelta(hours=2), "week", "cost", "regression", id="weeks-regression"),
    pytest.param(timedelta(hours=12), "month", "returned", "binary", id="months-binary"),
]


@pytest.mark.parametrize(("step", "cadence", "target", "problem"), CADENCES)
def test_a_scaffold_runs_as_written(
    step: timedelta, cadence: str, target: str, problem: str, tmp_path: Path
) -> None:
    # Rows enough for a first model after some partitions, whatever the cadence.
    table = events(900, step)
    table.drop(columns=[c for c in ("returned", "size", "cost") if c != target]).to_csv(
        tmp_path / "orders.csv", index=False
    )
    pipeline = scaffold(tmp_path / "orders.csv", tmp_path / "trial", target=target)
    assert (pipeline.spec.partitions.every, pipeline.spec.learned.problem) == (cadence, problem)
    retrains = replay_all(pipeline, tmp_path, last=6)
    found = history(pipeline, connected(tmp_path))
    assert len(found) == 6
    assert sum(partition.n_quarantined for partition in found) == 0
    assert retrains >= 1
    assert found[-1].model_version is not None


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (load_wine(as_frame=True).frame.sample(frac=3, replace=True, random_state=0), "multiclass"),
        (load_diabetes(as_frame=True).frame, "regression"),
    ],
)
def test_a_snapshot_runs_as_written(frame: pd.DataFrame, problem: str, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "table.csv", index=False)
    pipeline = scaffold(tmp_path / "table.csv", tmp_path / "trial", target="target")
    assert (pipeline.spec.partitions.every, pipeline.spec.learned.problem) == ("load", problem)
    assert replay_all(pipeline, tmp_path) == 1


def test_rows_with_only_an_order_run_as_written(tmp_path: Path) -> None:
    events(2_000, timedelta(hours=1)).drop(columns=["ordered at", "size", "cost"]).to_csv(
        tmp_path / "orders.csv", index=False
    )
    pipeline = scaffold(tmp_path / "orders.csv", tmp_path / "trial", target="returned", event_time="rows")
    assert (pipeline.spec.partitions.every, pipeline.spec.partitions.size) == ("rows", 200)
    assert replay_all(pipeline, tmp_path, last=4) == 1
    assert history(pipeline, connected(tmp_path))[-1].model_version == 1


def test_without_a_target_a_scaffold_runs_as_written(tmp_path: Path) -> None:
    events(900, timedelta(minutes=20)).to_parquet(tmp_path / "orders.parquet")
    pipeline = scaffold(tmp_path / "orders.parquet", tmp_path / "trial")
    assert replay_all(pipeline, tmp_path, last=4) == 0
    assert [partition.n_drifted for partition in history(pipeline, connected(tmp_path))] == [0, 0, 0, 0]


MAX_SPANS = 30
"""Partitions of a random table that are run."""

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), min_size=1, max_size=12
).filter(lambda name: bool(name.strip()))
CELLS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.sampled_from(
        ["", "NA", "yes", "no", "null", "00123", "1,5", "2024-02-30", "<b>", "it's", '"', "a\nb", "🦆"]
    ),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
    st.dates(datetime(1990, 1, 1).date(), datetime(2030, 1, 1).date()),
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw tables of columns that are each mostly of one kind, as files are."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=lambda name: name.lower().strip()))
    n_rows = draw(st.integers(1, 60))
    columns = {}
    for name in names:
        pool = draw(st.lists(CELLS, min_size=1, max_size=4))
        kind = draw(st.sampled_from(["pool", "integers", "floats", "times"]))
        generator = np.random.default_rng(draw(st.integers(0, 99)))
        columns[name] = {
            "pool": [pool[i] for i in generator.integers(0, len(pool), n_rows)],
            "integers": generator.integers(-5, 1_000, n_rows).tolist(),
            "floats": generator.normal(size=n_rows).tolist(),
            "times": [
                datetime(2024, 1, 1) + timedelta(minutes=int(m))
                for m in generator.integers(0, 60_000, n_rows)
            ],
        }[kind]
    return pd.DataFrame(columns, dtype=object)


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=tables(), has_target=st.booleans())
def test_any_table_is_scaffolded_and_read_without_loss(table: pd.DataFrame, has_target: bool) -> None:
    """Whatever a table holds, its scaffold loads, each of its rows is read, and no suggested rule fails on it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        table.to_csv(folder / "table.csv", index=False)
        target = str(table.columns[0]) if has_target else None
        try:
            pipeline = scaffold(folder / "table.csv", folder / "trial", target=target)
        except ScaffoldError:
            return
        lake, engine = lake_and_engine(folder)
        partitions = pipeline.spec.partitions
        end = partitions.end or datetime(2000, 1, 2)
        spans = partitioning(partitions).windows(until=end.replace(tzinfo=UTC))
        n_read, metadata = 0, {}
        for span in spans[:MAX_SPANS]:
            scope = Scope(span, run_id="run", clock=NOW)
            metadata = materialize_raw(StageRun(pipeline, scope, lake, engine), "table").metadata
            n_read += metadata["n_rows"]
            checked = materialize_profiled(
                StageRun(pipeline, scope, lake, engine), "table", validation=Validation()
            )
            failed = [check.name for check in checked.checks if not check.is_passed]
            assert not metadata["n_rows"] or not failed
        if len(spans) <= MAX_SPANS:
            assert n_read + metadata["n_rejected"] + metadata["n_out_of_range"] == len(table)
