"""Checks of preprocessing and of own estimators in a declaration: said with line and repair, without any data."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import write

CANDIDATES = "[hist_gradient_boosting, logistic_regression]"


def faults_of(folder: Path, candidates: str = CANDIDATES, preprocess: str = "") -> str:
    """Return what is said of a declaration with these candidates."""
    block = f"{candidates}\n    preprocess: {preprocess}" if preprocess else candidates
    with pytest.raises(DeclarationError) as found:
        read(write(folder, (CANDIDATES, block)))
    return str(found.value)


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        ("{numbers: {value: 3}}", "model.preprocess.numbers.value is 3, but only `missing: constant` has a value."),
        ("{numbers: {missing: constant}}", "model.preprocess.numbers.missing is constant, but no `value` is given. Add it."),
        ("{numbers: {limit: 3}}", "numbers.limit is 3, but nothing is clipped. Add `outliers: iqr` or z_score."),
        ("{numbers: {missing: native}}", "numbers.missing is native, but logistic_regression cannot read missing values."),
        ("{categories: {encode: native}}", "logistic_regression cannot read codes without an order. Allowed here: one_hot"),
        ("{categories: {n_features: 9}}", "categories.n_features is set, but only `encode: hashing` has a number of columns."),
        ("{columns: {amont: {scale: none}}}", "names 'amont', which is no feature. Features: history__mean_amount, "
         "request__amount. Did you mean 'amount'?"),
        ("{columns: {amount: {n_features: 9}}}", "only tfidf and hashing have a number of columns. Add `encode`, or `kind: text`."),
        ("{columns: {amount: {kind: text, scale: robust}}}", "columns.amount.scale is set, but a text has no use for it. "
         "It has: encode, n_features."),
        ("{columns: {amount: {kind: text, encode: target}}}", "is target, which is no way to read a text. Allowed: tfidf, hashing."),
        ("{columns: {amount: {kind: category, encode: tfidf}}}", "is tfidf, which reads texts."),
        ("{columns: {amount: {encode: native}}}", "columns.amount.encode is native, but logistic_regression cannot read codes"),
        ("{scaling: x}", "unknown key 'scaling'"),
        ("{numbers: {scale: standrd}}", "standrd"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(
    preprocess: str, message: str, tmp_path: Path
) -> None:
    said = faults_of(tmp_path, preprocess=preprocess)
    assert message in said
    assert "defs.yaml:" in said


def test_a_fault_of_one_candidates_own_block_is_placed_there(tmp_path: Path) -> None:
    said = faults_of(
        tmp_path, "[ridge, {use: lightgbm, preprocess: {numbers: {limit: 2}}}]".replace("ridge", "lightgbm")
    )
    assert "model.candidates[1].preprocess.numbers.limit is 2, but nothing is clipped" in said


def test_boosting_reads_gaps_and_codes_as_they_are(tmp_path: Path) -> None:
    preprocess = (
        "{numbers: {missing: native}, categories: {encode: native}, columns: {mean_amount: {outliers: iqr}}}"
    )
    block = f"[hist_gradient_boosting]\n    preprocess: {preprocess}"
    model = read(write(tmp_path, (CANDIDATES, block))).spec.model
    assert model.competitors[0].preprocess == model.preprocess


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ("{use: 'mine.py:Model', trusted: true}", "model.candidates[0] is 'mine.py': no such file. Python files beside the declaration: none."),
        ("{use: '../mine.py:Model', trusted: true}", "it leads out of the declaration's folder"),
        ("{use: lightgbm, trusted: true}", "is trusted, which only a class of yours can be. Remove `trusted`."),
        ("'nowhere.models:Model'", "there is no module 'nowhere.models' here. Install its package, or correct the name."),
        ("'sklearn.linear_model:SGDClassifier'", "hold what no safe format of ours does"),
        ("{use: 'sklearn.ensemble:ExtraTreesClassifier', params: {n_trees: 3}}", "sets 'n_trees', which is no parameter of"),
        ("Lightgbm", "candidates"),
    ],
)  # fmt: skip
def test_own_estimators_that_are_not_there_or_not_safe_are_refused(
    candidate: str, message: str, tmp_path: Path
) -> None:
    assert message in faults_of(tmp_path, f"[{candidate}]")


def test_an_estimators_file_is_part_of_the_declarations_fingerprint(tmp_path: Path) -> None:
    folder = write(tmp_path, (CANDIDATES, "[{use: 'mine.py:Model', trusted: true}]"))
    (folder / "mine.py").write_text("class Model: pass", encoding="utf-8")
    first = read(folder)
    (folder / "mine.py").write_text("class Model: 'another'", encoding="utf-8")
    assert read(folder).spec_hash != first.spec_hash
    assert first.sql["mine.py"] == "class Model: pass"
