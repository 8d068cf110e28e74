"""Sections of a model card, made of what is kept of a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from assets.model.card.content import Card, CardTable, Section
from assets.model.card.reading import CardFacts
from assets.model.explanation_pictures import (
    SLICE_HEADER,
    confusion_rows,
    decided_from,
    effect_pictures,
    importances_picture,
    learning_picture,
    learning_text,
    precision_recall_picture,
    residuals_picture,
    slice_rows,
    slices_text,
)
from assets.model.pictures import calibration_picture, roc_picture
from assets.model.quantiles import figures_header, figures_rows
from declaration.pipeline import Pipeline
from declaration.target import ProblemType
from learning.judged import judged_text
from learning.limits.finding import LimitFinding
from learning.metrics import Scored
from learning.naive_forecast import NAIVE

N_TRIALS = 10
"""Trials that a card lists."""

NOT_KEPT = "not kept: the version is older than this page"

STAGES: Mapping[str, str] = {
    "production": "It serves",
    "staging": "It stands ready, and does not serve",
    "archived": "It was taken out, and does not serve",
    "dev": "It does not serve",
}


def model_card(pipeline: Pipeline, facts: CardFacts, made_of: Mapping[str, str]) -> Card:
    """Make the card of a version.

    Parameters
    ----------
    pipeline
        Its declaration, as it is now.
    facts
        What is kept of the version.
    made_of
        By feature, as the training set names it: the columns of the sources that it is made of, in words.
    """
    version, target = facts.version, pipeline.spec.learned
    sections = [
        _purpose(pipeline),
        _data(pipeline, facts),
        _features(facts, made_of),
        _candidates(facts),
        Section("Settings of the training", facts=tuple(_settings(facts)) or (("settings", NOT_KEPT),)),
        *_quality(facts, target.problem),
        *_slices(facts, target.problem),
        *_limits(facts),
        *_effects(facts, target.problem),
        _decisions(facts),
        _provenance(facts),
    ]
    return Card(
        pipeline=pipeline.name,
        version=version.version,
        headline=f"{pipeline.name}, version {version.version}: {version.made_by}",
        question=pipeline.spec.description,
        stage=_stage_text(facts),
        is_serving=facts.stage == "production",
        figures=_figures(facts),
        sections=tuple(sections),
    )


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _figure(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None or not isfinite(low):
        return f"{value:.4f}"
    return f"{value:.4f} ({low:.4f} to {high:.4f})"


def _stage_text(facts: CardFacts) -> str:
    number = facts.version.version
    entered = [
        one for one in facts.decisions if one.champion_after == number and one.champion_before != number
    ]
    text = STAGES[facts.stage]
    if entered and facts.stage == "production":
        text += f" since {_at(entered[-1].instant)}: {entered[-1].action} by {entered[-1].actor}, {entered[-1].reason}"
    elif entered:
        text += f"; it served from {_at(entered[0].instant)}"
    return f"{text} (stage: {facts.stage}). Written {_at(facts.written_at)}."


def _figures(facts: CardFacts) -> tuple[tuple[str, str, str], ...]:
    version = facts.version
    low, high = version.holdout_low, version.holdout_high
    baselines = [row for row in facts.candidates if _is_baseline(row) and row["metric"] == version.metric]
    interval = f"95 % {low:.4f} to {high:.4f}" if isfinite(low) else "too few days for an interval"
    return (
        (f"{version.metric} out of fold", f"{version.holdout_metric:.4f}", interval),
        ("best naive forecast", *_best(baselines, version.metric)),
        ("rows learned from", f"{version.n_training_rows:,}", version.span or ""),
        ("judged rows", f"{version.n_judged:,}" if version.n_judged else "–", "out of fold"),
        ("features", str(len(version.feature_names)), ""),
        ("stage", facts.stage, ""),
    )


def _best(baselines: Sequence[Mapping[str, Any]], metric: str) -> tuple[str, str]:
    if not baselines:
        return "–", "none was defined"
    sign = -1 if metric in ("rmse", "mae", "log_loss") else 1
    best = max(baselines, key=lambda row: sign * row["value"])
    return f"{best['value']:.4f}", str(best["algorithm"]).removeprefix("baseline/")


def _is_baseline(row: Mapping[str, Any]) -> bool:
    return row["algorithm"] == NAIVE.use or str(row["algorithm"]).startswith("baseline/")


def _purpose(pipeline: Pipeline) -> Section:
    target = pipeline.spec.learned
    named = [
        ("predicts", f"{target.problem}: {target.label}"),
        ("of each row of", target.dataset),
        ("at", target.prediction_time),
        ("known at", target.label_time),
        *([("where", target.where)] if target.where else []),
        *([("owners", ", ".join(pipeline.spec.owners))] if pipeline.spec.owners else []),
    ]
    text = "As the declaration says it now; the spec hash below is that of the training."
    return Section("What it predicts", (text,), tuple(named))


def _data(pipeline: Pipeline, facts: CardFacts) -> Section:
    version, commit = facts.version, facts.tags.get("driftline.run_id", "")
    named = [
        ("training set", f"{pipeline.table('training_set')}, Delta version {version.training_table_version}"),
        ("as of partition", version.training_partition),
        ("learned rows", f"{version.n_training_rows:,}"),
        ("learned since", _at(version.learned_since) if version.learned_since else "the first labelled row"),
        ("judged on", judged_text(version.n_judged, version.n_folds)),
        (
            "judged period",
            f"{_at(facts.judged_span[0])} to {_at(facts.judged_span[1])}" if facts.judged_span else NOT_KEPT,
        ),
        ("digest of the rows", facts.recorded.rows_sha256 or NOT_KEPT),
        *([("made by run", commit)] if commit else []),
    ]
    return Section("Data", facts=tuple(named))


def _features(facts: CardFacts, made_of: Mapping[str, str]) -> Section:
    version = facts.version
    measured = facts.explanation.importances if facts.explanation else {}
    ordered = sorted(version.feature_names, key=lambda name: (-version.importances.get(name, 0.0), name))
    rows = []
    for name in ordered:
        view, _, feature = name.partition("__")
        found = measured.get(name)
        rows.append(
            (
                feature,
                "the row itself" if view == "request" else view,
                f"{version.importances.get(name, 0.0):.1%}",
                f"{found.loss:.4f} ± {found.standard_error:.4f}" if found else "–",
                made_of.get(name, "no longer declared"),
            )
        )
    table = CardTable(
        ("feature", "view", "share of the skill", f"{version.metric} lost without it", "made of"), tuple(rows)
    )
    pictures = (
        [("Permutation importances", importances_picture(measured, version.metric))] if measured else []
    )
    return Section(
        "Features",
        ("Importances by shuffling each feature on judged rows, with a standard error.",),
        tables=(table,),
        pictures=tuple(pictures),
    )


def _candidates(facts: CardFacts) -> Section:
    """Compare candidates and naive forecasts."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in facts.candidates:
        by_name.setdefault(str(row.get("candidate") or row["algorithm"]), []).append(row)
    metrics = list(dict.fromkeys(row["metric"] for row in facts.candidates))
    rows = []
    for name, found in by_name.items():
        figures = {row["metric"]: _figure(row["value"], row.get("low"), row.get("high")) for row in found}
        shown = name.replace("baseline/", "naive: ") + (
            " (chosen)" if any(row["is_best"] for row in found) else ""
        )
        rows.append((shown, *(figures.get(metric, "undefined") for metric in metrics)))
    table = CardTable(("candidate", *metrics), tuple(rows))
    return Section(
        "Candidates",
        ("Out of fold, on the same rows; in brackets 95 % intervals by blocks of time.",)
        if rows
        else (NOT_KEPT,),
        tables=tuple(one for one in (table, _trials(facts)) if one.rows),
    )


