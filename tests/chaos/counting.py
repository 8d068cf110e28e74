"""What must hold of a home after any kills, counted against the source."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import dagster as dg

from driftline.replay.walk import Replay
from driftline.verify import files
from driftline.verify.checking import Told
from driftline.verify.verified import verified_pipeline
from pipelines.triggers.events import asks_for_retrain, is_report_of, materializations_after
from pipelines.triggers.run_requests import REPORT_TAG
from resources.alerts.outbox import read_outbox
from resources.model_registry.ledger import aliases_after, read_ledger
from tests.chaos.world import N_DAYS, installed_in, opened
from tests.fixtures.tiny import ROWS_PER_DAY


def counted(home: Path, is_live: bool) -> tuple[list[str], int]:
    """List what is wrong: rows against the source's, retrains made against asked, the ledger, what is left over.

    The number is that of files which a kill left behind. They harm nobody, and are repaired here.
    """
    # Nobody is at the home any more.
    files.UNTOUCHED_S = 0
    with opened(home) as one:
        left, told = _repaired(one, home)
        wrong = [
            *told,
            *_rows(one, home),
            *_retrains(one),
            *_ledger(one),
            *_alerts(one, is_live),
            *_left_over(one),
        ]
    return wrong, left


def _rows(one: Replay, home: Path) -> list[str]:
    with (home / "readings.csv").open(newline="") as handle:
        source = sorted(int(row["id"]) for row in csv.DictReader(handle))
    lake = one.connections.lake
    found = []
    for table in ("raw/readings", "profiled/readings"):
        ids = sorted(lake.read(f"tiny/{table}")["id"].to_pylist())
        if ids != source:
            doubles = sum(n > 1 for n in Counter(ids).values())
            found.append(f"{table}: {len(ids)} rows of {len(source)}, {doubles} of them double")
    # Their keys are hashes. On the first day no model serves.
    for table, n_days in (("labels", N_DAYS), ("predictions", N_DAYS - 1)):
        keys = lake.read(f"tiny/{table}")["row_id"].to_pylist()
        if not len(keys) == len(set(keys)) == n_days * ROWS_PER_DAY:
            found.append(
                f"{table}: {len(keys)} rows, {len(set(keys))} keys, {n_days * ROWS_PER_DAY} expected"
            )
    return found


def _retrains(one: Replay) -> list[str]:
    records = materializations_after(one.instance, 0, limit=10_000)
    asked = {str(r.storage_id) for r in records if is_report_of(r, {"tiny"}) and asks_for_retrain(r)}
    succeeded = one.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    made = Counter(run.tags[REPORT_TAG] for run in succeeded if REPORT_TAG in run.tags)
    found = [] if len(asked) >= N_DAYS else [f"only {len(asked)} reports ask for a retrain"]
    if made != Counter(asked):
        found.append(f"retrains: asked by {sorted(asked)}, made {dict(made)}")
    return found


def _ledger(one: Replay) -> list[str]:
    decisions = read_ledger(one.connections.lake, "tiny")
    keys = Counter(decision.decision_key for decision in decisions)
    found = [f"ledger: {n} decisions under one key" for n in keys.values() if n > 1]
    champion = None
    for decision in decisions:
        if decision.champion_before != champion:
            found.append(f"ledger: {decision.champion_before} follows {champion}")
        champion = decision.champion_after
    aliases = {name: number for name, number in aliases_after(decisions).items() if number is not None}
    registered = one.connections.registry.aliases("tiny")
    # The challenger is what was trained last, and nobody serves it.
    if registered.get("champion") != aliases.get("champion"):
        found.append(f"registry: {registered} beside the ledger's {aliases}")
    partitions = Counter(decision.partition for decision in decisions)
    if set(partitions.values()) != {1} or len(partitions) != N_DAYS:
        found.append(f"ledger: decisions by partition {dict(partitions)}")
    return found


def _alerts(one: Replay, is_live: bool) -> list[str]:
    """Count what was told: of what runs have found everything, once; of a replay's past nothing."""
    outbox = read_outbox(one.connections.lake, "tiny")
    if not is_live:
        return [f"alerts: {len(outbox)} about the past"] if outbox else []
    if not outbox or any(delivery.is_waiting for delivery in outbox):
        return [f"alerts: some were not sent: {outbox}"]
    queued = Counter((delivery.alert.identity, delivery.channel) for delivery in outbox)
    rows = one.connections.lake.read("tiny/alerts").to_pylist()
    steps = Counter((row["alert_id"], row["channel"], row["step"]) for row in rows)
    return [f"alerts: {key} {n} times" for key, n in (queued + steps).items() if n > 1]


def _left_over(one: Replay) -> list[str]:
    unfinished = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]
    left = one.instance.get_runs(dg.RunsFilter(statuses=unfinished))
    return [f"run {run.run_id} is left {run.status.value}" for run in left]


def _repaired(one: Replay, home: Path) -> tuple[int, list[str]]:
    """Have `driftline verify --repair` delete leftovers; list all else that it finds, or that stays."""

    def verified(*, repair: bool) -> list[Told]:
        return [
            *verified_pipeline(
                "tiny",
                one.pipeline,
                installed_in(home),
                one.instance,
                repair=repair,
                show=lambda _: None,
            )
        ]

    found, mended = verified(repair=False), verified(repair=True)
    left = sum(each.finding.kind == "leftover" for each in found)
    wrong = [f"verify: {each.finding}" for each in found if each.finding.kind != "leftover"]
    wrong += [f"verify: not repaired: {each.finding}" for each in mended if not each.mended]
    return left, wrong + [f"verify: still there: {each.finding}" for each in verified(repair=False)]
