"""Quantiles of a version: what a training says of them, by asset, run and page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest

from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from assets.model.quantiles import QUANTILES, figures_header, figures_rows, quantiles_page, read_figures
from declaration.model import ModelSpec
from declaration.pipeline import Pipeline
from learning.quantiles import QuantileFigures, QuantileResult, Quantiles
from learning.score_groups import ScoreGroups
from tests.fixtures.training_world import World

Builder = Callable[..., pa.Table]
FIGURES = QuantileFigures(0.9, None, 1_234, 0.912, 0.881, 0.938, 0.897, 1.5, 3.0, 2.0)


def train(world: World, pipeline: Pipeline, partition: str) -> Outcome:
    run = StageRun(pipeline, world.scope(pipeline, partition), world.lake, world.engine)
    return materialize_model(run, registry=world.registry)


def test_versions_before_and_after_quantiles_are_declared(world: World, make_training_table: Builder) -> None:
    plain = world.pipeline("ordered", problem="regression", algorithms=("ridge",))
    model = ModelSpec.model_validate({"candidates": ["ridge"], "quantiles": [0.1, 0.9]})
    declared = replace(plain, spec=plain.spec.model_copy(update={"model": model}))
    rows = make_training_table(900, days=31, problem="regression")
    for partition in ("2024-01-01", "2024-02-01"):
        world.write_training_set(plain, partition, rows)
    assert "quantiles" not in train(world, plain, "2024-01-01").metadata
    assert not world.lake.has(QUANTILES.of("ordered"))
    outcome = train(world, declared, "2024-02-01")
    kept = world.lake.read(QUANTILES.of("ordered"))
    assert set(kept["version"].to_pylist()) == {2}
    first, last = read_figures(kept.to_pylist())
    assert str(outcome.metadata["quantiles"]).startswith(f"0.1 has {100 * first.coverage:.1f} % (")
    assert "| 0.9 | " in outcome.markdown["quantiles"]
    held = world.lake.read("ordered/holdout_scores", partitions=["1"])
    assert held["quantile_90"].null_count == held.num_rows
    assert last.coverage == pytest.approx(0.9, abs=0.05)


def test_figures_are_told_with_what_they_are_better_than() -> None:
    assert figures_rows([FIGURES]) == [
        ("0.9", "1,234", "89.7 %", "91.2 % (88.1 to 93.8)", "1.5", "3", "+0.50", "2", "+0.25")
    ]
    alone = replace(
        FIGURES, horizon=6.0, coverage_low=None, coverage_high=None, label_pinball=0.0, naive_pinball=None
    )
    assert figures_rows([alone]) == [("0.9", "in 6 h", "1,234", "89.7 %", "91.2 %", "1.5", "0", "–")]
    assert len(figures_header([FIGURES])) == 9
    assert len(figures_header([alone])) == 8


@pytest.mark.parametrize(
    ("is_blind", "said"), [(True, "quantiles that other folds teach"), (False, "There is one fold")]
)
def test_a_page_says_on_which_rows_it_was_measured(is_blind: bool, said: str) -> None:
    quantiles = Quantiles((0.9,), ScoreGroups(), ((1.0,),))
    assert said in quantiles_page(QuantileResult(quantiles, [], (FIGURES,), is_blind))  # type: ignore[arg-type]  # not read