def _trials(facts: CardFacts) -> CardTable:
    rows = tuple(
        (row["candidate"], f"{row['loss']:.5g}", f"{row['cpu_seconds']:.1f}", row["params"] or "as declared")
        for row in facts.trials[:N_TRIALS]
    )
    title = f"Settings tried by searches: {len(facts.trials)}, the best {len(rows)}"
    return CardTable(("candidate", "loss", "CPU s", "settings"), rows, title)


def _settings(facts: CardFacts) -> Iterator[tuple[str, str]]:
    """Give the settings of the training that say anything."""
    for name, text in sorted((facts.run.params if facts.run else {}).items()):
        if text not in ("null", "[]", "{}"):
            yield name, text


def _quality(facts: CardFacts, problem: ProblemType) -> Iterator[Section]:
    judged = facts.judged
    if judged is None:
        return
    pictures, tables = list(_judged_pictures(judged, problem)), []
    if problem != "regression":
        threshold = facts.explanation.threshold if facts.explanation else None
        header, rows = confusion_rows(judged, problem, facts.version.classes, threshold)
        title = (
            f"Confusion: positive from a probability of {decided_from(threshold):.4g}"
            if problem == "binary"
            else "Confusion, by the likeliest class"
        )
        tables.append(CardTable(tuple(header), tuple(map(tuple, rows)), title))
    if facts.quantiles:
        title = "Quantiles: coverage with 95 % intervals, and pinball losses; skill is the share of a loss that is avoided"
        tables.append(CardTable(figures_header(facts.quantiles), tuple(figures_rows(facts.quantiles)), title))
    texts = ["Judged rows, each scored by a model that has not learned from it."]
    if facts.explanation is not None:
        curve = facts.explanation.curve
        texts.append(learning_text(curve))
        if curve.points:
            pictures.append(("Learning curve", learning_picture(curve, facts.version.metric)))
    yield Section("How good it is", tuple(texts), tables=tuple(tables), pictures=tuple(pictures))


