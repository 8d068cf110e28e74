"""Reports where mistakes have a declared cost: figure, facts, table and download; nowhere else."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from assets.drift_report.signal_tables import DECISION_COSTS
from tests.fixtures.drift_world import World

COSTLY = {"threshold": {"cost": {"false_positive": 1, "false_negative": 20}}}


def test_what_decisions_have_cost_is_on_the_page_in_the_facts_and_in_the_lake(world: World) -> None:
    costly = world.declare(model=COSTLY)
    world.write_month("2013-07-01", threshold=1 / 21)
    outcome = world.report("2013-07-01", costly)
    scored = world.lake.read(costly.table("predictions")).join(
        world.lake.read(costly.table("labels")).select(["row_id", "label"]), "row_id", join_type="inner"
    )
    label, called = (scored[name].to_numpy() for name in ("label", "predicted_label"))
    by_hand = (((label == 0) & (called == 1)) + 20 * ((label == 1) & (called == 0))).mean()
    (row,) = world.lake.read(DECISION_COSTS.of("flights")).to_pylist()
    assert (row["partition"], row["model_version"], row["n"]) == ("2013-07-01", 1, world.n_rows)
    assert row["cost"] == outcome.metadata["cost"] == pytest.approx(by_hand)
    assert row["cost_low"] < by_hand < row["cost_high"] < row["plain_cost"]
    page = Path(str(outcome.metadata["report"])).read_text()
    assert "Cost a row" in page
    assert "without the threshold" in page
    (whole,) = re.findall(r"data:application/json;charset=utf-8;base64,([\w+/=]+)", page)
    assert json.loads(base64.b64decode(whole))["decision_cost"]["value"] == pytest.approx(by_hand)


def test_without_declared_costs_or_decisions_nothing_is_said_of_them(world: World) -> None:
    world.write_month("2013-07-01")
    # Declared, and no version with a threshold has scored yet.
    for declared in (world.pipeline, world.declare(model=COSTLY)):
        outcome = world.report("2013-07-01", declared)
        assert "cost" not in outcome.metadata
        assert not world.lake.has(DECISION_COSTS.of("flights"))
        assert "Cost a row" not in re.sub(
            r"<dl.*?</dl>", "", Path(str(outcome.metadata["report"])).read_text(), flags=re.S
        )
