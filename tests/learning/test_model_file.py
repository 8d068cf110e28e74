"""Model files: exact, the same for the same model, and closed to anything strange."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from declaration.choices import CANDIDATES_BY_PROBLEM
from declaration.model import Candidate
from declaration.target import ProblemType
from learning.candidates import CANDIDATES, load_libraries
from learning.encode import ColumnEncoding, FeatureEncoding
from learning.fitted import FittedModel
from learning.model_file import ModelFileError, model_from_bytes, model_to_bytes
from learning.train import limited_threads
from learning.training_rows import read_training_set

EVERY_CHOICE = [(problem, name) for problem, names in CANDIDATES_BY_PROBLEM.items() for name in names]


def fitted(table: pa.Table, problem: ProblemType, algorithm: Candidate) -> FittedModel:
    data = read_training_set(table, problem)
    estimator = CANDIDATES[algorithm].fit(data.fit_rows(), 0, 1)
    return FittedModel(algorithm, problem, data.classes, data.encoding, estimator)


def with_nulls(table: pa.Table) -> pa.Table:
    holes = pa.array(np.random.default_rng(1).random(table.num_rows) < 0.1)
    for name in ("signal__x", "carrier__name"):
        position = table.column_names.index(name)
        column = table[name].combine_chunks()
        punched = pa.array(column.to_pylist(), column.type, mask=holes.to_numpy(zero_copy_only=False))
        table = table.set_column(position, name, punched)
    return table


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_a_model_scores_the_same_after_its_file_was_read(
    problem: ProblemType, algorithm: Candidate, make_training_table: Callable[..., pa.Table]
) -> None:
    table = with_nulls(make_training_table(600, problem=problem))
    model = fitted(table, problem, algorithm)
    again = model_from_bytes(model_to_bytes(model))
    assert again.encoding == model.encoding
    assert again.classes == model.classes
    scores = model.score(table)
    np.testing.assert_array_equal(again.score(table), scores)
    assert scores.shape == ((600, 3) if problem == "multiclass" else (600,))


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("problem", "algorithm"), EVERY_CHOICE)
def test_the_same_rows_give_the_same_bytes(
    problem: ProblemType, algorithm: Candidate, make_training_table: Callable[..., pa.Table]
) -> None:
    table = make_training_table(400, problem=problem)
    assert model_to_bytes(fitted(table, problem, algorithm)) == model_to_bytes(
        fitted(table, problem, algorithm)
    )


def test_another_process_writes_the_same_bytes(make_training_table: Callable[..., pa.Table]) -> None:
    code = (
        "import hashlib, tests.fixtures.training_world as world, tests.learning.test_model_file as here;"
        "model = here.fitted(world.training_table(400), 'binary', 'hist_gradient_boosting');"
        "print(hashlib.sha256(here.model_to_bytes(model)).hexdigest())"
    )
    project = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=project, check=True
    )
    here = model_to_bytes(fitted(make_training_table(400), "binary", "hist_gradient_boosting"))
    assert found.stdout.strip() == hashlib.sha256(here).hexdigest()


@pytest.mark.usefixtures("few_trees")
def test_threads_do_not_change_the_model(make_training_table: Callable[..., pa.Table]) -> None:
    data = read_training_set(make_training_table(3_000), "binary")
    load_libraries(CANDIDATES_BY_PROBLEM["binary"])
    for algorithm in CANDIDATES_BY_PROBLEM["binary"]:
        files = set()
        for threads in (1, 2):
            with limited_threads(threads):
                estimator = CANDIDATES[algorithm].fit(data.fit_rows(), 0, threads)
            files.add(model_to_bytes(FittedModel(algorithm, "binary", (), data.encoding, estimator)))
        assert len(files) == 1, algorithm


class Malicious:
    """Would run a command if a pickle of it were read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("owned",))


def shell(matrix: Any) -> Any:
    """Stand for a function that a stranger would like to have called."""
    return matrix


def file_with(estimator: Any) -> bytes:
    encoding = FeatureEncoding((ColumnEncoding("x", "number"),))
    return model_to_bytes(FittedModel("logistic_regression", "binary", (), encoding, estimator))


def test_a_strange_object_inside_a_model_is_refused() -> None:
    model = LogisticRegression().fit(np.arange(10.0)[:, None], [0, 1] * 5)
    model.extra_ = Malicious.__new__(Malicious).__class__
    with pytest.raises(ModelFileError, match=r"types that no candidate .* consists of: .*Malicious"):
        model_from_bytes(file_with(model))


def test_a_strange_function_inside_a_pipeline_is_refused() -> None:
    steps = make_pipeline(FunctionTransformer(shell), LogisticRegression())
    with pytest.raises(ModelFileError, match="shell"):
        model_from_bytes(file_with(steps.fit(np.arange(10.0)[:, None], [0, 1] * 5)))


def test_an_estimator_that_skops_trusts_and_we_do_not_train_is_refused() -> None:
    model = SGDClassifier(random_state=0).fit(np.arange(10.0)[:, None], [0, 1] * 5)
    inner = zipfile.ZipFile(io.BytesIO(file_with(model))).read("estimator.skops")
    assert type(skops.io.loads(inner)) is SGDClassifier
    with pytest.raises(ModelFileError, match="SGDClassifier"):
        model_from_bytes(file_with(model))


def test_a_known_type_under_a_strange_loader_is_refused() -> None:
    content = file_with(LogisticRegression().fit(np.arange(10.0)[:, None], [0, 1] * 5))

    def disguise(schema: dict[str, Any]) -> None:
        schema["content"]["__loader__"] = "MethodNode"

    with pytest.raises(ModelFileError, match=r"builtins\.dict"):
        model_from_bytes(changed_schema(content, disguise))


def changed_schema(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    outer = {
        name: zipfile.ZipFile(io.BytesIO(content)).read(name) for name in ("manifest.json", "estimator.skops")
    }
    archive = zipfile.ZipFile(io.BytesIO(outer["estimator.skops"]))
    parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    change(schema)
    parts["schema.json"] = json.dumps(schema).encode()
    outer["estimator.skops"] = zipped(parts)
    return zipped(outer)


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


@pytest.mark.parametrize("field", ["left", "feature_idx"])
def test_a_tree_that_points_outside_itself_is_refused(field: str) -> None:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(200, 2))
    model = HistGradientBoostingClassifier(max_iter=2).fit(matrix, matrix[:, 0] > 0)
    model._predictors[0][0].nodes[field][0] = 10_000
    with pytest.raises(ModelFileError, match="points outside itself"):
        model_from_bytes(file_with(model))


def test_something_else_than_a_model_file_is_refused() -> None:
    with pytest.raises(ModelFileError, match="not a model file"):
        model_from_bytes(b"\x80\x04pickle")


def test_a_later_layout_is_refused() -> None:
    with pytest.raises(ModelFileError, match="layout 99"):
        model_from_bytes(zipped({"manifest.json": b'{"format": 99}'}))