def _judged_pictures(judged: Scored, problem: ProblemType) -> Iterator[tuple[str, str]]:
    if problem == "binary":
        yield "ROC curve", roc_picture({"out of fold": judged})
        yield "Precision and recall", precision_recall_picture({"out of fold": judged})
    if problem != "multiclass":
        yield "Calibration", calibration_picture(judged, problem)
    if problem == "regression":
        yield "Residuals", residuals_picture(judged)


def _slices(facts: CardFacts, problem: ProblemType) -> Iterator[Section]:
    if facts.explanation is None:
        return
    search = facts.explanation.slices
    tables = [
        CardTable(SLICE_HEADER, tuple(map(tuple, slice_rows(found))), title)
        for found, title in (
            (search.worst, "Surely worse"),
            (search.singles, "By one column, the greatest loss first"),
        )
        if found
    ]
    texts = [slices_text(search, problem)]
    if search.worst:
        texts.append("A greater loss may lie in rows that nobody could tell as well as in the model.")
    yield Section("Where it errs", tuple(texts), tables=tuple(tables))


def _limits(facts: CardFacts) -> Iterator[Section]:
    """Give what the gate measured of its limits and of fairness, where any are declared."""
    judged = [one for one in facts.decisions if one.version == facts.version.version and one.actor == "gate"]
    found = [LimitFinding(**finding) for finding in judged[-1].report.get("limits", ())] if judged else []
    if found:
        rows = tuple(
            (
                one.about,
                _limit_value(one),
                f"{one.side} {one.limit:g}",
                "beyond it" if one.is_broken else "kept",
            )
            for one in found
        )
        yield Section(
            "Limits and fairness",
            ("As declared in model.gate, at its last judgement.",),
            tables=(CardTable(("measured", "value", "allowed", "verdict"), rows),),
        )


def _limit_value(finding: LimitFinding) -> str:
    if finding.value is None:
        return f"not judged: {finding.note}"
    return f"{finding.value:.4g}"


def _effects(facts: CardFacts, problem: ProblemType) -> Iterator[Section]:
    if facts.explanation is None or not facts.explanation.effects:
        return
    texts = (
        "Mean score as one feature takes one value after another and all others stay (partial dependence); thin lines are "
        "single rows. Where features move together, some of these rows never come.",
    )
    pictures = tuple(effect_pictures(facts.explanation.effects, problem, facts.version.classes))
    yield Section("How the answer moves", texts, pictures=pictures)


def _decisions(facts: CardFacts) -> Section:
    rows = tuple(
        (
            _at(one.instant),
            f"version {one.version} {one.action}",
            one.actor,
            one.outcome,
            one.reason,
            one.explanation,
        )
        for one in facts.decisions
    )
    header = ("at", "what", "who", "outcome", "asked for", "why")
    text = (
        "Rows of the ledger that name the version or put another in its place."
        if rows
        else "The ledger does not name it."
    )
    return Section("Who decided what", (text,), tables=(CardTable(header, rows),) if rows else ())


def _provenance(facts: CardFacts) -> Section:
    version, environment = facts.version, facts.recorded.environment
    named = [
        ("registered", _at(version.registered_at)),
        ("spec hash", facts.tags.get("driftline.spec_hash", NOT_KEPT)),
        ("model file, sha256", version.artifact_sha256),
        ("file", facts.run.model_file.rpartition("/")[2] if facts.run else "MLflow's run was deleted"),
        ("MLflow run", version.run_id),
        *(environment.named().items() if environment else [("environment", NOT_KEPT)]),
    ]
    return Section("Provenance and environment", facts=tuple(named))
